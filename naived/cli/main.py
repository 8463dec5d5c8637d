"""The entry point. Ctrl-C ends the process without a traceback, also while it imports."""

import signal
import sys

from naived.cli.launch import launch, plain_flags
from naived.process import streams

_UNWRITTEN = 1  # exit code


def main() -> None:
    """Run ``naived`` and exit with its code."""
    streams.guard()
    # Python's own handler would print a traceback from inside an import.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    flags = plain_flags(sys.argv[1:])
    if flags is not None:
        sys.exit(launch(flags))
    try:
        _command()
    except streams.OutputError as error:
        from naived.process.complaint import complain

        complain(error)
        sys.exit(_UNWRITTEN)


def _command() -> None:
    from naived.cli import commands  # deferred: it takes half a second

    try:
        commands.main()
    finally:
        sys.stdout.flush()
