from pathlib import Path

import msgspec
import pytest

from naived.binance.border import read
from naived.binance.codec import ExecutionReport, read_api
from naived.binance.fees import CommissionRow, fees_of
from naived.binance.mapping import (
    AccountRow,
    BalanceRow,
    ExchangeInfo,
    OrderRow,
    SymbolRow,
    TradeRow,
    balance_of,
    fill_of,
    fill_of_event,
    report_of,
    report_of_event,
    symbol_of,
)
from naived.core.amount import (
    AmountError,
    parse_amount,
    parse_money,
    parse_price,
    parse_quantity,
    parse_rate,
)
from naived.core.orders.intent import Side
from naived.core.orders.report import OrderStatus

DATA = Path(__file__).parents[4] / "shared" / "data"
recorded = pytest.mark.skipif(not DATA.is_dir(), reason="the recordings are not beside this checkout")

# Samples of Binance's documentation of the WebSocket API.
PLACED = {
    "symbol": "BTCUSDT",
    "orderId": 12569099453,
    "orderListId": -1,
    "clientOrderId": "4d96324ff9d44481926157ec08158a40",
    "transactTime": 1660801715793,
    "price": "23416.10000000",
    "origQty": "0.00847000",
    "executedQty": "0.00847000",
    "origQuoteOrderQty": "0.000000",
    "cummulativeQuoteQty": "198.33521500",
    "status": "FILLED",
    "timeInForce": "GTC",
    "type": "LIMIT",
    "side": "SELL",
    "workingTime": 1660801715793,
    "fills": [
        {
            "price": "23416.10000000",
            "qty": "0.00635000",
            "commission": "0.000000",
            "commissionAsset": "BNB",
            "tradeId": 1650422481,
        },
        {
            "price": "23416.50000000",
            "qty": "0.00212000",
            "commission": "0.000000",
            "commissionAsset": "BNB",
            "tradeId": 1650422482,
        },
    ],
    "selfTradePreventionMode": "NONE",
}
CANCELLED = {
    "symbol": "BTCUSDT",
    "origClientOrderId": "4d96324ff9d44481926157",
    "orderId": 12569099453,
    "clientOrderId": "91fe37ce9e69c90d6358c0",
    "transactTime": 1684804350068,
    "price": "23416.10000000",
    "origQty": "0.00847000",
    "executedQty": "0.00001000",
    "cummulativeQuoteQty": "0.23416100",
    "status": "CANCELED",
    "side": "SELL",
}
FOUND = {
    "symbol": "BTCUSDT",
    "orderId": 12569099453,
    "clientOrderId": "4d96324ff9d44481926157",
    "price": "23416.10000000",
    "origQty": "0.00847000",
    "executedQty": "0.00847000",
    "cummulativeQuoteQty": "198.33521500",
    "status": "FILLED",
    "side": "SELL",
    "time": 1660801715639,
    "updateTime": 1660801717945,
}
TRADE = {
    "symbol": "BTCUSDT",
    "id": 1650422481,
    "orderId": 12569099453,
    "price": "23416.10000000",
    "qty": "0.00635000",
    "quoteQty": "148.69223500",
    "commission": "0.00000000",
    "commissionAsset": "BNB",
    "time": 1660801715793,
    "isBuyer": False,
    "isMaker": True,
    "isBestMatch": True,
}
EXECUTION = {
    "e": "executionReport",
    "s": "ETHUSDT",
    "c": "n1test-abc",
    "C": "",
    "S": "BUY",
    "x": "TRADE",
    "X": "PARTIALLY_FILLED",
    "i": 4293153,
    "q": "0.10000000",
    "p": "2680.00000000",
    "l": "0.04000000",
    "z": "0.04000000",
    "L": "2679.50000000",
    "n": "0.00004000",
    "N": "ETH",
    "t": 1520538925,
    "m": True,
    "Y": "107.18000000",
    "T": 1723161255611,
    "O": 1723161250000,
}


def order(sample, **changes):
    return report_of(msgspec.convert(sample | changes, OrderRow))


def read_event(**changes):
    text = msgspec.json.encode({"event": EXECUTION | {"e": "executionReport"} | changes}).decode()
    found = read_api(text)
    assert isinstance(found, ExecutionReport), found
    return found


def event(**changes):
    return report_of_event(read_event(**changes))


notes = []  # what `symbol` left out of a row


def symbol(*filters, **changes):
    notes.clear()
    row = {
        "symbol": "ETHUSDT",
        "status": "TRADING",
        "baseAsset": "ETH",
        "quoteAsset": "USDT",
        "filters": list(filters),
    }
    return symbol_of(read(msgspec.json.encode(row | changes), SymbolRow, notes.append), notes.append)


def test_a_full_answer_has_its_fills_whose_sum_is_the_exchanges():
    report = order(PLACED)
    assert (report.status, report.side) == (OrderStatus.FILLED, Side.SELL)
    assert report.executed == report.quantity == parse_quantity("0.00847")
    assert report.created == report.time == 1660801715793
    assert [fill.trade_id for fill in report.fills] == [1650422481, 1650422482]
    assert [fill.quote for fill in report.fills] == [parse_money("148.692235"), parse_money("49.64298")]
    assert sum(fill.quote for fill in report.fills) == parse_money("198.335215")
    assert not any(fill.maker for fill in report.fills)


@pytest.mark.parametrize(
    "changes",
    [
        {"cummulativeQuoteQty": "198.33521501"},
        {"executedQty": "0.00848000"},
    ],
)
def test_fills_whose_sum_is_not_the_exchanges_are_left_out(changes):
    assert order(PLACED, **changes).fills == ()


@pytest.mark.parametrize(("said", "ioc"), [("IOC", True), ("GTC", False), ("FOK", False)])
def test_an_order_that_does_not_rest_is_told_from_one_that_does(said, ioc):
    assert (order(PLACED, timeInForce=said).ioc, event(f=said).ioc) == (ioc, ioc)


def test_an_order_whose_quote_amount_is_unavailable_is_read():
    report = order(FOUND, cummulativeQuoteQty="-1.00000000")
    assert (report.created, report.time, report.fills) == (1660801715639, 1660801717945, ())


def test_the_answer_to_a_cancel_has_the_id_of_the_order():
    report = order(CANCELLED)
    assert report.client_order_id == "4d96324ff9d44481926157"
    assert (report.status, report.executed) == (OrderStatus.CANCELED, parse_quantity("0.00001"))


@pytest.mark.parametrize(
    ("said", "placed"),
    [("n1abcd-xyz-x", "n1abcd-xyz"), ("n1abcd-xyz", "n1abcd-xyz"), ("web-x", "web-x")],
)
def test_only_the_suffix_of_our_own_cancels_is_removed_from_an_id(said, placed):
    assert order(FOUND, clientOrderId=said).client_order_id == placed


def test_a_fill_in_a_report_has_the_exchanges_own_amounts():
    report = event()
    assert (report.status, report.executed) == (OrderStatus.PARTIALLY_FILLED, parse_quantity("0.04"))
    fill = fill_of_event(read_event())
    assert (fill.price, fill.quantity) == (parse_price("2679.5"), parse_quantity("0.04"))
    assert (fill.quote, fill.fee, fill.fee_asset) == (parse_money("107.18"), parse_amount("0.00004"), "ETH")
    assert fill.maker
    assert (fill.trade_id, fill.time, report.created) == (1520538925, 1723161255611, 1723161250000)


def test_a_report_of_a_cancel_has_the_id_of_the_order_and_no_fill():
    changes = {"x": "CANCELED", "X": "CANCELED", "c": "n1test-abc-x", "C": "n1test-abc", "l": "0.00000000", "t": -1}
    report = event(**changes)
    assert (report.client_order_id, report.status) == ("n1test-abc", OrderStatus.CANCELED)
    assert fill_of_event(read_event(**changes)) is None


def test_a_prevented_self_trade_is_no_fill():
    assert fill_of_event(read_event(x="TRADE_PREVENTION", X="EXPIRED_IN_MATCH", t=-1)) is None


@pytest.mark.parametrize(
    ("said", "executed", "status"),
    [
        ("PENDING_NEW", "0.00000000", OrderStatus.NEW),
        ("PENDING_CANCEL", "0.04000000", OrderStatus.PARTIALLY_FILLED),
        ("EXPIRED_IN_MATCH", "0.00000000", OrderStatus.EXPIRED_IN_MATCH),
    ],
)
def test_a_pending_status_is_not_the_end_of_an_order(said, executed, status):
    assert event(X=said, z=executed).status is status


@pytest.mark.parametrize("changes", [{"X": "TRANSMOGRIFIED"}, {"S": "SHORT"}, {"p": "1e5"}, {"z": "0.123456789"}])
def test_an_unknown_word_or_number_is_an_error(changes):
    with pytest.raises(ValueError, match=r"not a|decimals|plain decimal"):
        event(**changes)


def test_a_row_of_the_history_is_a_fill():
    fill = fill_of(msgspec.convert(TRADE, TradeRow))
    assert (fill.trade_id, fill.order_id, fill.maker) == (1650422481, 12569099453, True)
    assert fill.quote == parse_money("148.692235")


@recorded
@pytest.mark.parametrize(
    ("file", "name", "allowed"),
    [
        ("fixtures/exchange_info_BTCUSDT_testnet_2026-09-13.json", "BTCUSDT", True),
        ("fixtures/exchange_info_TSLABUSDT_prod_2026-09-26.json", "TSLABUSDT", True),
    ],
)
def test_recorded_rules_are_read(file, name, allowed):
    info = msgspec.json.decode((DATA / file).read_bytes(), type=ExchangeInfo)
    [row] = info.symbols
    notes.clear()
    rules = symbol_of(read(row, SymbolRow, notes.append), notes.append)
    assert notes == []
    assert (rules.symbol, rules.quote, rules.trading) == (name, "USDT", True)
    assert (rules.buy_stp, rules.sell_stp) == (("EXPIRE_TAKER", "EXPIRE_MAKER") if allowed else (None, None))
    assert rules.filters.min_notional == parse_money("5")
    assert rules.filters.max_orders == 200
    assert rules.filters.tick_size > 0
    assert rules.filters.bid_up > rules.filters.bid_down


@recorded
def test_a_recorded_account_is_read():
    text = (DATA / "fixtures" / "demo_account_status_2026-09-29.json").read_text().replace('"bal"', "1")
    account = msgspec.json.decode(read_api(text).result, type=AccountRow)
    assert account.uid == 0
    balances = dict(balance_of(msgspec.json.decode(each, type=BalanceRow)) for each in account.balances)
    assert balances["USDT"].free == parse_amount("3689.34023246")


def test_an_absent_filter_is_off():
    filters = symbol().filters
    assert (filters.tick_size, filters.step_size) == (1, 1)
    assert (filters.max_price, filters.min_notional, filters.max_orders) == (0, 0, 0)
    assert filters.bid_down is filters.ask_up is None


def test_an_old_filter_counts_if_the_new_one_is_missing():
    old = symbol(
        {"filterType": "MIN_NOTIONAL", "minNotional": "10"},
        {"filterType": "PERCENT_PRICE", "multiplierUp": "5", "multiplierDown": "0.2"},
    ).filters
    assert old.min_notional == parse_money("10")
    assert (old.bid_down, old.ask_up) == (parse_rate("0.2"), parse_rate("5"))
    both = symbol(
        {"filterType": "MIN_NOTIONAL", "minNotional": "10"},
        {"filterType": "NOTIONAL", "minNotional": "5", "maxNotional": "9000000"},
    ).filters
    assert both.min_notional == parse_money("5")


@pytest.mark.parametrize(
    "changes", [{"status": "HALT"}, {"status": "CANCEL_ONLY"}, {"isSpotTradingAllowed": False}]
)
def test_only_a_symbol_open_for_spot_orders_is_trading(changes):
    assert symbol().trading
    assert not symbol(**changes).trading


def test_fees_are_the_larger_of_maker_and_taker_with_every_part():
    row = {
        "symbol": "BTCUSDT",
        "standardCommission": {"maker": "0.0010", "taker": "0.0008", "buyer": "0.0001", "seller": "0.0002"},
        "specialCommission": {"maker": "0.0", "taker": "0.0003", "buyer": "0", "seller": "0"},
        "taxCommission": {"maker": "0.0001", "taker": "0.0001", "buyer": "0.0004", "seller": "0"},
        "discount": {"enabledForAccount": True, "discountAsset": "BNB", "discount": "0.75"},
    }
    fees = fees_of(msgspec.convert(row, CommissionRow))
    # makers 0.0011, takers 0.0012
    assert fees.buy == parse_rate("0.0017")
    assert fees.sell == parse_rate("0.0014")


def test_a_rate_finer_than_ours_is_refused():
    row = {"symbol": "X", "standardCommission": {"maker": "0.000000001", "taker": "0"}}
    with pytest.raises(AmountError):
        fees_of(msgspec.convert(row, CommissionRow))
