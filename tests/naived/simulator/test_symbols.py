import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from naived.core.amount import format_amount, parse_money, parse_price, parse_quantity
from naived.core.market import Filters
from naived.simulator.errors import ApiError, SimulatorError
from naived.simulator.order import OrderType
from naived.simulator.symbols import (
    RATE_LIMITS,
    affordable,
    built_in_prices,
    check,
    check_open,
    coarser,
    halted,
    listing,
    load,
)
from tests.support.simulator import DATA, ETH, new


@pytest.mark.parametrize(
    ("symbol", "tick", "step"),
    [("ETHUSDT", "0.01", "0.0001"), ("BTCUSDT", "0.01", "0.00001"), ("XRPUSDT", "0.0001", "0.1")],
)
def test_the_best_known_symbols_have_their_real_tick_and_step(symbol: str, tick: str, step: str) -> None:
    filters = load(None)[0][symbol].info.filters
    assert (format_amount(filters.tick_size), format_amount(filters.step_size)) == (tick, step)
    assert format_amount(filters.min_notional) == "5"
    assert filters.max_orders == 200


def test_every_built_in_price_can_be_traded_at() -> None:
    listings, _ = load(None)
    assert len(listings) >= 20
    for symbol, price in built_in_prices().items():
        filters = listings[symbol].info.filters
        assert price % filters.tick_size == 0
        assert price >= 100 * filters.tick_size


def test_a_recorded_exchange_info_is_read_as_it_is() -> None:
    path = DATA / "fixtures" / "exchange_info_TSLABUSDT_prod_2026-09-26.json"
    if not path.exists():
        pytest.skip(f"no recording at {path}")
    listings, limits = load(path)
    tsla = listings["TSLABUSDT"]
    assert "NONE" not in tsla.stp_modes
    assert tsla.stp_default == "EXPIRE_MAKER"
    assert tsla.average_minutes == 5
    assert tsla.row["permissionSets"]
    assert limits == RATE_LIMITS  # the recording has none


def test_the_composed_answer_agrees_with_the_built_in_list() -> None:
    path = DATA / "composed" / "exchange_info_ETHUSDT.json"
    if not path.exists():
        pytest.skip(f"no recording at {path}")
    composed, built_in = load(path)[0], load(None)[0]
    for symbol in ("ETHUSDT", "BTCUSDT", "XRPUSDT"):

        def rules(filters: Filters) -> Filters:
            return replace(filters, max_price=parse_price("0"), max_quantity=filters.min_quantity)

        assert rules(composed[symbol].info.filters) == rules(built_in[symbol].info.filters)


def test_the_answer_of_the_websocket_api_is_read_too(tmp_path: Path) -> None:
    answer = {"id": 1, "status": 200, "result": {"symbols": [ETH.row], "rateLimits": [dict(RATE_LIMITS[0])]}}
    (tmp_path / "info.json").write_text(json.dumps(answer))
    listings, limits = load(tmp_path / "info.json")
    assert list(listings) == ["ETHUSDT"]
    assert list(limits) == [RATE_LIMITS[0]]


def test_an_old_row_without_percent_price_and_with_min_notional_is_fine() -> None:
    row = {
        **ETH.row,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0.1", "maxQty": "1000", "stepSize": "0.1"},
            {"filterType": "MIN_NOTIONAL", "minNotional": "10", "avgPriceMins": 1},
            {"filterType": "SOMETHING_NEW"},
        ],
    }
    read = listing(row)
    assert format_amount(read.info.filters.min_notional) == "10"
    assert (read.info.filters.bid_up, read.average_minutes) == (None, 1)


@pytest.mark.parametrize("text", ["", "[]", '{"symbols": [{"symbol": "ETHUSDT"}]}', '{"symbols": 5}', '{"x": 1}'])
def test_a_file_of_something_else_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "info.json").write_text(text)
    with pytest.raises(SimulatorError, match=r"info\.json"):
        load(tmp_path / "info.json")


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match=r"info\.json"):
        load(tmp_path / "info.json")


def test_a_halt_and_coarser_steps_show_in_the_row_and_in_the_rules() -> None:
    assert halted(ETH).row["status"] == "HALT"
    assert not halted(ETH).info.trading
    coarse = coarser(ETH)
    assert format_amount(coarse.info.filters.tick_size) == "0.1"
    assert format_amount(coarse.info.filters.step_size) == "0.001"
    assert coarse.row["filters"][0]["tickSize"] == "0.10000000"
    assert format_amount(ETH.info.filters.tick_size) == "0.01"


AVERAGE = (parse_price("2000") * 3, 3)


@pytest.mark.parametrize(
    ("side", "price", "failed"),
    [
        ("buy", "2400", None),
        ("buy", "2400.01", "PERCENT_PRICE_BY_SIDE"),
        ("buy", "1000", None),
        ("buy", "999.99", "PERCENT_PRICE_BY_SIDE"),
        ("sell", "4000", None),
        ("sell", "4000.01", "PERCENT_PRICE_BY_SIDE"),
        ("sell", "1600", None),
        ("sell", "1599.99", "PERCENT_PRICE_BY_SIDE"),
    ],
)
def test_a_price_stays_within_percent_of_the_average(side: str, price: str, failed: str | None) -> None:
    if failed is None:
        check(ETH, new(side, price, "1"), AVERAGE)
        return
    with pytest.raises(ApiError) as caught:
        check(ETH, new(side, price, "1"), AVERAGE)
    assert caught.value.message == f"Filter failure: {failed}"


def test_without_an_average_any_price_on_the_tick_will_do() -> None:
    check(ETH, new("buy", "999999.99", "1"), None)


def test_a_market_order_may_be_a_dust_below_the_least_notional_and_not_pass() -> None:
    check(ETH, new("buy", "0", "0.0025", type=OrderType.MARKET), AVERAGE)
    with pytest.raises(ApiError, match="NOTIONAL"):
        check(ETH, new("buy", "0", "0.0024", type=OrderType.MARKET), AVERAGE)


def test_too_many_open_orders_and_a_closed_market_are_the_engines_refusals() -> None:
    check_open(ETH, 199)
    with pytest.raises(ApiError, match=r"-2010.*MAX_NUM_ORDERS"):
        check_open(ETH, 200)
    with pytest.raises(ApiError, match=r"-2010.*Market is closed"):
        check_open(halted(ETH), 0)


def test_coarser_rules_refuse_what_was_fine() -> None:
    check(ETH, new("buy", "2000.01", "0.0101"), AVERAGE)
    with pytest.raises(ApiError, match="PRICE_FILTER"):
        check(coarser(ETH), new("buy", "2000.01", "0.0101"), AVERAGE)
    with pytest.raises(ApiError, match="LOT_SIZE"):
        check(coarser(ETH), new("buy", "2000.1", "0.0101"), AVERAGE)


def test_money_buys_whole_steps_only() -> None:
    assert format_amount(affordable(ETH, parse_money("100"), parse_price("2683.80"))) == "0.0372"
    with pytest.raises(ApiError, match="LOT_SIZE"):
        affordable(ETH, parse_money("0.1"), parse_price("2683.80"))
    assert parse_quantity("0.0372") * parse_price("2683.80") <= parse_money("100") * 10**8
