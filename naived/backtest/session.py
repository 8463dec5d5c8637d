"""One symbol in its market at one moment of a tape: a trade, a wake-up, what reaches the exchange, what is noted.

At one trade the fills come first, then the trade, then what the engine asked for reaches the market: without a
latency still before the next trade, with one so much later, before the first trade of that time.
"""

import itertools
from collections import deque
from collections.abc import Iterable
from functools import partial

from naived.backtest.limits import AccountLimits
from naived.backtest.market import Market, Reports, failed_filter
from naived.backtest.reference import REFERENCE_MINUTES, References
from naived.backtest.result import Moment, Setup
from naived.backtest.tape import Columns, Tape
from naived.backtest.trading import Request, Trading, begin
from naived.core.amount import Money, Price, Quantity
from naived.core.market import Trade
from naived.core.orders.intent import Side
from naived.core.orders.report import Answer
from naived.core.orders.state import TERMINAL, Answered, Reported
from naived.core.price_guards import Peak
from naived.core.risk import NO_LIMITS
from naived.core.strategy.formulas import Fees
from naived.core.strategy.leader_events import Activated, Halted, Informed
from naived.core.strategy.trader_state import Directed, Holding, Selling, Traded, Woke
from naived.core.strategy.view import UNLIMITED, Funds
from naived.simulator.rules import in_range

EVERY = (1, 0)
"""The bounds when every trade matters: no price lies between them."""


class Session:
    """``moments`` are what happened so far. ``every``: the engine is offered each trade, to be compared with.

    ``trading``: it does not begin anew. ``schedule`` is what was asked for, halted or read of fees, and when (ms).
    """

    def __init__(
        self,
        tape: Tape,
        setup: Setup,
        *,
        every: bool = False,
        trading: Trading | None = None,
        schedule: Iterable[tuple[int, Directed | Halted | Informed]] = (),
    ) -> None:
        rules = setup.rules
        self.rules = rules
        self.every = every
        self.market = Market(rules.info, setup.fee, rules.names)
        fees = Fees(setup.fee, setup.fee)
        self.trading = trading or begin(
            rules.info, setup.settings, fees, setup.latency, int(tape.parts[0].times[0])
        )
        self.trading.funds = self._funds
        self.limits: AccountLimits | None = None
        if setup.limits != NO_LIMITS:
            budget = setup.settings.budget or Money(0)
            began = int(tape.parts[0].times[0])
            self.limits = AccountLimits(setup.limits, budget, rules.info.quote, setup.fee, began)
        self._schedule = deque(schedule)
        self.references = References(tape.parts)
        self.trading.reference = partial(self.references.measure, rules.average_minutes)
        self.trading.believed = lambda: self.references.believed
        self._before = [0, *itertools.accumulate(len(part.ids) for part in tape.parts)]  # trades before each part
        self.moments: list[Moment] = []

    @property
    def bounds(self) -> tuple[int, int]:
        """The open interval of prices that do not matter."""
        low, high = self.trading.band
        if self.every or low > high:
            return EVERY
        market = self.market
        low, high = max(low, market.below - 1), min(high, market.above + 1)
        if self.limits is None:
            return low, high
        lowest, highest = self.limits.bounds(market)
        return max(low, lowest), min(high, highest)

    @property
    def _trades(self) -> int:
        """How many trades were published."""
        return self._before[self.references.part] + self.references.index + 1

    @property
    def due(self) -> int | None:
        """When (ms) something happens without a trade."""
        requests, wakes_at = self.trading.requests, self.trading.wakes_at
        if not requests and not self._schedule and self.limits is None:
            return wakes_at
        times = [requests[0].due] if requests else []
        times += [self._schedule[0][0]] if self._schedule else []
        begins = None if self.limits is None else self.limits.due
        times += [each for each in (wakes_at, begins) if each is not None]
        return min(times, default=None)

    def wait(self, part: Columns, index: int, due: int) -> None:
        """Let time pass to ``due``, before the trade ``index``."""
        self.references.index = index - 1
        self.market.last = self.references.last
        trading = self.trading
        if self.limits is not None and self.limits.due is not None and self.limits.due <= due:
            before = trading.engine
            self._look(self.references.believed, due)
            if trading.engine is before:
                return
        elif self._schedule and self._schedule[0][0] <= due:
            trading.offer(self._schedule.popleft()[1], due)
            if not trading.engine.leader.active:  # it was off until now
                trading.offer(Activated(), due)
        elif not (trading.requests and trading.requests[0].due <= due):
            trading.offer(Woke(), due)
        self._deliver(due)
        self._note(part, max(index - 1, 0), due)

    def trade(self, part: Columns, index: int, *, believed: bool = True) -> None:
        """One trade of the tape; one that is not ``believed`` decides nothing, but it fills."""
        price, now = Price(int(part.prices[index])), int(part.times[index])
        market, trading = self.market, self.trading
        before = trading.engine
        self.references.index = index
        fills = market.trade(self._trades, price, now)
        for client_order_id, report in fills:
            trading.offer(Reported(client_order_id, report), now)
        if fills and (halted := _caused(self._schedule, now)) is not None:
            trading.offer(halted, now)
        if believed and self.limits is not None:
            self._look(price, now)
        low, high = trading.band
        if believed and (self.every or not low < price < high):
            trade = Trade(self._trades + market.shift, price, Quantity(int(part.quantities[index])), now)
            trading.offer(Traded(trade, self._funds(), self._peak()), now)
        self._deliver(now)
        if trading.engine is not before:
            self._note(part, index, now)

    def _look(self, price: Price | None, now: int) -> None:
        """Ask the account's limits at this price, and halt the account or end its halt."""
        limits = self.limits
        if limits is not None and price is not None and limits.look(self.market, price, now):
            self.trading.offer(Halted(limits.halt, account=True), now)

    def _deliver(self, now: int) -> None:
        """Let what is due reach the market, and what it answers the engine."""
        trading, market = self.trading, self.market
        requests = trading.requests
        while requests and requests[0].due <= now:
            request = requests.popleft()
            if request.cancel:
                reports = market.cancel(request.client_order_id, now)
            else:
                answer, reports = self._placed(request, now)
                trading.offer(Answered(request.client_order_id, answer), now)
            for client_order_id, report in reports:
                trading.offer(Reported(client_order_id, report), now)

    def _placed(self, request: Request, now: int) -> tuple[Answer, Reports]:
        order = self.trading.engine.orders[request.client_order_id]
        info, references, market = self.rules.info, self.references, self.market
        failed = failed_filter(info, order, None)

        def fits(measure: Price) -> bool:
            return failed_filter(info, order, measure) is None

        if failed is None and not references.fits(self.rules.average_minutes, now, fits):
            failed = "PERCENT_PRICE_BY_SIDE"
        last = market.last
        if failed is None and last is not None and market.crosses(order):
            taken = last

            def near(reference: Price) -> bool:
                return in_range(taken, reference)

            if not references.passes(REFERENCE_MINUTES, now, near, weighted=False):
                return market.expire(order, now), []
        return market.place(order, self._trades, now, failed)

    def _peak(self) -> Peak | None:
        """What the fall guard looks at; the tape is all there was."""
        guard = self.trading.engine.leader.settings.fall_guard
        return None if guard is None else self.references.peak(guard.span)

    def _funds(self) -> Funds:
        """What a buy may take besides the budget; both the exchange and the account's limits may bound it."""
        limits, leader = self.limits, self.trading.engine.leader
        if not self.rules.info.filters.max_position:
            return UNLIMITED if limits is None else limits.funds(leader, self.market, None)
        coming = sum(
            order.intent.quantity
            for order in self.trading.engine.orders.values()
            if order.intent.side is Side.BUY and order.state not in TERMINAL
        )
        position = Quantity(self.market.coins + coming)
        return Funds(None, position) if limits is None else limits.funds(leader, self.market, position)

    def _note(self, part: Columns, index: int, now: int) -> None:
        market, leader = self.market, self.trading.engine.leader
        self.moments.append(
            Moment(
                self.references.part,
                index,
                now,
                Price(int(part.prices[index])),
                market.cash,
                market.coins,
                Money(leader.profit - market.cash),
                market.tied_up,
                sum(type(trader.phase) in (Selling, Holding) for trader in leader.traders),
            )
        )


def _caused(schedule: deque[tuple[int, Directed | Halted | Informed]], now: int) -> Halted | None:
    """Take out the account's halt that fills of this moment caused: it is in force before their trade decides."""
    if schedule and schedule[0][0] <= now + 1:
        event = schedule[0][1]
        if isinstance(event, Halted) and event.account:
            schedule.popleft()
            return event
    return None
