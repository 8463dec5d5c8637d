"""The entry point: until the daemon listens for signals, Ctrl-C ends the process without a word."""

import os
import signal
import sys


def main() -> None:
    """Run ``naived`` and exit with its code."""
    _fill_closed_streams()
    # Python's own handler would print where among the imports it was.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from naived import cli  # deferred: most of a second, in which Ctrl-C may come

    try:
        cli.main()
    finally:
        _forget_the_unwritable()


def _fill_closed_streams() -> None:
    """Python has None for a stream that we were started without, and its number would go to the next file."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - it stays open


def _forget_the_unwritable() -> None:
    """A log on a full disk is no failure of ours: with bytes left over Python would exit with 120."""
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
