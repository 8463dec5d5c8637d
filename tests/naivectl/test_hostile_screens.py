"""Whatever a program behind the socket answers, if only of the shape that `client` checks: no screen breaks."""

from hypothesis import given, settings
from hypothesis import strategies as st

from naivectl.board import Board
from naivectl.cells import width
from naivectl.describe import symbol_screen
from naivectl.header import Moment
from naivectl.history import event_lines, order_lines, trade_lines
from naivectl.listing import status_screen
from naivectl.paint import Medium, text_of
from naivectl.rates import settings_grid, settings_screen
from naivectl.view import View
from tests.support import screens

NOW = Moment(screens.NOW_SECONDS)
texts = st.text(alphabet=st.characters(exclude_categories=()), max_size=30)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | texts
    | st.sampled_from(
        ["1e400", "-0", "NaN", "0.00000001", "9" * 60, screens.NOW, "0001-01-01T00:00:00Z", "\x1b[2J"]
    ),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)


def document(required, names):
    """What is required, and any of the other fields with any value."""
    return st.fixed_dictionaries(required, optional=dict.fromkeys(names, values))


ORDER = ("client_order_id", "order_id", "state", "symbol", "trader", "side", "created_at", "fence_at")
orders = document(dict.fromkeys(("price", "executed", "quantity"), values), ORDER)
phases = st.sampled_from(["waiting", "buying", "holding", "selling"]) | values
traders = document(
    {"id": values, "phase": phases, "buy": st.none() | orders, "sell": st.none() | orders}, ("reason", "since")
)
states = st.sampled_from(["trading", "off", "degraded", "quarantined"]) | values
rows = document(
    {"symbol": texts, "status": values, "state": states, "traders": st.none() | st.lists(traders, max_size=3)},
    (
        *(
            "reason",
            "next_step",
            "halt",
            "chunks",
            "budget",
            "base",
            "quote",
            "tick",
            "held",
            "held_cost",
            "tied_up",
        ),
        *(
            "leftover",
            "last_price",
            "last_trade_at",
            "unrealized_profit",
            "realized_profit",
            "profit_today",
            "node",
        ),
    ),
)
daemons = document(
    {}, ("version", "exchange", "database", "state", "reason", "exchange_state", "started_at", "node", "halt")
)
listed = st.lists(rows, max_size=4, unique_by=lambda row: row["symbol"])
statuses = st.fixed_dictionaries({"symbols": listed, "daemon": daemons})
media = st.sampled_from([Medium(), Medium(encoding="ascii")])


def harmless(lines, medium):
    text = text_of(lines)
    assert all(line.isprintable() for line in text.split("\n"))
    text.encode(medium.encoding)


@settings(max_examples=25, deadline=None)
@given(statuses, statuses, media, st.sampled_from([40, 80, 200]))
def test_a_status_is_drawn_whatever_is_in_it(first, second, medium, columns):
    board = Board(medium)
    for status, whole in ((first, True), (second, True), (first, False)):
        board.take(status, whole=whole)
        harmless(status_screen(board, NOW, columns), medium)
        for row in board.rows.values():
            harmless(symbol_screen(board, row, NOW, columns, ids=True), medium)
        view = View()
        for key in ("end", "enter", "e", "esc", "esc", "s", "/", "x"):
            view.key(key)
            frame = view.frame(board, NOW, columns, 20)
            harmless(frame, medium)
            assert all(width(line) <= columns for line in text_of(frame).split("\n"))


others = document({}, (*ORDER, "price", "quantity", "executed", "at", "kind", "message", "next_step"))
TRADE = (
    "symbol",
    "trader",
    "buy_price",
    "sell_price",
    "fees",
    "fees_valued",
    "profit",
    "started_at",
    "finished_at",
)
trades = document({}, TRADE)
told = document({}, ("chunks", "budget", "rebuy", "reprice", "profit", "floor", "fall_guard"))
changes = st.fixed_dictionaries({"symbol": texts, "status": values, "settings": told})


@settings(max_examples=25, deadline=None)
@given(st.lists(others | orders), st.lists(trades), st.lists(changes, min_size=1), rows, media)
def test_histories_and_settings_are_drawn_whatever_is_in_them(listed, finished, changed, row, medium):
    facts = {row["symbol"]: row, **{each["symbol"]: row for each in changed}}
    harmless(order_lines(medium, listed, facts, NOW.now, 80), medium)
    harmless(trade_lines(medium, finished, facts, NOW.now, 80), medium)
    harmless(event_lines(medium, listed, 80, symbols=True), medium)
    harmless(settings_grid(medium, changed, facts, 80), medium)
    harmless(settings_screen(medium, changed[0], row, 80), medium)


def test_a_state_of_a_later_daemon_is_shown_and_counted_as_it_is():
    odd = screens.symbol("ETHUSDT", "paused", last_price="1")
    text = text_of(status_screen(screens.board(odd), NOW, 80))
    assert "  ETHUSDT     paused " in text
    assert "paused 1" in text
