"""Symbols in the state that most of a day is spent in: all chunks bought, five sells resting."""

from naived.core.amount import (
    Money,
    Price,
    Quantity,
    Rate,
    parse_money,
    parse_price,
    parse_quantity,
    parse_rate,
    value_up,
)
from naived.core.market import Filters, SymbolInfo
from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.state import OrderState, State
from naived.core.strategy.formulas import Bought, Fees
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.settings import DesiredState, Settings, Status
from naived.core.strategy.sizing import Terms
from naived.core.strategy.trader_state import Selling, Trader

_CHUNKS = 5
_FEES = Fees(parse_rate("0.001"), parse_rate("0.001"))
_FILTERS = Filters(
    tick_size=parse_price("0.01"),
    min_price=parse_price("0.01"),
    max_price=parse_price("1000000"),
    step_size=parse_quantity("0.0001"),
    min_quantity=parse_quantity("0.0001"),
    max_quantity=parse_quantity("9000"),
    min_notional=parse_money("5"),
    max_notional=parse_money("9000000"),
)


def settings() -> Settings:
    return Settings(chunks=_CHUNKS, budget=parse_money("1000"))


def sellers(symbol: str = "ETHUSDT", living: int = _CHUNKS) -> Leader:
    """A leader whose traders all sell; with fewer than five its band has a lower bound."""
    return Leader(
        SymbolInfo(symbol, symbol.removesuffix("USDT"), "USDT", True, "TRADING", _FILTERS),
        _FEES,
        DesiredState(settings(), Status.ON),
        active=True,
        traders=tuple(_seller(symbol, number) for number in range(1, living + 1)),
        next_number=living + 1,
    )


def _seller(symbol: str, number: int) -> Trader:
    limit = Price(parse_price("2683.53") - number * parse_price("16"))
    quantity = parse_quantity("0.0745")
    bought = Bought(limit, quantity, value_up(limit, quantity), Quantity(quantity // 1000))
    sell = OrderIntent(symbol, number, Side.SELL, 1, Price(limit + parse_price("6")), parse_quantity("0.0744"))
    given = settings()
    terms = Terms(given.budget or Money(0), given.chunks, given.buy_down, given.profit, given.rebuy, Rate(0), _FEES)
    return Trader(symbol, number, terms, Selling(bought, sell), 0, 0, number < _CHUNKS, buys=1, sells=1)


def orders(leader: Leader, tag: str) -> tuple[OrderState, ...]:
    """The open sell of each trader, as the journal holds it."""
    found = []
    for trader in leader.traders:
        assert isinstance(trader.phase, Selling)
        intent = trader.phase.intent
        found.append(
            OrderState(
                intent,
                f"n1{tag}-{intent.symbol.lower():a<20}{trader.number:06}",
                None,
                epoch=1,
                decided_at=0,
                created_at=0,
                updated_at=0,
                state=State.OPEN,
                attempt=1,
                timestamp=0,
                recv_window=5000,
                order_id=trader.number,
            )
        )
    return tuple(found)
