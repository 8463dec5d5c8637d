"""The entry point. Until the daemon handles signals, Ctrl-C ends the process and prints nothing."""

import os
import signal
import sys


def main() -> None:
    """Run ``naived`` and exit with its code."""
    _fill_closed_streams()
    # Python's own handler would print a traceback from inside an import.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from naived.cli import commands  # deferred: it takes most of a second, and Ctrl-C may come meanwhile

    try:
        commands.main()
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
