import gzip
import json
from pathlib import Path

import msgspec
import pytest

from naived.binance.filters import filters_of

DATA = Path(__file__).parents[4] / "shared" / "data"
PRICE = {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000", "tickSize": "0.01"}
LOT = {"filterType": "LOT_SIZE", "minQty": "0.1", "maxQty": "900", "stepSize": "0.1"}
BY_SIDE = {
    "filterType": "PERCENT_PRICE_BY_SIDE",
    "bidMultiplierUp": "5",
    "bidMultiplierDown": "0.2",
    "askMultiplierUp": "5",
    "askMultiplierDown": "0.2",
}


def filters(*rows, places=(8, 8)):
    notes = []
    return filters_of([msgspec.Raw(json.dumps(row).encode()) for row in rows], places, notes.append), notes


def test_a_tick_or_step_of_zero_is_off_and_then_the_asset_has_the_finest():
    off, notes = filters(PRICE | {"tickSize": "0.00000000"}, LOT | {"stepSize": "0"}, places=(6, 2))
    assert (off.tick_size, off.step_size, notes) == (10**6, 100, [])
    assert filters(PRICE | {"tickSize": "0"})[0].tick_size == 1
    assert filters(places=(-3, 10**22))[0].tick_size == 1


@pytest.mark.parametrize("value", ["-1", "1e-8", "NaN", "", "0.000000001", "9223372036854775808", 5, None])
@pytest.mark.parametrize(
    ("row", "name"),
    [(PRICE, "tickSize"), (PRICE, "minPrice"), (LOT, "stepSize"), (LOT, "maxQty"), (BY_SIDE, "askMultiplierUp")],
)
def test_a_rule_of_prices_or_quantities_that_cannot_be_read_leaves_no_rules(row, name, value):
    with pytest.raises(ValueError, match=r".+"):
        filters(row | {name: value})
    with pytest.raises(ValueError, match=name):
        filters({key: each for key, each in row.items() if key != name})


@pytest.mark.parametrize("value", ["200", -1, 2**63, 10**22, None, 1.5])
def test_a_limit_of_orders_that_cannot_be_read_is_left_to_the_exchange(value):
    rules, notes = filters(PRICE, LOT, {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": value})
    assert (rules.max_orders, rules.tick_size, len(notes)) == (0, 10**6, 1)


@pytest.mark.parametrize("row", [None, 7, "PRICE_FILTER", [], {"filterType": None}, {"filterType": 3}, {}])
def test_what_is_no_filter_is_left_out_while_the_rules_that_count_are_there(row):
    rules, notes = filters(row, PRICE, LOT)
    assert (rules.tick_size, rules.step_size, len(notes)) == (10**6, 10**7, 1)
    with pytest.raises(ValueError, match="without a type"):
        filters(row, LOT)


def test_an_unknown_filter_is_ignored():
    assert filters(PRICE, LOT, {"filterType": "T_PLUS_SELL", "endTime": 7})[1] == []


def test_a_factor_of_zero_that_no_price_could_meet_is_refused():
    with pytest.raises(ValueError, match="bounds"):
        filters(BY_SIDE | {"bidMultiplierUp": "0"})


@pytest.mark.skipif(not DATA.is_dir(), reason="the recordings are not beside this checkout")
def test_the_rules_of_a_whole_recorded_exchange_are_read_without_a_note():
    text = gzip.decompress((DATA / "fixtures" / "exchange_info_all_prod_2021-04-29.json.gz").read_bytes())
    rows = json.loads(text)["symbols"]
    assert len(rows) == 1418
    for row in rows:
        rules, notes = filters(*row["filters"], places=(row["baseAssetPrecision"], row["quoteAssetPrecision"]))
        assert rules.tick_size > 0 < rules.step_size
        assert notes == []
