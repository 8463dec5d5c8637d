"""The daemon: opens everything, nests the nurseries, and on a signal closes them from the inside out.

    lock, control socket        clients that connect while the rest is opened wait
    journal                     opened first, closed last
    └ embedded simulator        for `simulator` and `paper`
      └ account                 the exchange session
        └ supervisor            the symbols
          └ control server      stops first

A suspend changes no status and cancels no order: the next start continues where this one ended. It waits for
answers in flight, for commits, and for connections and files to close; ``PATIENCE`` is the sum of their limits. A
suspend that takes longer, because something hangs, ends like a crash. The CLI calls ``run``.
"""

import os
import resource
import secrets
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from importlib.metadata import version

import structlog
import trio

from naived.app import ANSWERS, Signing, assemble, running
from naived.binance import endpoint as endpoints
from naived.binance.connection import Connect
from naived.binance.endpoint import ENDPOINTS
from naived.binance.exchange import BinanceExchange
from naived.binance.signing import Credentials, KeyFormatError, credentials
from naived.control.answers import Identity
from naived.control.endpoint import Endpoint, EndpointError
from naived.control.methods import METHODS
from naived.control.server import serve
from naived.core.strategy.settings import DEFAULT_BUDGET
from naived.database.engine import ConfigurationError
from naived.database.journal import SqlJournal, open_journal
from naived.database.writer import HANGING
from naived.paper import PaperExchange
from naived.ports import DeploymentError, Exchange, JournalError
from naived.process import systemd
from naived.process.config import Config, ConfigError, Venue
from naived.process.lock import LockedError, locked
from naived.process.logs import complain
from naived.process.signals import suspendable
from naived.simulator.errors import SimulatorError
from naived.simulator.server import Simulation, SimulatorConfig, simulate
from naived.websocket import connect as connect_websocket

_CLOSING = 0.5  # seconds to close connections and files, which depends on no other program
# Seconds that a suspend may take; `docker stop` kills after 10. All its commits together get the time after which
# one commit counts as hanging.
PATIENCE = ANSWERS + HANGING + _CLOSING

# Exit codes; the last three are EX_UNAVAILABLE, EX_TEMPFAIL, EX_CONFIG.
_UNANSWERED, _LOCKED, _UNREACHABLE, _MISCONFIGURED = 1, 69, 75, 78
_UNUSABLE = (ConfigError, ConfigurationError, DeploymentError, EndpointError, KeyFormatError)

log = structlog.get_logger()


async def run(config: Config, connect: Connect = connect_websocket) -> int:
    """Run until a signal suspends it; returns the exit code. ``connect`` makes all connections to exchanges.

    An error that a person can correct, or that passes, is printed on one line. Any other one is raised: a crash.
    """
    _raise_file_limit()
    try:
        async with suspendable(PATIENCE) as suspend:
            with locked(config.home), closing(Endpoint(config.socket)) as endpoint:
                answered = await _open_and_run(config, connect, suspend, endpoint)
    except ExceptionGroup as group:
        _, crash = group.split((LockedError, *_UNUSABLE, JournalError))
        if crash is not None:
            raise
        refusal = _leaf(group)
        complain(refusal)
        return _exit_code(refusal)
    return 0 if answered else _UNANSWERED


def _leaf(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _exit_code(refusal: Exception) -> int:
    if isinstance(refusal, LockedError):
        return _LOCKED
    return _MISCONFIGURED if isinstance(refusal, _UNUSABLE) else _UNREACHABLE


def _raise_file_limit() -> None:
    """Set the limit of open files to the highest allowed: each control connection needs a file descriptor."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError):  # macOS reports "unlimited" and refuses to set it
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _open_and_run(config: Config, connect: Connect, suspend: trio.Event, endpoint: Endpoint) -> bool:
    """Open all, trade, close all; returns whether everything that was sent was answered."""
    started_at = time.time_ns() // 1_000_000
    who = _credentials(config)
    async with (
        open_journal(config.database, str(config.exchange)) as journal,
        _exchange(config, who, connect) as (exchange, url),
    ):
        identity = Identity(
            version("naived"),
            uuid.uuid4().hex,
            os.getpid(),
            started_at,
            str(config.exchange),
            url,
            journal.kind,
        )
        answered = await _run_until_suspended(config, journal, exchange, identity, suspend, endpoint)
    if answered:
        log.info("suspended")
    else:
        log.warning("suspended before every answer came; the next start asks again what became of those orders")
    return answered


def _credentials(config: Config) -> Credentials:
    if config.api_keys is None:
        return credentials("naived", secrets.token_hex(16))  # our own simulator accepts any key
    return credentials(config.api_keys.key.reveal(), config.api_keys.secret.reveal())


@asynccontextmanager
async def _exchange(config: Config, who: Credentials, connect: Connect) -> AsyncIterator[tuple[Exchange, str]]:
    """The exchange adapter that the configuration asks for, its URL, and the simulator it needs, if any."""
    match config.exchange:
        case Venue.SIMULATOR if config.exchange_url is not None:
            endpoint = endpoints.simulator(config.exchange_url)
            yield BinanceExchange(endpoint, who, connect=connect), config.exchange_url
        case Venue.SIMULATOR:
            async with _simulator(SimulatorConfig(ledger=config.home / "simulator-ledger.db")) as simulation:
                endpoint = endpoints.simulator(simulation.url)
                yield BinanceExchange(endpoint, who, connect=connect), simulation.url
        case Venue.PAPER:
            paper = SimulatorConfig(fed=True, exchange_info={"symbols": []}, ledger=config.home / "paper-ledger.db")
            source = endpoints.simulator(config.exchange_url) if config.exchange_url else ENDPOINTS[Venue.BINANCE]
            async with _simulator(paper) as simulation:
                yield PaperExchange(simulation, source, who, connect=connect), simulation.url
        case venue:
            endpoint = ENDPOINTS[venue]
            yield BinanceExchange(endpoint, who, connect=connect), endpoint.api_url


@asynccontextmanager
async def _simulator(config: SimulatorConfig) -> AsyncIterator[Simulation]:
    async with trio.open_nursery() as nursery:
        try:
            simulation: Simulation = await nursery.start(partial(simulate, config))
        except SimulatorError as error:
            raise ConfigError(str(error)) from error
        yield simulation
        nursery.cancel_scope.cancel()


async def _run_until_suspended(
    config: Config,
    journal: SqlJournal,
    exchange: Exchange,
    identity: Identity,
    suspend: trio.Event,
    endpoint: Endpoint,
) -> bool:
    signing = Signing(
        journal.tag,
        journal.epoch,
        config.recv_window,
        config.grace,
        DEFAULT_BUDGET if config.exchange.simulated else None,
        os.urandom,
    )
    app = await assemble(exchange, journal, identity, signing)
    try:
        async with running(app, partial(serve, endpoint, METHODS)) as suspension:
            log.info("ready", socket=str(config.socket), exchange=identity.exchange, url=identity.exchange_url)
            systemd.notify("READY=1")
            await suspend.wait()
            systemd.notify("STOPPING=1")
    except* DeploymentError:
        raise
    except* JournalError as group:
        # Every user of the journal handles JournalError, so this is a bug, not a database that is away.
        raise RuntimeError("an error of the journal was handled by nobody") from group
    return suspension.answered
