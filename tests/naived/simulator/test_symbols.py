import gzip
import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from naived.core.amount import format_amount, parse_price
from naived.core.market import Filters
from naived.simulator.errors import SimulatorError
from naived.simulator.symbols import RATE_LIMITS, built_in_prices, listing, load
from tests.support.simulator import DATA, ETH


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


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"code": -1121, "msg": "Invalid symbol."}', "an error, -1121 Invalid symbol."),
        ('{"id": 1, "status": 400, "error": {"code": -1100, "msg": "Illegal."}}', "an error, -1100 Illegal."),
        ('{"x": 1}', "it has no symbols"),
    ],
)
def test_an_answer_without_symbols_is_told_as_what_it_is(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "info.json").write_text(text)
    with pytest.raises(SimulatorError, match=why):
        load(tmp_path / "info.json")


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match=r"info\.json"):
        load(tmp_path / "info.json")


@pytest.mark.parametrize("off", ["0.00000000", "0", "", None])
def test_a_tick_or_step_that_is_off_allows_every_price_and_quantity(off: str | None) -> None:
    names = {"tickSize", "minPrice", "maxPrice", "stepSize", "minQty", "maxQty", "minNotional", "maxNotional"}
    names |= {"bidMultiplierUp", "bidMultiplierDown", "askMultiplierUp", "askMultiplierDown"}
    filters = [{k: off if k in names else v for k, v in item.items()} for item in ETH.row["filters"]]
    read = listing({**ETH.row, "filters": filters})
    assert (read.info.filters.tick_size, read.info.filters.step_size) == (1, 1)
    assert (read.info.filters.max_price, read.info.filters.bid_up) == (0, None)


def test_a_symbol_without_filters_is_read() -> None:
    nothing = [
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": None},
        {"filterType": "NOTIONAL", "avgPriceMins": None},
    ]
    assert listing({**ETH.row, "filters": nothing}).average_minutes == 0
    empty = {**ETH.row, "filters": None, "allowedSelfTradePreventionModes": None}
    assert listing(empty).info.filters.tick_size == 1
    assert listing({**ETH.row, "filters": []}).max_position == 0


def test_a_count_that_is_text_is_a_count() -> None:
    row = {**ETH.row, "filters": [{"filterType": "MAX_NUM_ORDERS", "maxNumOrders": "7"}]}
    assert listing(row).info.filters.max_orders == 7


def test_every_symbol_of_a_whole_recorded_exchange_is_read() -> None:
    path = DATA / "fixtures" / "exchange_info_all_prod_2021-04-29.json.gz"
    if not path.exists():
        pytest.skip(f"no recording at {path}")
    listings, _ = load(json.loads(gzip.decompress(path.read_bytes())))
    assert len(listings) == 1418
    for each in listings.values():
        assert each.info.filters.tick_size >= 1 <= each.info.filters.step_size
        assert each.info.filters.bid_up == each.info.filters.ask_up
    assert sum(each.info.trading for each in listings.values()) == 1048
    assert all(each.info.filters.bid_up and each.average_minutes for each in listings.values())
