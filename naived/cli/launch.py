"""Starts ``naived run``: lock and control socket first, then the imports, which take most of the start.

``main`` calls ``launch`` with the flags of a plain command line, ``commands`` with those that Typer has read. Until
the lock is held and the socket listens, only the standard library is imported.
"""

import os
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from functools import partial

from naived.cli import config as configuration
from naived.cli.options import RUN
from naived.process.config import Config, ConfigError
from naived.process.home import prepare_home
from naived.process.opening import SUSPENDING, opened

_SWITCHES = ("live",)
_CRASHED = 1  # exit code


def plain_flags(arguments: Sequence[str]) -> dict[str, object] | None:
    """The flags of ``naived [run] [--name VALUE | --name=VALUE | --live]...``, as Typer would read them.

    None for any other command line: Typer performs or explains it.
    """
    words = list(arguments)
    if words and not words[0].startswith("-") and words.pop(0) != "run":
        return None
    flags: dict[str, object] = {}
    while words:
        flag, equals, value = words.pop(0).partition("=")
        name = flag.removeprefix("--").replace("-", "_")
        if name not in (*RUN, "config") or flag != f"--{name.replace('_', '-')}" or name in flags:
            return None
        if name in _SWITCHES:
            if equals:
                return None
            flags[name] = True
            continue
        if not equals:
            if not words or words[0].startswith("-"):
                return None
            value = words.pop(0)
        flags[name] = value
    return flags


def launch(flags: Mapping[str, object]) -> int:
    """Run the daemon with these flags; the exit code."""
    _protect()

    def load(*, again: bool) -> Config:
        return configuration.load(flags, os.environ, terminal=sys.stderr.isatty(), again=again)

    # Asked now: a terminal that was closed is none any more.
    reread = None if os.isatty(0) else partial(load, again=True)
    try:
        config = load(again=False)
        prepare_home(config.home)
        # Until the daemon receives them: then each asks for a suspend.
        signal.pthread_sigmask(signal.SIG_BLOCK, SUSPENDING)
        with opened(config) as endpoint:
            import structlog
            import trio

            from naived import daemon
            from naived.process import logs

            logs.configure(config.log_format, config.log_level, config.secrets)
            try:
                return trio.run(partial(daemon.run, config, endpoint, reread=reread))
            except Exception:
                crash = structlog.get_logger("naived").critical
                crash("naived crashed: orders rest, the journal is whole", exc_info=True)
                return _CRASHED
    except ConfigError as error:
        from naived.process.complaint import complain

        complain(error)
        return error.exit_code
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SUSPENDING)


def _protect() -> None:
    """What we write is ours alone, and no core dump holds the keys."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
