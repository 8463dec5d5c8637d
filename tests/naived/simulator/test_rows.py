from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from naived.core.amount import Money, Price, Quantity
from naived.core.order import Fill, OrderStatus, Side
from naived.simulator.order import Order, OrderType, StpMode, TimeInForce
from naived.simulator.rows import fill_row, order_row, read_fill, read_order

amounts = st.integers(0, 10**26)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=36)
times = st.integers(0, 2**53)

orders = st.builds(
    Order,
    symbol=names,
    id=st.integers(1, 2**62),
    client_order_id=names,
    side=st.sampled_from(Side),
    type=st.sampled_from(OrderType),
    time_in_force=st.sampled_from(TimeInForce),
    price=amounts.map(Price),
    quantity=amounts.map(Quantity),
    quote_quantity=amounts.map(Money),
    stp_mode=st.sampled_from(StpMode),
    created=times,
    updated=times,
    status=st.sampled_from(OrderStatus),
    executed=amounts.map(Quantity),
    quote=amounts.map(Money),
    prevented=amounts.map(Quantity),
    cancel_id=st.none() | names,
    expiry=st.none() | names,
)
fills = st.builds(
    Fill,
    symbol=names,
    order_id=times,
    trade_id=times,
    price=amounts,
    quantity=amounts,
    quote=amounts,
    fee=amounts,
    fee_asset=names,
    maker=st.booleans(),
    time=times,
)


@given(orders)
def test_an_order_comes_back_from_its_row_unchanged(order: Order) -> None:
    assert read_order(order_row(order)) == order


@given(fills)
def test_a_fill_comes_back_from_its_row_unchanged(fill: Fill) -> None:
    assert read_fill(fill_row(fill)) == fill


@given(orders)
def test_amounts_are_text_a_person_can_read(order: Order) -> None:
    row = order_row(replace(order, price=Price(268380000000)))
    assert row[6] == "2683.8"
