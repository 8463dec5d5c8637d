"""The daemon: opens everything, nests the nurseries, and on a signal closes them from the inside out.

    journal                     opened first, closed last
    └ embedded simulator        for `simulator` and `paper`
      └ account                 the exchange session
        └ supervisor            the symbols
          └ control server      stops first

A suspend changes no status and cancels no order: the next start goes on where this one ended.
"""

import base64
import fcntl
import os
import resource
import secrets
import signal
import socket
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path

import structlog
import trio

from naived.binance import endpoint as endpoints
from naived.binance.endpoint import ENDPOINTS
from naived.binance.exchange import BinanceExchange
from naived.binance.signing import Credentials, KeyFormatError, credentials
from naived.config import Config, Venue
from naived.control import server as control
from naived.control.endpoint import EndpointError
from naived.control.events import EventLog
from naived.core.settings import DEFAULT_BUDGET
from naived.database.engine import ConfigurationError
from naived.database.journal import SqlJournal, open_journal
from naived.paper import PaperExchange
from naived.ports import DeploymentError, Event, Exchange, JournalError
from naived.runtime.account import Account
from naived.runtime.feed import Feed
from naived.runtime.supervisor import Supervisor
from naived.runtime.work import Desk
from naived.service import Identity, Service
from naived.simulator.errors import SimulatorError
from naived.simulator.server import Simulation, SimulatorConfig, simulate
from naived.verbs import Verbs

_LOCKED, _UNREACHABLE, _MISCONFIGURED = 69, 75, 78  # exit codes: EX_UNAVAILABLE, EX_TEMPFAIL, EX_CONFIG
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

log = structlog.get_logger()


class LockedError(Exception):
    """Another naived has this home."""


async def run(config: Config) -> int:
    """Run until a signal suspends it; the exit code of the process."""
    _raise_file_limit()
    refused: list[tuple[int, BaseException]] = []
    try:
        with _locked(config.home):
            await _opened(config)
    except* LockedError as group:
        refused = [(_LOCKED, error) for error in group.exceptions]
    except* (ConfigurationError, DeploymentError, KeyFormatError, EndpointError, SimulatorError) as group:
        refused = [(_MISCONFIGURED, error) for error in group.exceptions]
    except* JournalError as group:
        refused = [(_UNREACHABLE, error) for error in group.exceptions]
    for code, error in refused:
        print(f"naived: {_leaf(error)}", file=sys.stderr)
        return code
    return 0


def _leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _raise_file_limit() -> None:
    """Thousands of control connections are thousands of descriptors."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Hold the home's lock, before socket or database is touched; the file stays, the pid in it is for people."""
    descriptor = os.open(home / "naived.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 100, 0).decode("ascii", "replace").strip()
            raise LockedError(
                f"another naived (pid {holder or 'unknown'}) has the home {home}; stop it, or choose another --home"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


async def _opened(config: Config) -> None:
    started_at = time.time_ns() // 1_000_000
    who = _credentials(config)
    async with open_journal(config.database) as journal, _exchange(config, who) as (exchange, url):
        identity = Identity(
            version("naived"),
            uuid.uuid4().hex,
            os.getpid(),
            started_at,
            str(config.exchange),
            url,
            journal.kind,
        )
        await _traded(config, journal, exchange, identity)
    log.info("suspended")


def _credentials(config: Config) -> Credentials:
    if config.api_keys is None:
        return credentials("naived", secrets.token_hex(16))  # our own simulator accepts any
    return credentials(config.api_keys.key.reveal(), config.api_keys.secret.reveal())


@asynccontextmanager
async def _exchange(config: Config, who: Credentials) -> AsyncIterator[tuple[Exchange, str]]:
    """The one adapter, pointed at where the configuration says; with the simulator it needs, if any."""
    match config.exchange:
        case Venue.SIMULATOR if config.exchange_url is not None:
            yield BinanceExchange(endpoints.simulator(config.exchange_url), who), config.exchange_url
        case Venue.SIMULATOR:
            async with _simulator(SimulatorConfig(ledger=config.home / "simulator-ledger.db")) as simulation:
                yield BinanceExchange(endpoints.simulator(simulation.url), who), simulation.url
        case Venue.PAPER:
            paper = SimulatorConfig(fed=True, exchange_info={"symbols": []}, ledger=config.home / "paper-ledger.db")
            source = endpoints.simulator(config.exchange_url) if config.exchange_url else ENDPOINTS[Venue.BINANCE]
            async with _simulator(paper) as simulation:
                yield PaperExchange(simulation, source, who), simulation.url
        case venue:
            endpoint = ENDPOINTS[venue]
            yield BinanceExchange(endpoint, who), endpoint.api_url


@asynccontextmanager
async def _simulator(config: SimulatorConfig) -> AsyncIterator[Simulation]:
    async with trio.open_nursery() as nursery:
        yield await nursery.start(partial(simulate, config))
        nursery.cancel_scope.cancel()


async def _traded(config: Config, journal: SqlJournal, exchange: Exchange, identity: Identity) -> None:
    events = EventLog(identity.started_at)

    def publish(event: Event) -> None:
        log.info(event.kind, symbol=event.symbol, message=event.message)
        events.publish(event.at, event.symbol, event.kind, event.message)

    feed = Feed()
    account = Account(exchange, journal, feed, str(config.exchange), journal.tag, config.grace)
    new_id = partial(_new_id, journal.tag)
    desk = Desk(exchange, journal, account, publish, new_id, journal.epoch, config.recv_window)
    supervisor = Supervisor(account, feed, desk)
    supervisor.load(await journal.load())
    budget = DEFAULT_BUDGET if config.exchange.simulated else None
    verbs = Verbs(supervisor, account, exchange, journal, budget)
    service = Service(identity, supervisor, account, journal, verbs, events)

    async with trio.open_nursery() as session:
        session.start_soon(account.run)
        async with trio.open_nursery() as symbols:
            symbols.start_soon(supervisor.run)
            async with trio.open_nursery() as door:
                await door.start(control.serve, config.socket, service)
                log.info("ready", socket=str(config.socket), exchange=identity.exchange, url=identity.exchange_url)
                _notify("READY=1")
                await _suspend_wanted()
                service.suspending = True
                _notify("STOPPING=1")
                door.cancel_scope.cancel()
            symbols.cancel_scope.cancel()
        await account.farewell()
        session.cancel_scope.cancel()


def _new_id(tag: str) -> str:
    """A client order id: our tag, then 128 random bits; nothing is derived from it."""
    return f"n1{tag}-{base64.b32encode(os.urandom(16)).decode().rstrip('=').lower()}"


async def _suspend_wanted() -> None:
    """Wait for a signal; from then on another one ends the process at once, which is as safe as a crash."""
    with trio.open_signal_receiver(*_SIGNALS) as signals:
        number = await anext(aiter(signals))
    for each in _SIGNALS:
        signal.signal(each, lambda number, _frame: os._exit(128 + number))
    log.info("suspending", signal=signal.Signals(number).name)


def _notify(state: str) -> None:
    """Tell systemd, if it started us (sd_notify)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notifier:
        notifier.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
