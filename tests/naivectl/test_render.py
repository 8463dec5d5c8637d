import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naivectl.render import rows_table, status_tables, to_json
from naivectl.table import Column, Table, clean, plain

HOSTILE = [
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x9b31m",
    "a\u202eb",
    "\u200b",
    "a\rb",
    "a\nb",
    "\x7f",
    "\ud800",
    "\u2028",
    "\t",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_from_outside_can_move_the_cursor(text):
    assert clean(text).isprintable()
    assert clean(text).encode("utf-8")
    assert "\\" in clean(text)


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_any_text_is_one_printable_line(text):
    assert clean(text).isprintable()
    assert clean(text)


@given(st.dictionaries(st.text(), st.text(alphabet=st.characters(exclude_categories=()))))
def test_json_is_one_line_of_printable_ascii_and_says_the_same(document):
    text = to_json(document)
    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text) == document


def test_ordinary_text_is_left_alone():
    assert clean("币安人生USDT é ok") == "币安人生USDT é ok"
    assert clean(None) == clean("") == "-"
    assert clean(0) == "0"


def test_columns_are_aligned_and_numbers_stand_to_the_right():
    table = Table(
        [Column("NAME"), Column("N", number=True), Column("END")], [["a", "1", "-"], ["long", "12345", "x"]]
    )
    assert plain(table) == "NAME      N  END\na         1  -\nlong  12345  x"


def test_a_table_without_rows_is_its_header():
    assert plain(Table([Column("NAME"), Column("N")], [])) == "NAME  N"


def test_an_older_daemons_status_without_newer_fields_is_drawn(row):
    bare = {"symbol": "A", "status": "on", "state": "trading"}
    table, *_ = status_tables({"v": 1, "symbols": [bare]}, traders=True)
    assert table.rows[0][:3] == ["A", "on", "trading"]


def test_an_order_that_may_be_at_the_exchange_or_not_is_shown_with_its_fence():
    unknown = {"symbol": "A", "state": "unknown", "fence_at": "2026-11-26T11:46:55.503Z"}
    filled = {"symbol": "B", "state": "filled", "fence_at": "2026-11-26T11:46:50.000Z"}
    both = rows_table("orders", [unknown, filled])
    assert both.columns[-1].title == "FENCE"
    assert [row[-1] for row in both.rows] == ["11:46:55Z", "-"]
    assert "FENCE" not in [column.title for column in rows_table("orders", [filled]).columns]


def test_a_trader_whose_order_is_uncertain_says_so():
    leg = {"price": "1", "quantity": "2", "executed": "0"}
    trader = {
        "id": "A-1",
        "phase": "selling",
        "buy": {**leg, "state": "filled"},
        "sell": {**leg, "state": "unknown"},
    }
    symbol = {"symbol": "A", "status": "on", "state": "trading", "traders": [trader, {**trader, "sell": None}]}
    _, traders = status_tables({"v": 1, "symbols": [symbol]}, traders=True)
    assert [row[-1] for row in traders.rows] == ["sell unknown", "-"]


def test_lots_are_shown_with_their_price_and_what_would_make_them_sellable():
    lot = {"quantity": "0.6", "cost": "60", "price": "100.3", "reason": "too small to sell (LOT_SIZE)"}
    tables = status_tables(
        {"v": 1, "symbols": [{"symbol": "LTCUSDT", "status": "off", "state": "off", "leftover": [lot]}]},
        traders=True,
    )
    assert tables[-1].rows == [["LTCUSDT", "0.6", "60", "100.3", "too small to sell (LOT_SIZE)"]]
