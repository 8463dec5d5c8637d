from dataclasses import replace

from naived.core.amount import parse_price, parse_quantity
from naived.simulator import market_wire as wire
from naived.simulator.order import PublicTrade
from naived.simulator.symbols import RATE_LIMITS
from tests.support.simulator import ETH, NOW


def test_permission_sets_are_left_out_on_request() -> None:
    whole = wire.exchange_info([ETH], RATE_LIMITS, NOW, sets=True)
    assert whole["symbols"] == [ETH.row]
    short = wire.exchange_info([ETH], RATE_LIMITS, NOW, sets=False)
    assert short["symbols"][0].keys() == ETH.row.keys() - {"permissionSets"}
    assert (whole["serverTime"], whole["timezone"], whole["exchangeFilters"]) == (NOW, "UTC", [])


def test_a_public_trade_is_what_was_recorded() -> None:
    trade = PublicTrade("ETHUSDT", 1520538925, parse_price("2683.8"), parse_quantity("0.002"), 1723161255611, True)
    assert wire.public_trade(trade) == {
        "e": "trade",
        "E": 1723161255611,
        "s": "ETHUSDT",
        "t": 1520538925,
        "p": "2683.80000000",
        "q": "0.00200000",
        "T": 1723161255611,
        "m": True,
        "M": True,
    }
    assert wire.aggregate_trade(replace(trade, id=5))["f"] == 5
