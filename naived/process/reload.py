"""Reads the configuration again while naived runs: what SIGHUP asks for where no terminal was closed."""

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any, Generic, Protocol, TypeVar

import structlog
import trio

from naived.process import logs, systemd
from naived.process.config import ConfigError, LogFormat, LogLevel

_PATIENCE = 2.0  # seconds: a disk or a server that does not answer keeps neither trading nor a suspend waiting
_TAKEN = ("log_format", "log_level", "recv_window", "grace", "metrics_listen")

log = structlog.get_logger()


class Logging(Protocol):
    """What the configuration of every program has; it is a dataclass."""

    @property
    def log_format(self) -> LogFormat: ...

    @property
    def log_level(self) -> LogLevel: ...

    @property
    def secrets(self) -> Collection[str]: ...


C = TypeVar("C", bound=Logging)


class Reload(Generic[C]):
    """``config`` is in force; ``read`` reads it again, and raises ConfigError; ``apply`` gives it to the program.

    ``read`` runs in a thread. One that hangs is left, and no other one is begun until it ends.

    ``ready``: the service manager was told that naived is ready, so it is told of a reload as well.
    """

    def __init__(self, config: C, read: Callable[[], C]) -> None:
        self.config = config
        self.apply: Callable[[C], None] = lambda config: None
        self.ready = False
        self._read = read
        self._one = trio.CapacityLimiter(1)

    async def __call__(self) -> None:
        """Take what may change while naived runs; say what needs a restart. A bad configuration changes nothing."""
        if self.ready:
            systemd.reloading()
        await self._take()
        if self.ready:
            systemd.ready()

    async def _take(self) -> None:
        try:
            with trio.fail_after(_PATIENCE):
                found = await trio.to_thread.run_sync(self._read, abandon_on_cancel=True, limiter=self._one)
        # Also what a library raises for an odd one: a daemon that trades does not end by it.
        except (ConfigError, OSError, ValueError, trio.TooSlowError) as error:
            why = str(error) or f"its files cannot be read within {_PATIENCE:.0f} s"
            log.error("configuration not read again, the old one stays in force", error=why)
            return
        config: Any = self.config
        changed = [each.name for each in fields(config) if getattr(found, each.name) != getattr(config, each.name)]
        taken = []
        for name in changed:
            if name in _TAKEN:
                # What is not safe with what stays needs a restart too.
                with suppress(ConfigError):
                    config = replace(config, **{name: getattr(found, name)})
                    taken.append(name)
        refused = [_spelled(name) for name in changed if name not in taken]
        self.config = config
        logs.configure(self.config.log_format, self.config.log_level, self.config.secrets)
        self.apply(self.config)
        log.info("configuration read again", changed=[_spelled(name) for name in taken])
        if refused:
            log.error("these options need a restart; until then their old values stay", options=refused)


def _spelled(name: str) -> str:
    return "api-key-file, api-secret-file" if name == "api_keys" else name.replace("_", "-")
