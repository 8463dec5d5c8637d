"""Asks the exchange: does it answer, is our clock right, is the key good, can the symbols be traded, whose are the
orders? It asks over one connection of its own and orders nothing.

The simulator of ``simulator`` and ``paper`` lives inside naived: it is asked where a naived runs.
"""

import secrets
from collections import Counter
from collections.abc import Sequence

import trio

from naived.binance import endpoint as endpoints
from naived.binance.clock import ServerClock
from naived.binance.connection import Connect
from naived.binance.endpoint import ENDPOINTS
from naived.binance.inquiry import inquiring
from naived.binance.signing import Credentials, KeyFormatError, credentials
from naived.check.home import Daemon
from naived.check.journal import strays
from naived.check.rows import Row, failed, ok, skipped, told, warned
from naived.control.proposal import check_size
from naived.control.protocol import ControlError
from naived.core.orders.client_id import prefix, tag_of
from naived.core.orders.report import Report
from naived.core.strategy.settings import Settings, Status
from naived.database.deployment import check_account
from naived.database.inspection import Inspection
from naived.ports import (
    AccountInfo,
    CredentialsError,
    DeploymentError,
    ExchangeError,
    JournalError,
    Queries,
    SymbolRecord,
)
from naived.process.config import Config, Venue
from naived.runtime.listing import Listing, UnknownNamesError

_PATIENCE = 60.0  # seconds for all questions
_RIGHT = 1_000  # ms by which this machine's clock may differ: naived reckons with the exchange's clock
_SHOWN = 5  # orders that are named
_NAMES = ("exchange", "clock", "key", "may trade", "may withdraw", "symbols", "orders")


async def exchange(config: Config, daemon: Daemon | None, found: Inspection | None, connect: Connect) -> list[Row]:
    """All rows about the exchange; those that could not be asked for are skipped."""
    try:
        who = _credentials(config)
    except KeyFormatError as error:
        return [failed("key", str(error), "name the right file with --api-secret-file", unusable=True)]
    rows = await _source(config, connect)
    url = _address(config, daemon)
    if url is None:
        state = "run" if daemon is None else "answer"
        why = f"the simulated exchange is inside naived, which does not {state}"
        return [*rows, *(skipped(name, why) for name in _NAMES if name not in {row.name for row in rows})]
    asked = _Asked(config, found)
    try:
        with trio.fail_after(_PATIENCE):
            clock = ServerClock()
            async with inquiring(url, who, clock, connect) as queries:
                rows += [ok("exchange", f"{config.exchange} answers at {url}"), _clock(clock)]
                await asked.ask(queries)
    except (ExchangeError, trio.TooSlowError) as error:
        why = str(error) or f"no answer within {_PATIENCE:.0f} s"
        todo = "see that this machine reaches it; until then naived runs degraded, and retries"
        rows.append(failed("exchange", why, todo))
    rows += asked.rows
    missing = [name for name in _NAMES if name not in {row.name for row in rows}]
    return [*rows, *(skipped(name, "the exchange was not reached") for name in missing)]


def _credentials(config: Config) -> Credentials:
    if config.api_keys is None:
        return credentials("naived", secrets.token_hex(16))
    return credentials(config.api_keys.key.reveal(), config.api_keys.secret.reveal())


def _address(config: Config, daemon: Daemon | None) -> str | None:
    """Where our account is asked for; None if only a naived that does not run could say."""
    if not config.exchange.simulated:
        return ENDPOINTS[config.exchange].api_url
    if config.exchange is Venue.SIMULATOR and config.exchange_url is not None:
        return endpoints.simulator(config.exchange_url).api_url
    said = daemon.status["daemon"] if daemon is not None and daemon.status is not None else {}
    if said.get("exchange") != str(config.exchange):
        return None
    return endpoints.simulator(str(said["exchange_url"])).api_url


async def _source(config: Config, connect: Connect) -> list[Row]:
    """Where the prices of ``paper`` come from, which needs no key."""
    if config.exchange is not Venue.PAPER:
        return []
    source = endpoints.simulator(config.exchange_url) if config.exchange_url else ENDPOINTS[Venue.BINANCE]
    clock = ServerClock()
    try:
        async with inquiring(source.api_url, credentials("naived", "none"), clock, connect):
            return [ok("prices", f"the source of prices answers at {source.api_url}"), _clock(clock)]
    except ExchangeError as error:
        return [failed("prices", str(error), "see that this machine reaches it, or name another --exchange-url")]


def _clock(clock: ServerClock) -> Row:
    """How far this machine's clock is from the exchange's."""
    least, most = clock.ahead or (0, 0)
    middle = (least + most) // 2
    side = "behind" if middle > 0 else "ahead of"
    text = f"{abs(middle)} ms {side} the exchange's (to within {(most - least + 1) // 2} ms)"
    if least > _RIGHT or most < -_RIGHT:
        return warned("clock", text, "set it, and keep it set: timedatectl set-ntp true")
    return ok("clock", text)


class _Asked:
    """``rows`` grow as the exchange answers."""

    def __init__(self, config: Config, found: Inspection | None) -> None:
        self.rows: list[Row] = []
        self._config = config
        self._found = found

    async def ask(self, queries: Queries) -> None:
        try:
            account = await queries.account()
        except CredentialsError as error:
            todo = "see that the key is right, not expired, and that its list of addresses has this machine's"
            self.rows.append(failed("key", f"not accepted: {error}", todo))
            self.rows += [skipped(name, "the key is not accepted") for name in ("may trade", "may withdraw")]
        except ExchangeError as error:
            todo = "the key may be right: see the row clock, and try again in a minute"
            self.rows.append(failed("key", f"not judged: {error}", todo))
            self.rows += [skipped(name, "the account was not read") for name in ("may trade", "may withdraw")]
        else:
            self.rows += [self._key(account), _trade(account), _withdraw(account, self._config.exchange)]
        if self._found is None or self._found.tag is None:
            self.rows.append(skipped("symbols", "which ones are on is in the database, which was not read"))
        else:
            self.rows += await symbols(queries, [each for each in self._found.records if _trades(each)])
        self.rows.append(await self._orders(queries))

    def _key(self, account: AccountInfo) -> Row:
        uid = None if self._found is None else self._found.account_uid
        if uid is not None:
            try:
                check_account(uid, account.uid, str(self._config.exchange))
            except DeploymentError as error:
                return failed("key", *told(error, "name another --database"), unusable=True)
        text = f"accepted: account {account.uid}"
        return ok("key", f"{text}, that of the database" if uid is not None else text)

    async def _orders(self, queries: Queries) -> Row:
        if self._found is None or (tag := self._found.tag) is None:
            return skipped("orders", "which orders are ours is in the database, which was not read")
        try:
            open_orders = await queries.open_orders()
            ours = [each for each in open_orders if each.client_order_id.startswith(prefix(tag))]
            # Asked for after the exchange: what is sent is in the journal before.
            lost = await strays(self._config, [each.client_order_id for each in ours])
            if lost:  # one that has just ended is none: it must be open still
                lost &= {each.client_order_id for each in await queries.open_orders()}
        except (ExchangeError, JournalError, trio.TooSlowError) as error:
            return failed("orders", f"not compared: {error}", "try again")
        return _compared(open_orders, tag, ours, lost, replaced=self._found.replaced)


def _compared(
    open_orders: Sequence[Report], tag: str, ours: Sequence[Report], lost: set[str], *, replaced: bool
) -> Row:
    text = f"{len(ours)} open orders of ours (tag {tag})"
    stray = [each for each in ours if each.client_order_id in lost]
    if stray:
        names = [f"{each.symbol} {each.client_order_id}" for each in stray[:_SHOWN]]
        more = f" and {len(stray) - _SHOWN} more" if len(stray) > _SHOWN else ""
        text = f"{text}, of which the journal does not know {', '.join(names)}{more}"
        if replaced:
            todo = "leave them: naived looks for all that this copy lacks when it starts, before it places anything"
            return warned("orders", f"{text}; the database is on another server than before", todo)
        todo = "was an old copy of the database put in its place? Use the newest, or cancel these by hand"
        return failed("orders", text, todo)
    others = Counter(other for each in open_orders if (other := tag_of(each.client_order_id)) not in (None, tag))
    if others:
        told = ", ".join(f"{count} with tag {other}" for other, count in sorted(others.items(), key=str))
        return warned("orders", f"{text}; of other naiveds: {told}", "give each naived an account of its own")
    return ok("orders", f"{text}, all in the journal")


def _trade(account: AccountInfo) -> Row:
    match account.can_trade:
        case True:
            return ok("may trade", "the account may trade")
        case False:
            todo = "allow spot trading for the account and the key at the exchange"
            return failed("may trade", "the exchange says that the account may not trade", todo)
        case None:
            return skipped("may trade", "the exchange does not say")


def _withdraw(account: AccountInfo, venue: Venue) -> Row:
    if account.can_withdraw is False or venue is not Venue.BINANCE:
        return ok("may withdraw", "nothing can be withdrawn")
    text = "the account may withdraw; whether this key may, the exchange does not say here"
    todo = "in the exchange's API management, leave withdrawals off for this key, and restrict it to this address"
    return warned("may withdraw", text, todo)


def _trades(record: SymbolRecord) -> bool:
    return record.desired.status is not Status.OFF and not record.desired.forgotten


async def symbols(queries: Queries, records: Sequence[SymbolRecord]) -> list[Row]:
    """A row for each symbol that cannot be traded with its settings, and one for all of them."""
    if not records:
        return [skipped("symbols", "none is on")]
    listing = Listing(queries)
    bad: dict[str, Row] = {}

    async def one(record: SymbolRecord) -> None:
        row = await symbol(record.symbol, record.desired.settings, listing)
        if row is not None:
            bad[record.symbol] = row

    async with trio.open_nursery() as nursery:
        for record in records:
            nursery.start_soon(one, record)
    good = len(records) - len(bad)
    text = f"{good} of {len(records)} that are on are known to be tradable with their settings"
    rows = [bad[name] for name in sorted(bad)]
    return [*rows, ok("symbols", text) if not bad else warned("symbols", text, "see the rows above")]


async def symbol(name: str, settings: Settings, listing: Listing) -> Row | None:
    """What keeps a symbol from being traded with these settings; None if nothing does."""
    row = f"symbol {name}"
    try:
        info = await listing.info(name)
        if info is None:
            return failed(row, "the exchange does not list it", f"naivectl shutdown {name}")
        if not info.trading:
            return warned(row, f"its market is closed: {info.status}", "wait until it opens again")
        await listing.fees(name)  # raises what check_size would keep to itself
        rules = await check_size(name, settings, listing, None)
    except ControlError as error:
        return failed(row, error.message, f"naivectl settings {name} --budget ...: {error.hint}")
    except (ExchangeError, UnknownNamesError) as error:
        return failed(row, f"not judged: {error}", "try again")
    return None if rules is not None else warned(row, "not judged: it has no budget, or no price now", "try again")
