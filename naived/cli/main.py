"""The entry point. Until the daemon handles signals, Ctrl-C ends the process and prints nothing."""

import os
import signal
import sys


def main() -> None:
    """Run ``naived`` and exit with its code."""
    _fill_closed_streams()
    # Python's own handler would print a traceback out of some import.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from naived.cli import commands  # deferred: most of a second, in which Ctrl-C may come

    try:
        commands.main()
    finally:
        _discard_unwritten()


def _fill_closed_streams() -> None:
    """Python has None for a stream that we were started without, and its number would go to the next file."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - it stays open


def _discard_unwritten() -> None:
    """Python would exit with 120 if it could not write the rest of the log: a full disk keeps our exit code."""
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
