"""Values to write into a journal: plain ones for examples, Hypothesis strategies for any."""

from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from naived.core.amount import (
    Amount,
    Money,
    Price,
    Quantity,
    Rate,
    parse_amount,
    parse_money,
    parse_price,
    parse_quantity,
)
from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.report import Fill, OrderStatus
from naived.core.orders.state import OrderState, State
from naived.core.strategy.formulas import Bought, Coins, Fees, Sold
from naived.core.strategy.lots import NO_LOT, Lot
from naived.core.strategy.settings import DesiredState, Settings, Status
from naived.core.strategy.sizing import Terms
from naived.core.strategy.trader_state import Buying, Finished, Hold, Holding, Selling, Trader, Waiting
from naived.ports import Event, Unit

NOW = 1_795_330_800_000  # ms: 2026-11-22T07:00:00Z
SYMBOL = "ETHUSDT"

TERMS = Terms(
    budget=parse_money("1000"),
    chunks=5,
    buy_down=Rate(10_000),
    profit=Rate(100_000),
    rebuy=Rate(600_000),
    reprice=Rate(1_000_000),
    fees=Fees(Rate(100_000), Rate(100_000)),
)


def desired(status: Status = Status.ON, *, keep_buys: bool = False) -> DesiredState:
    return DesiredState(Settings(budget=parse_money("1000")), status, keep_buys)


def event(message: str = "something happened", symbol: str | None = SYMBOL, at: int = NOW) -> Event:
    return Event(at, symbol, "test", message)


def intent(trader: int = 1, side: Side = Side.BUY, seq: int = 1, symbol: str = SYMBOL) -> OrderIntent:
    return OrderIntent(symbol, trader, side, seq, parse_price("2683.53"), parse_quantity("0.0745"))


def trader(number: int = 1, phase: Any = None, symbol: str = SYMBOL, since: int = NOW) -> Trader:
    return Trader(symbol, number, TERMS, phase or Waiting(), started_at=NOW, since=since)


def buying(number: int = 1, symbol: str = SYMBOL, seq: int = 1) -> Trader:
    decided = intent(number, symbol=symbol, seq=seq)
    return trader(number, Buying(decided, Bought(decided.price), parse_price("2683.8")), symbol)


def finished(number: int = 1, profit: str | None = "0.12345678", symbol: str = SYMBOL, since: int = NOW) -> Trader:
    """``profit`` None: it sold nothing."""
    if profit is None:
        return trader(number, Finished(None, Sold(), NO_LOT, NO_LOT, None, "stopped"), symbol, since)
    bought = Bought(
        parse_price("2683.53"), parse_quantity("0.0745"), parse_money("199.92"), parse_quantity("0.0000745")
    )
    sold = Sold(parse_quantity("0.0744"), parse_money("200.09"), parse_money("0.2"), Quantity(0))
    dust = Lot(parse_quantity("0.0000255"), parse_money("0.06"), parse_price("2689.45"))
    phase = Finished(bought, sold, NO_LOT, dust, parse_money(profit))
    return trader(number, phase, symbol, since)


def order(decided: OrderIntent | None = None, **changes: Any) -> OrderState:
    """An intended order whose client order id follows from its intent."""
    decided = decided or intent()
    plain = OrderState(
        intent=decided,
        client_order_id=f"n1test-{decided.symbol}-{decided.trader}-{decided.side}-{decided.seq}",
        stp_mode="EXPIRE_TAKER",
        epoch=1,
        decided_at=NOW - 10,
        created_at=NOW,
        updated_at=NOW,
        state=State.INTENDED,
        attempt=1,
        timestamp=NOW,
        recv_window=5_000,
    )
    return replace(plain, **changes)


def fill(trade_id: int = 1, order_id: int = 7, **changes: Any) -> Fill:
    plain = Fill(
        symbol=SYMBOL,
        order_id=order_id,
        trade_id=trade_id,
        price=parse_price("2683.53"),
        quantity=parse_quantity("0.0745"),
        quote=parse_money("199.922985"),
        fee=parse_amount("0.0000745"),
        fee_asset="ETH",
        maker=True,
        time=NOW + 5,
    )
    return replace(plain, **changes)


def first_buy(symbol: str = SYMBOL, number: int = 1, status: Status = Status.ON) -> Unit:
    """A symbol with its first trader and that trader's buy."""
    buy = order(intent(number, symbol=symbol))
    return Unit(symbol, desired(status), next_trader=number + 1, traders=(buying(number, symbol),), orders=(buy,))


_LARGEST = 10**26  # 10^18 coins: more than any of them has
amounts = st.integers(0, _LARGEST)
signed_amounts = st.integers(-_LARGEST, _LARGEST)
rates = st.integers(0, 10**8 - 1).map(Rate)
times = st.integers(0, 4_102_444_800_000)  # ms, until 2100
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
counts = st.integers(0, 2**31 - 1)
row_numbers = st.integers(1, 2**63 - 1)

lots = st.builds(Lot, amounts.map(Quantity), amounts.map(Money), amounts.map(Price))
owed = st.builds(Coins, signed_amounts.map(Quantity), signed_amounts.map(Money))
_money = amounts.map(Money)
sold = st.builds(Sold, amounts.map(Quantity), _money, _money, amounts.map(Quantity), _money)
boughts = st.builds(Bought, amounts.map(Price), amounts.map(Quantity), _money, amounts.map(Quantity), _money)
terms = st.builds(Terms, amounts.map(Money), counts, rates, rates, rates, rates, st.builds(Fees, rates, rates))


def _intents(side: Side) -> st.SearchStrategy[OrderIntent]:
    return st.builds(
        OrderIntent, st.just(SYMBOL), st.just(1), st.just(side), counts, amounts.map(Price), amounts.map(Quantity)
    )


phases = st.one_of(
    st.builds(Waiting, times, st.none() | texts, counts, counts),
    st.builds(Buying, _intents(Side.BUY), boughts, amounts.map(Price), st.booleans(), st.booleans(), counts),
    st.builds(Holding, boughts, st.sampled_from(Hold), texts, st.none() | times, lots, sold, counts),
    st.builds(Selling, boughts, _intents(Side.SELL), lots, sold, counts, st.booleans()),
)
finishes = st.builds(
    Finished,
    st.none() | boughts,
    sold,
    lots,
    lots,
    st.none() | signed_amounts.map(Money),
    st.none() | texts,
)


def traders(any_phase: st.SearchStrategy[Any]) -> st.SearchStrategy[Trader]:
    return st.builds(
        Trader,
        *(st.just(SYMBOL), st.just(1), terms, any_phase, times, times, st.booleans(), counts, counts),
        st.none() | row_numbers,
    )


fills = st.builds(
    Fill,
    symbol=st.just(SYMBOL),
    order_id=st.just(7),
    trade_id=row_numbers,
    price=amounts.map(Price),
    quantity=amounts.map(Quantity),
    quote=amounts.map(Money),
    fee=amounts.map(Amount),
    fee_asset=texts,
    maker=st.booleans(),
    time=times,
)
orders = st.builds(
    OrderState,
    intent=_intents(Side.BUY) | _intents(Side.SELL),
    client_order_id=texts,
    stp_mode=st.none() | texts,
    epoch=row_numbers,
    decided_at=times,
    created_at=times,
    updated_at=times,
    state=st.sampled_from(State),
    attempt=counts,
    timestamp=st.none() | times,
    recv_window=st.none() | counts,
    order_id=st.just(7),
    executed=amounts.map(Quantity),
    reported=amounts.map(Quantity),
    final=st.none() | st.sampled_from(OrderStatus),
    cancelling=st.booleans(),
    reason=st.none() | texts,
    code=st.none() | st.integers(-(2**31), 2**31 - 1),
    fills=st.lists(fills, max_size=3, unique_by=lambda fill: fill.trade_id).map(tuple),
)
