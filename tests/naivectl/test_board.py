"""What the list knows of all symbols, however the documents come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naivectl.board import SORTS, Board, arranged
from naivectl.header import Moment
from naivectl.listing import status_screen
from naivectl.paint import Medium, painter, text_of
from naivectl.summary import trader_letters
from tests.support import screens

NOW = Moment(screens.NOW_SECONDS)


def screen(board):
    return text_of(status_screen(board, NOW, 200))


def names(rows):
    return [row.symbol for row in rows]


def test_changed_symbols_give_the_same_screen_as_a_whole_snapshot():
    first = screens.ten()
    changed = [{**row, "realized_profit": "1.5", "budget": "2000", "tied_up": "7"} for row in first[::3]]
    board = screens.board(*first)
    board.take({"symbols": changed, "gone": ["SOLUSDT"]}, whole=False)
    kept = {row["symbol"]: row for row in (*first, *changed)}
    del kept["SOLUSDT"]
    assert screen(board) == screen(screens.board(*kept.values()))


prices = st.integers(1, 10**6).map(lambda cents: f"{cents / 100:.2f}")
rows = st.builds(
    lambda number, state, price, profit, budget, reason: screens.symbol(
        f"S{number}{'BTC' if number % 2 else 'USDT'}",
        state,
        "WBS",
        **{"last_price": price, "tick": "0.01", "buy": "5", "sell": "90"},
        **{"realized_profit": profit, "budget": budget, "reason": reason},
    ),
    st.integers(0, 5),
    st.sampled_from(["trading", "off", "degraded", "draining", "quarantined"]),
    prices,
    prices,
    st.sampled_from(["100", "1000", "0.1"]),
    st.sampled_from([None, "why"]),
)


@given(st.lists(st.lists(rows, max_size=4, unique_by=lambda row: row["symbol"]), min_size=1, max_size=5))
def test_totals_and_counts_follow_every_change(items):
    board = Board(Medium())
    board.take(screens.status())
    known = {}
    for item in items:
        board.take({"symbols": item}, whole=False)
        known.update((row["symbol"], row) for row in item)
    whole = screens.board(*known.values())
    assert board.counts() == whole.counts()
    assert [(quote, total.sums) for quote, total in board.quotes()] == [
        (quote, total.sums) for quote, total in whole.quotes()
    ]
    assert {name: row.cells | {"PRICE": row.cells["PRICE"][:-1]} for name, row in board.rows.items()} == {
        name: row.cells | {"PRICE": row.cells["PRICE"][:-1]} for name, row in whole.rows.items()
    }


def test_a_symbol_that_a_snapshot_does_not_have_is_gone():
    board = screens.board(*screens.ten())
    board.take(screens.status(screens.symbol("ETHUSDT", last_price="1")))
    assert list(board.rows) == ["ETHUSDT"]
    assert board.counts() == [("trading", 1, "good")]


def test_symbols_whose_quote_is_not_known_are_no_nameless_total_beside_another():
    unread = {**screens.symbol("SOLUSDT", "off"), "quote": None, "base": None}
    known = screens.symbol("ETHUSDT", last_price="1")

    def quotes(*rows):
        return [quote for quote, _ in screens.board(*rows).quotes()]

    assert quotes(known, unread) == ["USDT"]
    assert screen(screens.board(known, unread)).count("total") == 1
    assert quotes(unread) == [""]
    assert set(quotes(known, {**unread, "held_cost": "5"})) == {"USDT", ""}


def test_problems_stay_first_however_it_is_sorted():
    board = screens.board(*screens.ten())
    for sort in SORTS:
        for reverse in (False, True):
            order = names(arranged(board.rows.values(), sort, reverse=reverse))
            assert order[:3] == ["ARBUSDT", "DOGEUSDT", "XRPUSDT"]
            assert order[-1] == "LINKUSDT"
    by_profit = names(arranged(board.rows.values(), "profit"))[3:-1]
    assert by_profit[:2] == ["BTCUSDT", "ETHUSDT"]
    assert names(arranged(board.rows.values(), "profit", reverse=True))[3:-1] == by_profit[::-1]
    assert names(arranged(board.rows.values(), None))[3] == "BTCUSDT"


@pytest.mark.parametrize(
    ("letters", "chunks", "shown"),
    [
        ("SBW", 5, "WBS.."),
        ("S", None, "S"),
        ("SSS", 2, "SSS"),
        ("S" * 12, 12, "S" * 12),
        ("B" * 14 + "S" * 31, 50, "14B 31S"),
        ("B" * 100 + "S" * 100 + "W" * 100 + "H" * 100, 1000, "400/1000"),
        ("", 1000, "0/1000"),
        ("?", 1, "?"),
    ],
)
def test_traders_are_characters_or_counted(letters, chunks, shown):
    traders = list(screens.traders("ETHUSDT", letters, "1", "2"))
    assert trader_letters(traders, chunks, troubled=False) == shown


def test_the_price_says_which_way_it_moved():
    board = screens.board(screens.symbol("ETHUSDT", last_price="10", tick="1"))
    for price, arrow in (("11", "▴"), ("11", "▴"), ("9", "▾")):
        board.take({"symbols": [screens.symbol("ETHUSDT", last_price=price, tick="1")]}, whole=False)
        assert board.rows["ETHUSDT"].cells["PRICE"] == price + arrow


def test_widths_only_grow():
    board = screens.board(screens.symbol("ETHUSDT", last_price="1234567890.12", tick="0.01"))
    board.take({"symbols": [screens.symbol("ETHUSDT", last_price="1", tick="0.01")]}, whole=False)
    assert board.widths["PRICE"] == len("1,234,567,890.12 ")


def test_a_halt_of_the_account_halts_every_symbol_that_trades():
    board = screens.board(*screens.ten())
    board.take(
        {"symbols": [], "daemon": screens.daemon(halt={"by": "person", "since": screens.ago(5)})}, whole=False
    )
    assert ("halted", 6, "attention") in board.counts()
    assert board.rows["BNBUSDT"].state == "draining"


def test_an_older_daemons_entry_without_newer_fields_is_drawn():
    text = screen(screens.board({"symbol": "A", "status": "on", "state": "trading"}))
    assert ["A", "trading", "-"] in [line.split()[:3] for line in text.splitlines()]
    assert "TODAY" not in text


def test_no_color_keeps_bold_and_reverse():
    line = [("REAL MONEY", "real"), ("trading", "good"), ("wrong", "wrong"), (" ", "good")]
    assert painter(Medium(color=False))(line) == "\x1b[1;7mREAL MONEY\x1b[0mtrading\x1b[1mwrong\x1b[0m "
