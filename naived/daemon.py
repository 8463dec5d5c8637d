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
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib.metadata import version

import structlog
import trio

from naived.app import ANSWERS, LEAVING, Signing, assemble, running
from naived.binance import endpoint as endpoints
from naived.binance.connection import Connect
from naived.binance.endpoint import ENDPOINTS
from naived.binance.exchange import BinanceExchange
from naived.binance.signing import Credentials, KeyFormatError, credentials
from naived.control.answers import Identity
from naived.control.endpoint import Endpoint
from naived.control.messages import account_unknown
from naived.control.methods import METHODS
from naived.control.metrics import exposition, load
from naived.control.server import refusing, serve
from naived.control.tally import line
from naived.core.amount import Price
from naived.core.orders.report import Report
from naived.core.strategy.settings import DEFAULT_BUDGET
from naived.database.deployment import check_account
from naived.database.engine import ConfigurationError
from naived.database.journal import SqlJournal, open_journal
from naived.database.writer import HANGING
from naived.nodes import Member, StartLostError
from naived.paper import PaperExchange
from naived.ports import Balance, DeploymentError, Exchange, ExchangeError, JournalError, Unit
from naived.process import logs, systemd
from naived.process.account import KnownAccount
from naived.process.complaint import complain
from naived.process.config import Config, ConfigError, Venue
from naived.process.lock import ledger_locked
from naived.process.opening import raise_file_limit
from naived.process.reload import Reload
from naived.process.scrape import Scrapes
from naived.process.signals import suspendable
from naived.simulator.errors import SimulatorError
from naived.simulator.server import Simulation, SimulatorConfig, simulate
from naived.websocket import connect as connect_websocket

_ASKING = 0.2  # seconds between two questions for the account, until a session is open
_TOLD = 3.0  # seconds until clients are told what a start waits for: they wait longer for an answer
_CLOSING = 0.5  # seconds to close connections and files, which depends on no other program
# Seconds that a suspend may take; `docker stop` kills after 10. All its commits together get the time after which
# one commit counts as hanging.
PATIENCE = ANSWERS + HANGING + LEAVING + _CLOSING

# Exit codes; the last three are EX_UNAVAILABLE, EX_TEMPFAIL, EX_CONFIG.
_UNANSWERED, _UNREACHABLE, _MISCONFIGURED = 1, 75, 78
_UNUSABLE = (ConfigError, ConfigurationError, DeploymentError, KeyFormatError)

log = structlog.get_logger()


async def run(
    config: Config,
    endpoint: Endpoint,
    connect: Connect = connect_websocket,
    reread: Callable[[], Config] | None = None,
) -> int:
    """Run until a signal suspends it; returns the exit code. ``connect`` makes all connections to exchanges.

    The caller holds the lock of the home, and closes ``endpoint`` afterwards. SIGHUP calls ``reread`` for the
    configuration as it is now; without it SIGHUP suspends.

    An error that a person can correct, or that passes, is printed on one line. Any other one is raised: a crash.
    """
    raise_file_limit()
    try:
        reload = Reload(config, reread or (lambda: config))
        async with suspendable(PATIENCE, reload if reread else None) as suspend:
            try:
                answered = await _open_and_run(reload, connect, suspend, endpoint)
            except _SuspendedError:
                log.info("suspended")
                answered = True
    except ExceptionGroup as group:
        _, crash = group.split((*_UNUSABLE, JournalError))
        if crash is not None:
            raise
        refusal = _leaf(group)
        complain(logs.Redactor(config.secrets)(str(refusal)))
        return _exit_code(refusal)
    return 0 if answered else _UNANSWERED


def _leaf(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _exit_code(refusal: Exception) -> int:
    return _MISCONFIGURED if isinstance(refusal, _UNUSABLE) else _UNREACHABLE


async def _open_and_run(reload: Reload[Config], connect: Connect, suspend: trio.Event, endpoint: Endpoint) -> bool:
    """Open all, trade, close all; returns whether everything that was sent was answered."""
    config = reload.config
    started_at = time.time_ns() // 1_000_000
    who = _credentials(config)
    known = KnownAccount(config.home, config.exchange, config.exchange_url or "", who.api_key)

    async def whose(account_uid: str) -> None:
        """Return once it is certain that our key is for this account; raises DeploymentError, _SuspendedError."""
        if known.uid == account_uid:
            return
        found = await _ask_whose(config, who, connect, suspend, endpoint)
        if found is None:
            raise _SuspendedError
        check_account(account_uid, found, config.exchange)
        known.remember(found)

    async with (
        open_journal(
            config.database,
            str(config.exchange),
            whose,
            member=Member(config.node, version("naived"), config.lease),
            shared=config.shared,
        ) as journal,
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
            config.node,
        )
        answered = await _run_until_suspended(reload, journal, exchange, identity, known, suspend, endpoint)
    if answered:
        log.info("suspended")
    else:
        log.warning("suspended before every answer came; the next start asks again what became of those orders")
    return answered


def _credentials(config: Config) -> Credentials:
    if config.api_keys is None:
        return credentials("naived", secrets.token_hex(16))  # our own simulator accepts any key
    return credentials(config.api_keys.key.reveal(), config.api_keys.secret.reveal())


class _SuspendedError(Exception):
    """A signal came before anything was opened that a suspend would have to close."""


async def _ask_whose(
    config: Config, who: Credentials, connect: Connect, suspend: trio.Event, endpoint: Endpoint
) -> str | None:
    """The account of our key, as soon as the exchange says it; None if a suspend was asked for before.

    Clients wait for the start a moment; then they are told what it waits for.
    """
    said: str | None = None
    async with _exchange(config, who, connect) as (exchange, _), trio.open_nursery() as nursery:

        async def leave() -> None:
            await suspend.wait()
            nursery.cancel_scope.cancel()

        async def tell() -> None:
            await trio.sleep(_TOLD)
            await serve(endpoint, refusing(METHODS, lambda: account_unknown(said)), None)

        nursery.start_soon(leave)
        nursery.start_soon(tell)
        nursery.start_soon(exchange.run, _Unheard())
        while True:
            try:
                uid = (await exchange.account()).uid
                nursery.cancel_scope.cancel()
                return uid
            except ExchangeError as error:
                if str(error) != said:
                    said = str(error)
                    log.warning("waiting for the exchange to say whose account our key is for", error=said)
            await trio.sleep(_ASKING)
    return None


class _Unheard:
    """A ``ports.Sink`` for an exchange that is only asked."""

    def trade(self, symbol: str, trade_id: int, price: Price, quantity: str, time: int) -> None: ...

    def lost(self, symbol: str, why: str | None) -> None: ...

    def report(self, report: Report) -> None: ...

    def balances(self, balances: Mapping[str, Balance], time: int) -> None: ...

    def opened(self) -> None: ...

    def closed(self, reason: str) -> None: ...


def _boottime() -> float:
    """Seconds on a clock that runs on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


async def _ask(journal: SqlJournal) -> None:
    """Go through the journal once. That it refuses is an answer too: a restart would not help."""
    with suppress(JournalError):
        await journal.commit(Unit(""))


async def _remember(claimed: trio.Event, journal: SqlJournal, known: KnownAccount) -> None:
    await claimed.wait()
    if journal.account_uid is not None:
        known.remember(journal.account_uid)


@asynccontextmanager
async def _exchange(config: Config, who: Credentials, connect: Connect) -> AsyncIterator[tuple[Exchange, str]]:
    """The exchange adapter that the configuration asks for, its URL, and the simulator it needs, if any."""
    match config.exchange:
        case Venue.SIMULATOR if config.exchange_url is not None:
            endpoint = endpoints.simulator(config.exchange_url)
            yield BinanceExchange(endpoint, who, connect=connect), config.exchange_url
        case Venue.SIMULATOR:
            async with _simulator(SimulatorConfig(ledger=config.ledger)) as simulation:
                endpoint = endpoints.simulator(simulation.url)
                yield BinanceExchange(endpoint, who, connect=connect), simulation.url
        case Venue.PAPER:
            paper = SimulatorConfig(fed=True, exchange_info={"symbols": []}, ledger=config.ledger)
            source = endpoints.simulator(config.exchange_url) if config.exchange_url else ENDPOINTS[Venue.BINANCE]
            async with _simulator(paper) as simulation:
                yield PaperExchange(simulation, source, who, connect=connect), simulation.url
        case venue:
            endpoint = ENDPOINTS[venue]
            yield BinanceExchange(endpoint, who, connect=connect), endpoint.api_url


@asynccontextmanager
async def _simulator(config: SimulatorConfig) -> AsyncIterator[Simulation]:
    with ledger_locked(config.ledger):
        async with trio.open_nursery() as nursery:
            try:
                simulation: Simulation = await nursery.start(partial(simulate, config))
            except SimulatorError as error:
                raise ConfigError(str(error)) from error
            yield simulation
            nursery.cancel_scope.cancel()


async def _run_until_suspended(
    reload: Reload[Config],
    journal: SqlJournal,
    exchange: Exchange,
    identity: Identity,
    known: KnownAccount,
    suspend: trio.Event,
    endpoint: Endpoint,
) -> bool:
    config = reload.config
    signing = Signing(
        journal.tag,
        journal.epoch,
        config.recv_window,
        config.grace,
        DEFAULT_BUDGET if config.exchange.simulated else None,
        os.urandom,
        config.currency,
    )
    app = await assemble(exchange, journal, identity, signing, journal.cluster, journal.mailbox, _boottime)
    scrapes = Scrapes(partial(exposition, app.service))

    def apply(config: Config) -> None:
        app.retime(config.recv_window, config.grace)
        scrapes.move(config.metrics_listen)

    if config.metrics_listen is not None:
        await load()  # before anything trades: it takes a moment
    await scrapes.open(config.metrics_listen)
    reload.apply = apply
    apply(reload.config)  # read again while the journal was loaded
    try:
        async with running(app, partial(serve, endpoint, METHODS)) as suspension:
            log.info("ready", socket=str(config.socket), exchange=identity.exchange, url=identity.exchange_url)
            systemd.ready()
            reload.ready = True
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_remember, app.session.claimed, journal, known)
                nursery.start_soon(app.service.pulse.run, lambda: app.service.state)
                nursery.start_soon(scrapes.run)
                nursery.start_soon(systemd.tend, partial(line, app.service), partial(_ask, journal))
                await suspend.wait()
                nursery.cancel_scope.cancel()
    except* (DeploymentError, StartLostError):
        raise
    except* JournalError as group:
        # Every user of the journal handles JournalError, so this is a bug, not a database that is away.
        raise RuntimeError("an error of the journal was handled by nobody") from group
    return suspension.answered
