"""What the exchange and the owner of the account do besides faults: rules, orders, money and prices change.

Each kind is a method of `Hands` that returns whether it did anything; a seed enables some of them. What a method
does is one step between two of trio's, by the same code as the ``sim.*`` requests. ``restore`` brings back whatever
is needed to converge.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from random import Random
from typing import Any

import trio

from naived.core.amount import SCALE, Amount, Price, Quantity, format_wire, parse_quantity
from naived.core.market import Filters
from naived.core.orders.intent import Side
from naived.simulator.errors import ApiError
from naived.simulator.exchange import Exchange
from naived.simulator.order import Order
from naived.simulator.server import Simulation
from naived.simulator.steering import STEERING
from naived.simulator.symbols import built_in_prices

KINDS = ("rules", "break", "end", "deposit", "withdrawal", "fees", "amend", "delist", "print")
FEE_ASSET, FEE_SYMBOL = "BNB", "BNBUSDT"

_ENDS = ("CANCELED", "EXPIRED", "EXPIRED_IN_MATCH")
_SHORTEST, _LONGEST = 5.0, 40.0  # seconds that something is otherwise: below the grace, as for faults
_ONCE = ("fees", "delist")
_LATE = 0.6  # of the phase; a delisting comes after it
_SEVERAL = 3  # bad prints in one millisecond
# By how much a rule of a symbol grows; the least notional keeps some shares of the budget tradable.
_GROWTH = {
    "tickSize": (2, 10, 50),
    "stepSize": (10, 100, 1000),
    "minQty": (10, 100, 1000),
    "minNotional": (2, 6, 20),
}


class Hands:
    """``kinds`` come in random order, on average every ``every`` seconds, in a phase of ``length`` seconds.

    ``done`` counts them. ``moved`` is what deposits brought, less withdrawals, by asset; ``robbed`` are the assets
    that were ever withdrawn; ``gone`` are the delisted symbols. ``withdrew`` is told of each withdrawal.
    """

    def __init__(
        self,
        kinds: Collection[str],
        every: float,
        length: float,
        symbols: Sequence[str],
        exchange: Exchange,
        simulation: Simulation,
        trace: Callable[[str, str], None],
        withdrew: Callable[[str, int], None],
        random: Random,
    ) -> None:
        self.done: Counter[str] = Counter()
        self.moved: Counter[str] = Counter()
        self.robbed: set[str] = set()
        self.gone: set[str] = set()
        every_kind: Mapping[str, Callable[[], bool]] = {
            "rules": self._change_rules,
            "break": self._close,
            "end": self._end_orders,
            "deposit": self._deposit,
            "withdrawal": self._withdraw,
            "fees": self._take_fees_elsewhere,
            "amend": self._amend,
            "delist": self._delist,
            "print": self._print_badly,
        }
        self._kinds = {kind: do for kind, do in every_kind.items() if kind in kinds}
        self._every = every
        self._length = length
        self._symbols = symbols
        self._exchange = exchange
        self._simulation = simulation
        self._trace = trace
        self._withdrew = withdrew
        self._random = random
        self._nursery: trio.Nursery | None = None
        self._away: Counter[str] = Counter()  # what was withdrawn and has to come back, by asset
        self._rules = {name: _written(exchange.markets[name].listing.info.filters) for name in symbols}

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as self._nursery:
            while self._kinds:
                await trio.sleep(self._random.expovariate(1 / self._every))
                kind = self._random.choice(list(self._kinds))
                if self._listed and not (kind in _ONCE and self.done[kind]):
                    self.done[kind] += self._kinds[kind]()

    def restore(self) -> None:
        """Rules, money and fees as they were. What was delisted stays so."""
        for symbol in self._listed if self.done["rules"] or self.done["break"] else ():
            self._steer("sim.rules", symbol=symbol, status="TRADING", **self._rules[symbol])
        for asset in list(self._away):
            self._give_back(asset)
        if self.done["fees"]:
            self._steer("sim.fees")

    def _steer(self, method: str, **params: str) -> Any | None:
        """The answer to a request of ``sim.*``; None where the exchange refuses."""
        self._trace(method, str(params))
        try:
            return STEERING[method].run(self._simulation._venue, params)
        except ApiError as error:
            self._trace(method, error.message)
            return None

    def _later(self, do: Callable[..., object], *args: Any) -> None:
        """Do it after a while; never, if the phase is over by then."""

        async def wait() -> None:
            await trio.sleep(self._random.uniform(_SHORTEST, _LONGEST))
            do(*args)

        assert self._nursery is not None
        self._nursery.start_soon(wait)

    @property
    def _listed(self) -> list[str]:
        return [symbol for symbol in self._symbols if symbol in self._exchange.markets]

    # Rules

    def _change_rules(self) -> bool:
        """Some rules of a symbol grow, for a while or until the healing."""
        random = self._random
        symbol = random.choice(self._listed)
        usual = self._rules[symbol]
        rules = {
            name: format_wire(parse_quantity(usual[name]) * random.choice(factors))
            for name, factors in _GROWTH.items()
            if random.random() < 0.4
        }
        if random.random() < 0.3:
            rules["maxPosition"] = format_wire(self._position(symbol) * random.choice((1, 2, 4)) // 2 + 1)
        if not rules:
            return False
        self._steer("sim.rules", symbol=symbol, **rules)
        if random.random() < 0.7:
            self._later(self._change_back, symbol)
        return True

    def _change_back(self, symbol: str) -> None:
        self._steer("sim.rules", symbol=symbol, **self._rules[symbol])

    def _position(self, symbol: str) -> int:
        balance = self._exchange.account.balance(self._exchange.markets[symbol].listing.info.base)
        return balance.free + balance.locked

    def _close(self) -> bool:
        symbol = self._random.choice(self._listed)
        self._steer("sim.rules", symbol=symbol, status="BREAK")
        self._later(self._open, symbol)
        return True

    def _open(self, symbol: str) -> None:
        self._steer("sim.rules", symbol=symbol, status="TRADING")

    def _delist(self) -> bool:
        """One symbol, late, if others are left."""
        if len(self._symbols) == 1 or trio.current_time() < _LATE * self._length:
            return False
        symbol = self._random.choice(self._symbols)
        self.gone.add(symbol)
        self._steer("sim.delist", symbol=symbol)
        return True

    # Orders

    def _end_orders(self) -> bool:
        """The exchange ends what rests of one symbol."""
        random = self._random
        symbol, status, side = random.choice(self._listed), random.choice(_ENDS), random.choice((None, *Side))
        sided = {} if side is None else {"side": side.value.upper()}
        return bool(self._steer("sim.end", symbol=symbol, status=status, **sided))

    def _amend(self) -> bool:
        """The owner lowers the quantity of an order."""
        markets = (self._exchange.markets[symbol] for symbol in self._listed)
        orders = [order for market in markets for order in market.open.values()]
        if not orders:
            return False
        order = self._random.choice(orders)
        less = format_wire(self._less(order))
        done = self._steer("sim.amend", symbol=order.symbol, order_id=str(order.id), quantity=less)
        return done is not None

    def _less(self, order: Order) -> Quantity:
        step = self._exchange.markets[order.symbol].listing.info.filters.step_size
        steps = int(order.remaining * self._random.random()) // step
        return Quantity(order.executed + order.prevented + max(1, steps) * step)

    # Money

    def _deposit(self) -> bool:
        asset = self._random.choice(self._assets)
        return self._transfer(asset, self._worth(asset, self._random.randint(1, 500)))

    def _withdraw(self) -> bool:
        """Most of what is free of an asset is away, for a while or until the healing."""
        random = self._random
        assets = [asset for asset in self._assets if self._free(asset)]
        if not assets:
            return False
        asset = random.choice(assets)
        amount = int(self._free(asset) * random.uniform(0.3, 1))
        self._away[asset] += amount
        self.robbed.add(asset)
        if random.random() < 0.7:
            self._later(self._give_back, asset)
        return self._transfer(asset, -amount)

    def _give_back(self, asset: str) -> None:
        self._transfer(asset, self._away.pop(asset, 0))

    def _take_fees_elsewhere(self) -> bool:
        """Fees are taken in a third asset, of which there is little: after some fills it has run out."""
        self._transfer(FEE_ASSET, self._worth(FEE_ASSET, 1) * self._random.randint(1, 9) // 4)
        self._steer("sim.fees", asset=FEE_ASSET, price=format_wire(built_in_prices()[FEE_SYMBOL]))
        return True

    def _transfer(self, asset: str, change: int) -> bool:
        before = self._free(asset)
        free = max(0, before + change)
        self._steer("sim.balance", asset=asset, free=format_wire(free))
        self.moved[asset] += free - before
        if free < before:
            self._withdrew(asset, before - free)
        return free != before

    def _free(self, asset: str) -> Amount:
        return self._exchange.account.balance(asset).free

    @property
    def _assets(self) -> list[str]:
        infos = [self._exchange.markets[name].listing.info for name in self._listed]
        return sorted({asset for info in infos for asset in (info.base, info.quote)})

    def _worth(self, asset: str, quote: int) -> int:
        """About so much money in this asset."""
        return quote * SCALE * SCALE // built_in_prices().get(f"{asset}USDT", Price(SCALE))

    # Prices

    def _print_badly(self) -> bool:
        """A hundredth or a hundred times of the price: once, or several times in one millisecond.

        Of an ordinary amount, or of next to nothing, which leaves the average price as it is.
        """
        random = self._random
        market = self._exchange.markets[random.choice(self._listed)]
        if market.last is None:
            return False
        tick = market.listing.info.filters.tick_size
        price = Price(max(1, random.choice((market.last // 100, market.last * 100)) // tick) * tick)
        quantity = parse_quantity(random.choice(("1", "0.001")))
        for _ in range(random.choice((1, _SEVERAL))):
            self._simulation.publish(market.listing.info.symbol, price, quantity)
        return True


def _written(filters: Filters) -> Mapping[str, str]:
    """The rules that hands change, as ``sim.rules`` takes them."""
    return {
        "tickSize": format_wire(filters.tick_size),
        "stepSize": format_wire(filters.step_size),
        "minQty": format_wire(filters.min_quantity),
        "minNotional": format_wire(filters.min_notional),
        "maxPosition": format_wire(filters.max_position),
    }
