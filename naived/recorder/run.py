"""Runs a recording until a signal ends it. The CLI calls ``run``, and holds the lock of the directory.

    files           how far an earlier run came; torn ends are cut
    └ exchange      which symbols it lists; asked until it answers
      └ writer      opened first, ended last
        └ streams, filler, report, a look at the symbols every hour

A signal ends it at any of these. Trades that are held because those before them are asked for are not written: the
next start asks for all of them.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import structlog
import trio

from naived.binance import endpoint as endpoints
from naived.binance.border import message
from naived.binance.clock import ServerClock
from naived.binance.connection import Connect
from naived.binance.endpoint import ENDPOINTS, Endpoint
from naived.binance.history import asking_history
from naived.binance.limits import Limits
from naived.binance.public import symbol_rows
from naived.binance.refusals import Refusals
from naived.binance.streams import Streams
from naived.ports import ExchangeError
from naived.process import logs, systemd
from naived.process.config import ConfigError, LogFormat, LogLevel, Venue
from naived.process.reload import Reload
from naived.process.signals import suspendable
from naived.recorder.files import Found, UnreadableRecordingError, find
from naived.recorder.layout import DAY, clock_text
from naived.recorder.recording import Recording, wall
from naived.recorder.status import StatusLine, line, report
from naived.websocket import connect as connect_websocket

LOCK = "naived-record.lock"
TAKEN = "another naived record (pid {pid}) writes into {directory}; stop it, or choose another --to"

_PATIENCE = 9.0  # seconds that the end may take, as that of the daemon
_FIRST_PAUSE = 1.0  # seconds until an exchange that is away is asked again, doubled each time
_LONGEST_PAUSE = 15.0
_LOOK_EVERY = 3600.0  # seconds between two looks at what the exchange says of the symbols
_TRADING = "TRADING"  # the status of an open market
_UNWRITTEN = 1  # exit code

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RecordConfig:
    """``exchange_url`` is that of a simulator, or for ``paper`` of another source of prices."""

    symbols: tuple[str, ...]
    to: Path
    exchange: Venue
    exchange_url: str | None
    log_format: LogFormat
    log_level: LogLevel
    secrets: tuple[str, ...] = ()

    @property
    def endpoint(self) -> Endpoint:
        if self.exchange_url is not None:
            return endpoints.simulator(self.exchange_url)
        return ENDPOINTS[Venue.BINANCE if self.exchange is Venue.PAPER else self.exchange]


class UnlistedError(ConfigError):
    """The exchange does not have a symbol that was asked for."""

    exit_code: ClassVar[int] = 2


async def run(
    config: RecordConfig,
    connect: Connect = connect_websocket,
    reread: Callable[[], RecordConfig] | None = None,
    shown: StatusLine | None = None,
    now: Callable[[], int] = wall,
    follow: Callable[[], None] = lambda: None,
) -> int:
    """Record until a signal; returns the exit code. Raises ConfigError. ``reread``: see ``daemon.run``.

    ``shown`` is the terminal that the log goes to, if it is one; ``now`` is this machine's clock (microseconds).
    ``follow`` locks the directory again if it is another one; raises ConfigError.
    """
    reload = Reload(config, reread or (lambda: config))
    reload.apply = lambda found: logs.configure(found.log_format, found.log_level, stream=shown)
    try:
        async with suspendable(_PATIENCE, reload if reread else None, "ending: what came is written") as ended:
            return await record(config, ended, connect, shown, now, reload, follow)
    except ExceptionGroup as group:
        found: Exception = group
        while isinstance(found, ExceptionGroup) and len(found.exceptions) == 1:
            found = found.exceptions[0]
        if isinstance(found, ConfigError):
            raise found from group
        raise
    finally:
        if shown is not None:
            shown.show("")


async def record(
    config: RecordConfig,
    ended: trio.Event,
    connect: Connect = connect_websocket,
    shown: StatusLine | None = None,
    now: Callable[[], int] = wall,
    reload: Reload[RecordConfig] | None = None,
    follow: Callable[[], None] = lambda: None,
) -> int:
    """As ``run``, until the event is set."""
    found = await trio.to_thread.run_sync(_find, config, now())
    statuses = await _listed_before(ended, config, connect, found)
    if statuses is None:
        log.info("ended", trades=0)
        return 0
    listed = {symbol: found[symbol] for symbol in config.symbols if symbol in statuses}
    refusals = Refusals(lambda: now() // 1000)
    clock = ServerClock()
    limits = Limits(clock.now, clock.monotonic)
    asking = partial(asking_history, config.endpoint.api_url, connect, clock, limits, refusals)
    recording = Recording(config.to, listed, asking, refusals, now, follow=follow)
    streams = Streams(
        config.endpoint.stream_url,
        connect,
        random.random,
        refusals,
        lambda: recording.latest_time,
        recording,
    )
    for symbol, each in listed.items():
        streams.want(symbol)
        after = None if each.last is None else each.last.id
        since = None if each.last is None else clock_text(each.last.time)
        log.info("recording", symbol=symbol, goes_on_after=after, of=since)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(recording.writer.run)
            async with trio.open_nursery() as inner:
                inner.start_soon(streams.run, None)
                inner.start_soon(recording.filler.run)
                inner.start_soon(report, recording, shown)
                inner.start_soon(_look, config, connect, statuses)
                inner.start_soon(systemd.tend, partial(line, recording), trio.lowlevel.checkpoint)
                systemd.ready()
                if reload is not None:
                    reload.ready = True
                await ended.wait()
                inner.cancel_scope.cancel()
            nursery.cancel_scope.cancel()
    finally:
        whole = await recording.writer.finish()  # behind the writer's last round
    return _tell_end(recording, whole=whole)


def _tell_end(recording: Recording, *, whole: bool) -> int:
    """Say what was written and what was not; returns the exit code."""
    for symbol, track in recording.tracks.items():
        if track.asking is not None:
            log.info("a gap is left to the next start", symbol=symbol, first=track.next_id, last=track.asking.to_id)
    tally = recording.writer.tally
    if not whole:
        why = recording.writer.trouble
        log.error("trades are not written, the next start asks for them", why=why, trades=recording.writer.waiting)
    log.info("ended", trades=tally.trades, gaps=tally.gaps, bytes=tally.size, doubles=recording.doubles)
    return 0 if whole else _UNWRITTEN


def _find(config: RecordConfig, now: int) -> dict[str, Found]:
    """How far the recording of each symbol came; raises ConfigError."""
    found = {}
    for symbol in config.symbols:
        try:
            found[symbol] = each = find(config.to, symbol)
        except UnreadableRecordingError as error:
            raise ConfigError(str(error)) from error
        except OSError as error:
            raise ConfigError(f"cannot use {error.filename or config.to}: {error.strerror}") from error
        if each.last is not None and each.last.time > now + DAY:
            raise ConfigError(
                f"the last trade of {symbol} in {config.to} is of {clock_text(each.last.time)}, "
                "which is not yet: set this machine's clock, or record into another directory"
            )
    return found


async def _listed_before(
    ended: trio.Event, config: RecordConfig, connect: Connect, found: Mapping[str, Found]
) -> Mapping[str, str] | None:
    """As `_listed`; None if the end comes first."""
    async with trio.open_nursery() as nursery:

        async def leave() -> None:
            await ended.wait()
            nursery.cancel_scope.cancel()

        nursery.start_soon(leave)
        statuses = await _listed(config, connect, found)
        nursery.cancel_scope.cancel()
        return statuses
    return None


async def _listed(config: RecordConfig, connect: Connect, found: Mapping[str, Found]) -> Mapping[str, str]:
    """The status of each symbol that the exchange lists, as soon as it says so; raises UnlistedError."""
    pause = _FIRST_PAUSE
    while True:
        try:
            statuses = await _statuses(config, connect)
            break
        except ExchangeError as error:
            log.warning("waiting for the exchange", why=str(error))
        await trio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    missing = [symbol for symbol in config.symbols if symbol not in statuses]
    unknown = [symbol for symbol in missing if not found[symbol].known]
    if unknown:
        raise UnlistedError(f"the exchange {config.exchange} does not list {', '.join(unknown)}")
    for symbol in missing:
        log.error("the exchange does not list a symbol any more, nothing of it is recorded", symbol=symbol)
    if not statuses:
        raise UnlistedError(f"the exchange {config.exchange} lists {', '.join(missing)} no more")
    for symbol, status in statuses.items():
        if status != _TRADING:
            log.warning("a symbol is not traded now", symbol=symbol, status=status)
    return statuses


async def _statuses(config: RecordConfig, connect: Connect) -> dict[str, str]:
    """The status of each symbol that the exchange lists; raises ExchangeError."""
    rows = await symbol_rows(config.endpoint.api_url, config.symbols, connect)
    return {symbol: message(str(row.get("status"))) for symbol, row in rows.items()}


async def _look(config: RecordConfig, connect: Connect, known: Mapping[str, str]) -> None:
    """Until cancelled: say when a symbol is delisted or its market closes, which ends its trades without a word."""
    told = dict(known)
    while True:
        await trio.sleep(_LOOK_EVERY)
        try:
            statuses = await _statuses(config, connect)
        except ExchangeError as error:
            log.warning("the exchange does not say what it lists", why=str(error))
            continue
        for symbol, before in told.items():
            status = statuses.get(symbol, "delisted")
            if status != before:
                log.warning("the status of a symbol changed", symbol=symbol, status=status, before=before)
                told[symbol] = status
