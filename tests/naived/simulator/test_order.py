from dataclasses import replace

from naived.core.amount import parse_quantity
from naived.simulator.exchange import Exchange
from tests.support.simulator import exchange, new


def test_what_remains_is_neither_executed_nor_prevented() -> None:
    engine: Exchange = exchange()
    order = engine.place(new("buy", "2600", "0.1")).order
    less = replace(order, executed=parse_quantity("0.03"), prevented=parse_quantity("0.02"))
    assert less.remaining == parse_quantity("0.05")
    engine.ledger.close()
