"""The verbs that change something, for one symbol each: a wish becomes durable, then its fact is awaited.

A wait that ends early undoes nothing. What is already so is a success that changed nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import trio

from naived.control.protocol import SETTINGS, Code, ControlError, format_time
from naived.core.amount import AmountError, Money, format_amount, parse_money, parse_rate
from naived.core.leader import Freed
from naived.core.market import describe
from naived.core.order import Side
from naived.core.phase import Hold, Holding
from naived.core.placement import Placement, Resolved
from naived.core.settings import Settings, SettingsError, Status
from naived.core.strategy import least_budget, untradable
from naived.ports import Exchange, ExchangeError, Journal, JournalError, Wish
from naived.runtime.account import Account
from naived.runtime.condition import Condition, condition
from naived.runtime.supervisor import Supervisor
from naived.runtime.symbol import Bar, Symbol
from naived.runtime.work import Work

Params = dict[str, Any]

_PATIENCE = 15.0  # seconds a verb without a timeout of its own waits for the exchange

_CANCEL = {"none": frozenset[Side](), "buys": frozenset({Side.BUY}), "all": frozenset(Side)}
_PARSERS: dict[str, Callable[[Any], int]] = {
    "chunks": int,
    "budget": parse_money,
    "buy_down": parse_rate,
    "profit": parse_rate,
    "rebuy": parse_rate,
    "reprice": parse_rate,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    changed: bool
    message: str


class Verbs:
    """What a person may ask of one symbol. ``budget`` is the default one, None where money is real."""

    def __init__(
        self, supervisor: Supervisor, account: Account, exchange: Exchange, journal: Journal, budget: Money | None
    ) -> None:
        self._supervisor = supervisor
        self._account = account
        self._exchange = exchange
        self._journal = journal
        self._budget = budget

    async def find(self, name: str, params: Params) -> Symbol | None:
        """The configured symbol; None if it is listed and was never configured. Raises ControlError."""
        symbol = self._supervisor.symbols.get(name)
        if symbol is not None:
            return symbol
        if self._account.away is None:
            with trio.move_on_at(_deadline(params)):
                await self._account.session()
        try:
            listed = await self._exchange.symbols([name])
        except ExchangeError as error:
            raise ControlError(
                Code.EXCHANGE_UNAVAILABLE,
                f"the exchange did not say whether it lists this symbol: {error}",
                symbol=name,
                hint="try again when `naivectl status` shows the exchange as reached",
            ) from error
        if name not in listed:
            raise ControlError(
                Code.UNKNOWN_SYMBOL,
                "the exchange does not list this symbol",
                symbol=name,
                hint="a symbol is base and quote asset in one word, such as ETHUSDT",
            )
        return self._supervisor.symbols.get(name)

    async def start(self, name: str, params: Params) -> Outcome:
        symbol = await self.find(name, params) or self._supervisor.configure(name)
        settings = await self._settings(symbol, params)
        if settings.budget is None:
            raise ControlError(
                Code.NOT_CONFIGURED,
                "it has no budget, and where money is real there is no default",
                symbol=name,
                hint=f"give it once: naivectl start {name} --budget AMOUNT",
            )
        changed = await self._wish(symbol, Wish(settings, Status.ON, keep_buys=False), params)
        self._supervisor.follow(symbol)
        if params["wait"]:
            await self._started(symbol, _deadline(params))
        return Outcome(changed, str(condition(symbol)[0]))

    async def _started(self, symbol: Symbol, deadline: float) -> None:
        settled = (Condition.TRADING, Condition.FAULTED, Condition.QUARANTINED)

        def done() -> bool:
            return condition(symbol)[0] in settled or symbol.wish.status is not Status.ON

        in_time = await _until(symbol, done, deadline)
        state, reason = condition(symbol)
        match state:
            case Condition.TRADING:
                return
            case Condition.QUARANTINED:
                hint = f"look at it with `naivectl orders {symbol.name}`, then `naivectl resolve {symbol.name}`"
                raise ControlError(Code.QUARANTINED, f"quarantined: {reason}", symbol=symbol.name, hint=hint)
            case Condition.FAULTED:
                raise ControlError(
                    Code.INVALID_TRANSITION,
                    f"faulted: {reason}",
                    symbol=symbol.name,
                    hint=f"when it is mended: naivectl start {symbol.name}",
                )
        if in_time:
            raise ControlError(Code.INVALID_TRANSITION, "somebody else stopped it meanwhile", symbol=symbol.name)
        raise _timed_out(symbol, f"not trading yet, still {state}" + (f": {reason}" if reason else ""))

    async def stop(self, name: str, params: Params) -> Outcome:
        symbol = await self.find(name, params)
        if symbol is None:
            return Outcome(False, "off")
        cancel = _CANCEL[params["cancel"]]
        wanted = any(placement.intent.side in cancel for placement in symbol.book.resting)
        wish = Wish(symbol.wish.settings, Status.OFF, keep_buys=False)
        changed = await self._wish(symbol, wish, params, cancel=cancel, again=wanted)
        if params["wait"]:
            await self._stopped(symbol, _deadline(params))
        return Outcome(changed, f"{_stopped_or_stopping(symbol)}; {_remains(symbol.book.resting)}")

    async def _stopped(self, symbol: Symbol, deadline: float) -> None:
        """Wait until it is off and every order's fate is known; raises ControlError (timed out)."""
        if not await _until(symbol, lambda: condition(symbol)[0] is not Condition.STOPPING, deadline):
            unknown = [
                f"{placement.client_order_id} (fence {_fence(placement)})" for placement in symbol.book.unsettled
            ]
            what = f"off, but not known is the fate of {', '.join(unknown)}" if unknown else "still stopping"
            raise _timed_out(symbol, what)
        with trio.move_on_at(deadline):
            try:
                await self._account.look(symbol, symbol.book.numbered)
            except ExchangeError:
                return  # what rests was known when the exchange was last heard of; the message says what

    async def shutdown(self, name: str, params: Params) -> Outcome:
        symbol = await self.find(name, params)
        if symbol is None or (symbol.wish.status is Status.OFF and not symbol.book.leader.traders):
            return Outcome(False, "off")
        wish = Wish(symbol.wish.settings, Status.SHUTDOWN, keep_buys=params["keep_buys"])
        changed = await self._wish(symbol, wish, params)
        self._supervisor.follow(symbol)
        if params["wait"]:
            ended = await _until(symbol, lambda: condition(symbol)[0] is Condition.OFF, _deadline(params))
            if not ended:
                raise _timed_out(symbol, _draining(symbol))
        return Outcome(changed, _draining(symbol))

    async def settings(self, name: str, params: Params) -> Outcome:
        symbol = await self.find(name, params)
        if not any(key in params for key in SETTINGS):
            return Outcome(False, "off" if symbol is None else str(symbol.wish.status))
        symbol = symbol or self._supervisor.configure(name)
        settings = await self._settings(symbol, params)
        changed = await self._wish(symbol, replace(symbol.wish, settings=settings, expected=None), params)
        return Outcome(changed, "changed; running traders keep theirs" if changed else "as it was")

    async def wait(self, name: str, params: Params) -> Outcome:
        symbol = await self.find(name, params)
        goal = params["for"]
        if symbol is None:
            if goal == "trading":
                raise ControlError(Code.INVALID_TRANSITION, "off, and never started", symbol=name)
            return Outcome(False, "off")

        def reached() -> bool:
            state = condition(symbol)[0]
            if goal == "trading":
                return state is Condition.TRADING
            return state is Condition.OFF and (goal == "off" or not symbol.book.resting)

        if not await _until(symbol, reached, _deadline(params)):
            raise _timed_out(symbol, f"not {goal} yet, still {condition(symbol)[0]}")
        return Outcome(False, goal)

    async def resolve(self, name: str, params: Params) -> Outcome:
        symbol = await self.find(name, params)
        adopt = params["action"] == "adopt"
        wanted = params["client_order_id"]
        if symbol is None or symbol.failed is not None:
            raise _away(name)
        works = [
            symbol.tell(placement.client_order_id, Resolved(adopt))
            for placement in symbol.book.quarantined
            if wanted in (None, placement.client_order_id)
        ]
        for trader in symbol.book.leader.traders:
            sell = symbol.book.placement(trader.number, Side.SELL, trader.sells)
            held = isinstance(trader.phase, Holding) and trader.phase.hold is Hold.BY_HAND
            if held and (wanted is None or (sell is not None and sell.client_order_id == wanted)):
                works.append(symbol.offer(Freed(trader.number, adopt)))
        if wanted is not None and not works:
            raise ControlError(
                Code.INVALID_TRANSITION,
                f"{wanted} is neither quarantined nor held",
                symbol=name,
                hint=f"see them with: naivectl orders {name}",
            )
        lifted = wanted is None and Bar.COINS in symbol.bars
        if not symbol.book.quarantined:
            symbol.bar(Bar.QUARANTINE, None)
        if lifted:
            symbol.bar(Bar.COINS, None)
        for work in works:
            if work is not None:
                await _durable(symbol, work)
        ended = len(works) + lifted
        return Outcome(bool(ended), f"{ended} resolved" if ended else "nothing to resolve")

    async def _settings(self, symbol: Symbol, params: Params) -> Settings:
        """The settings with what was asked for; raises ControlError where they cannot work."""
        given = {key: params[key] for key in SETTINGS if key in params}
        try:
            parsed: Params = {
                key: _PARSERS[key](value) if key in _PARSERS else value for key, value in given.items()
            }
            settings = replace(symbol.wish.settings, **parsed)
        except (AmountError, SettingsError) as error:
            raise ControlError(Code.INVALID_PARAMS, str(error), symbol=symbol.name) from error
        if settings.budget is None:
            settings = replace(settings, budget=self._budget)
        if settings.budget is not None and (given or symbol.wish.status is Status.OFF):
            await self._check_size(symbol, settings)
        return settings

    async def _check_size(self, symbol: Symbol, settings: Settings) -> None:
        """Say at once that a chunk is too small to trade; what the exchange does not tell now shows later."""
        try:
            info = (await self._exchange.symbols([symbol.name])).get(symbol.name)
            price = symbol.lane.price or await self._exchange.last_price(symbol.name)
            fees = await self._exchange.fees(symbol.name)
        except ExchangeError:
            return
        if info is None or price is None or settings.budget is None:
            return
        rest = (settings.buy_down, settings.profit, fees, info.filters)
        failed = untradable(price, settings.budget, settings.chunks, *rest)
        if failed in ("NOTIONAL", "LOT_SIZE"):
            least = least_budget(price, settings.chunks, *rest) or Money(0)
            raise ControlError(
                Code.INVALID_TRANSITION,
                f"{format_amount(settings.allocation)} {info.quote} a chunk is too small to trade: "
                f"{describe(info.filters, failed)}",
                symbol=symbol.name,
                hint=f"the least budget for {settings.chunks} chunks is {format_amount(least)} {info.quote}",
            )

    async def _wish(
        self,
        symbol: Symbol,
        wish: Wish,
        params: Params,
        *,
        cancel: frozenset[Side] = frozenset(),
        again: bool = False,
    ) -> bool:
        """Make a wish durable; says whether it changed anything, and says the same to a repeated request.

        ``again``: there is something to do although the wish itself is not new.
        """
        request_id = params.get("request_id")
        key = None if request_id is None else f"{request_id}/{symbol.name}"
        if key is not None:
            try:
                stored = await self._journal.answered(key)
            except JournalError as error:
                raise _away(symbol.name) from error
            if stored is not None:
                return True
        known = replace(symbol.wish, expected=None)
        if wish == known and not again:
            return False
        note = f"{wish.status}" if wish.status is not known.status else "settings changed"
        work = symbol.direct(wish, cancel=cancel, request=None if key is None else (key, "true"), note=note)
        # Before the wait: whoever asked may be gone by then, and the wish stands all the same.
        self._supervisor.follow(symbol)
        if work is None:
            raise _away(symbol.name)
        await _durable(symbol, work)
        return True


async def _durable(symbol: Symbol, work: Work) -> None:
    try:
        await work.durable()
    except JournalError as error:
        raise _away(symbol.name) from error


def _away(name: str) -> ControlError:
    return ControlError(
        Code.DATABASE_UNAVAILABLE,
        "the database is away: it is not certain that anything was changed",
        symbol=name,
        hint="try again; repeating it is safe",
    )


def _deadline(params: Params) -> float:
    """When (trio time) whoever asked stops waiting."""
    timeout = params.get("timeout", _PATIENCE)
    return math.inf if timeout is None else trio.current_time() + float(timeout)


async def _until(symbol: Symbol, done: Callable[[], bool], deadline: float) -> bool:
    """Wait until ``done``; False if the deadline (trio time) came first."""
    with trio.move_on_at(deadline):
        while not done():
            await symbol.news()
    return done()


def _timed_out(symbol: Symbol, what: str) -> ControlError:
    state, reason = condition(symbol)
    return ControlError(
        Code.TIMED_OUT,
        what,
        symbol=symbol.name,
        hint=f"what was asked stands; follow it with: naivectl status {symbol.name}",
        data={"state": str(state), "reason": reason},
    )


def _fence(placement: Placement) -> str:
    return "none" if placement.deadline is None else format_time(placement.deadline)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _remains(resting: list[Placement]) -> str:
    sells = sum(placement.intent.side is Side.SELL for placement in resting)
    buys = len(resting) - sells
    parts = [_count(number, word) for number, word in ((sells, "sell"), (buys, "buy")) if number]
    if not parts:
        return "nothing remains open at the exchange"
    return f"{' and '.join(parts)} {'remains' if len(resting) == 1 else 'remain'} open at the exchange"


def _stopped_or_stopping(symbol: Symbol) -> str:
    return "stopping" if condition(symbol)[0] is Condition.STOPPING else "stopped"


def _draining(symbol: Symbol) -> str:
    if symbol.wish.status is Status.OFF:
        return "drained: off"
    left = len(symbol.book.leader.traders)
    held = sum(isinstance(t.phase, Holding) and t.phase.hold is Hold.BY_HAND for t in symbol.book.leader.traders)
    text = f"draining: {_count(left, 'cycle')} left"
    return f"{text}, {held} held until `naivectl resolve {symbol.name}`" if held else text
