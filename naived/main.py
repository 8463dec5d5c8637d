"""The entry point: until the daemon listens for signals, Ctrl-C ends the process without a word."""

import signal


def main() -> None:
    """Run ``naived`` and exit with its code."""
    # Python's own handler would print where among the imports it was.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from naived import cli  # deferred: most of a second, in which Ctrl-C may come

    cli.main()
