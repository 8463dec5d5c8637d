"""The Binance adapter against the simulator: two readings of one protocol must agree."""

from functools import partial

import pytest
import trio

from naived.binance.endpoint import simulator
from naived.binance.exchange import BinanceExchange
from naived.binance.signing import credentials
from naived.core.amount import parse_amount, parse_price, parse_quantity, parse_rate
from naived.core.orders.intent import Side
from naived.core.orders.report import (
    Accepted,
    CancelAccepted,
    CancelRefused,
    OrderStatus,
    Refusal,
    Refused,
    Report,
    Unknown,
)
from naived.core.strategy.formulas import Fees
from naived.ports import CredentialsError, OrderRequest
from naived.simulator.server import SimulatorConfig, simulate

ACCOUNT = {"USDT": parse_amount("1000"), "ETH": parse_amount("1")}


class Sink:
    def __init__(self):
        self.trades = []
        self.reports: list[Report] = []
        self.said = []
        self._news = trio.Event()

    def trade(self, symbol, trade_id, price, quantity, time):
        self.trades.append((symbol, price, quantity))
        self._wake()

    def lost(self, symbol, why):
        self.said.append(symbol)

    def report(self, report):
        self.reports.append(report)
        self._wake()

    def balances(self, balances, time):
        self.known = balances

    def opened(self):
        self.said.append("opened")
        self._wake()

    def closed(self, reason):
        self.said.append(reason)
        self._wake()

    def _wake(self):
        self._news.set()
        self._news = trio.Event()

    async def until(self, condition):
        with trio.fail_after(10):
            while not condition():
                await self._news.wait()


@pytest.fixture
async def simulation(nursery):
    return await nursery.start(partial(simulate, SimulatorConfig(fed=True, balances=ACCOUNT)))


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
async def exchange(simulation, sink, nursery):
    adapter = BinanceExchange(simulator(simulation.url), credentials("naived", "naived"))
    nursery.start_soon(adapter.run, sink)
    await sink.until(lambda: "opened" in sink.said)
    simulation.publish("ETHUSDT", parse_price("2700"), parse_quantity("1"))
    return adapter


def order(exchange, side, price, quantity, number=1):
    timestamp = exchange.admit(side)
    assert timestamp is not None
    return OrderRequest(
        symbol="ETHUSDT",
        side=side,
        price=parse_price(price),
        quantity=parse_quantity(quantity),
        client_order_id=f"n1test-{number:026d}",
        stp_mode="EXPIRE_TAKER" if side is Side.BUY else "EXPIRE_MAKER",
        timestamp=timestamp,
        recv_window=5000,
    )


async def test_a_resting_order_fills_when_the_price_passes_it(exchange, simulation, sink):
    request = order(exchange, Side.BUY, "2683.53", "0.0745")
    answer = await exchange.place(request)
    assert isinstance(answer, Accepted)
    assert answer.report.status is OrderStatus.NEW
    assert answer.report.client_order_id == request.client_order_id
    assert answer.report.fills == ()
    simulation.publish("ETHUSDT", parse_price("2683.52"), parse_quantity("0.01"))
    await sink.until(lambda: any(report.fills for report in sink.reports))
    last = sink.reports[-1]
    assert (last.status, last.executed) == (OrderStatus.FILLED, parse_quantity("0.0745"))
    [fill] = last.fills
    assert fill.maker
    assert (fill.fee, fill.fee_asset) == (parse_amount("0.0000745"), "ETH")
    assert await exchange.fills("ETHUSDT", order_id=last.order_id) == [fill]
    assert await exchange.fills("ETHUSDT", since=last.created) == [fill]


async def test_an_order_that_crosses_tells_its_fills_alike_in_the_answer_the_report_and_the_history(exchange, sink):
    answer = await exchange.place(order(exchange, Side.SELL, "2699", "0.5"))
    assert isinstance(answer, Accepted)
    assert answer.report.status is OrderStatus.FILLED
    await sink.until(lambda: any(report.fills for report in sink.reports))
    reported = [fill for report in sink.reports for fill in report.fills]
    assert list(answer.report.fills) == reported
    assert await exchange.fills("ETHUSDT", order_id=answer.report.order_id) == reported


async def test_a_cancelled_order_keeps_its_id_in_every_answer(exchange, sink):
    request = order(exchange, Side.BUY, "2600", "0.1")
    placed = await exchange.place(request)
    order_id = placed.report.order_id
    assert [each.order_id for each in await exchange.open_orders()] == [order_id]
    assert [each.order_id for each in await exchange.open_orders("ETHUSDT")] == [order_id]
    answer = await exchange.cancel("ETHUSDT", order_id, f"{request.client_order_id}-x")
    assert isinstance(answer, CancelAccepted)
    await sink.until(lambda: sink.reports and sink.reports[-1].status is OrderStatus.CANCELED)
    found = await exchange.order("ETHUSDT", order_id=order_id)
    assert found.status is OrderStatus.CANCELED
    ids = {each.client_order_id for each in (answer.report, sink.reports[-1], found)}
    assert ids == {request.client_order_id}
    assert await exchange.open_orders() == []
    assert [each.order_id for each in await exchange.orders_since("ETHUSDT", request.timestamp - 1000)] == [
        order_id
    ]
    assert isinstance(await exchange.cancel("ETHUSDT", order_id, "n1test-again-x"), CancelRefused)


async def test_an_order_is_found_by_the_id_it_was_placed_with(exchange):
    request = order(exchange, Side.BUY, "2600", "0.1")
    placed = await exchange.place(request)
    found = await exchange.order("ETHUSDT", client_order_id=request.client_order_id)
    assert found.order_id == placed.report.order_id
    assert await exchange.order("ETHUSDT", client_order_id="n1test-never-placed") is None


async def test_the_same_id_again_is_unknown_because_an_order_exists(exchange):
    await exchange.place(order(exchange, Side.BUY, "2600", "0.1"))
    answer = await exchange.place(order(exchange, Side.BUY, "2600", "0.1"))
    assert answer == Unknown("duplicate", -2010)


@pytest.mark.parametrize(
    ("price", "quantity", "kind"),
    [
        ("2600", "0.6", Refusal.BALANCE),
        ("2600.001", "0.1", Refusal.FILTER),
        ("2600", "0.00001", Refusal.FILTER),
        ("2600", "0.001", Refusal.FILTER),
    ],
)
async def test_a_refusal_has_its_kind(exchange, price, quantity, kind):
    answer = await exchange.place(order(exchange, Side.BUY, price, quantity))
    assert isinstance(answer, Refused)
    assert answer.kind is kind


async def test_a_frame_from_the_past_is_refused_for_its_clock(exchange):
    request = order(exchange, Side.BUY, "2600", "0.1")
    stale = OrderRequest(
        "ETHUSDT", Side.BUY, request.price, request.quantity, "n1test-stale", None, request.timestamp + 3000, 5000
    )
    answer = await exchange.place(stale)
    assert isinstance(answer, Refused)
    assert answer.kind is Refusal.CLOCK


async def test_trades_of_a_watched_symbol_flow_until_it_is_unwatched(exchange, simulation, sink):
    with trio.fail_after(10):
        await exchange.watch("ETHUSDT")
    simulation.publish("ETHUSDT", parse_price("2701.5"), parse_quantity("0.25"))
    await sink.until(lambda: sink.trades)
    assert sink.trades == [("ETHUSDT", parse_price("2701.5"), "0.25000000")]


async def test_rules_fees_and_the_account_are_read(exchange):
    found = await exchange.symbols(["ETHUSDT", "BTCUSDT", "NOSUCHCOIN"])
    assert set(found) == {"ETHUSDT", "BTCUSDT"}
    eth = found["ETHUSDT"]
    assert (eth.base, eth.quote, eth.trading) == ("ETH", "USDT", True)
    assert eth.filters.tick_size == parse_price("0.01")
    assert await exchange.symbols(["NOSUCHCOIN"]) == {}
    assert await exchange.fees("ETHUSDT") == Fees(buy=parse_rate("0.001"), sell=parse_rate("0.001"))
    account = await exchange.account()
    assert account.uid != ""
    assert {asset: each.free for asset, each in account.balances.items()} == ACCOUNT


async def test_the_clock_is_the_exchanges(exchange):
    server = await exchange.server_time()
    assert server <= exchange.now() <= exchange.latest()
    assert exchange.latest() - server < 1000


async def test_a_wrong_signature_is_told_as_a_matter_of_credentials(nursery, sink):
    config = SimulatorConfig(fed=True, api_key="right", api_secret="secret")
    simulation = await nursery.start(partial(simulate, config))
    adapter = BinanceExchange(simulator(simulation.url), credentials("right", "wrong"))
    nursery.start_soon(adapter.run, sink)
    await sink.until(lambda: sink.said)
    assert "-1022" in sink.said[0]
    assert not adapter.connected
    with pytest.raises(CredentialsError):
        await adapter.account()
