"""The entry point. Ctrl-C ends the process without a traceback, also while it imports."""

import os
import signal
import sys

from naived.cli.launch import launch, plain_flags


def main() -> None:
    """Run ``naived`` and exit with its code."""
    _fill_closed_streams()
    # Python's own handler would print a traceback from inside an import.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    flags = plain_flags(sys.argv[1:])
    try:
        if flags is None:
            from naived.cli import commands  # deferred: it takes half a second

            commands.main()
        else:
            sys.exit(launch(flags))
    finally:
        _discard_unwritten()


def _fill_closed_streams() -> None:
    """Open /dev/null for a closed standard stream: the next opened file would get its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - it stays open


def _discard_unwritten() -> None:
    """Keep our exit code on a full disk: Python exits with 120 if it cannot write the rest of the log."""
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
