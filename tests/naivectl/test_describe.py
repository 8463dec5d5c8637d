"""The screen of one symbol."""

import pytest

from naivectl.cells import width
from naivectl.describe import symbol_screen
from naivectl.header import Moment
from naivectl.paint import text_of
from naivectl.view import View
from tests.support import screens

NOW = Moment(screens.NOW_SECONDS)


def trader(number, phase, age, buy=None, sell=None, quantity="0.0745", **more):
    return {
        **{"id": f"ETHUSDT-{number}", "phase": phase, "reason": None, "since": screens.ago(age)},
        "buy": None if buy is None else screens.order(buy, "open" if phase == "buying" else "filled", quantity),
        "sell": None if sell is None else screens.order(sell, "open", "0.0744"),
        **more,
    }


TRADERS = [
    trader(17, "selling", 7300, "2703.9", "2711"),
    trader(18, "selling", 41 * 60, "2682.8", "2689.45"),
    trader(19, "buying", 2, "2683.53"),
    trader(20, "waiting", 0),
]
SETTINGS = {
    **{"chunks": 5, "budget": "1000", "buy_down": "0.0001", "profit": "0.001", "rebuy": "0.006", "reprice": "0.01"},
    **{"max_deviation": "0.1", "spacing": "0", "floor": None, "ceiling": None, "stop_loss": "0"},
}
EVENTS = [
    {"at": "2026-11-28T13:58:40.000Z", "kind": "rebuy", "message": "ETHUSDT-17: the price fell, 18 joins"},
    {"at": "2026-11-28T14:02:54.000Z", "kind": "placed", "message": "sell 0.0744 at 2,689.45, 18 (dhb7j56t)"},
    {"at": "2026-11-28T14:03:12.000Z", "kind": "finished", "message": "ETHUSDT-16: profit +0.44 USDT"},
]


def eth(**more):
    known = {
        **{"last_price": "2683.8", "tick": "0.01", "age": 0.4, "held": "0.1491", "held_cost": "401.14"},
        **{"tied_up": "199.92", "unrealized_profit": "-1.39", "profit_today": "1.2", "realized_profit": "61.77"},
        **{"cycles": 214, "traders": TRADERS, "leftover": [LOT], "state": "trading"},
    }
    return screens.symbol("ETHUSDT", **known | more)


LOT = {"quantity": "0.0003", "cost": "0.8", "price": "2701.1", "reason": "too small to sell"}


def drawn(row, columns=80, directions="▾", **more):
    board = screens.board(row, directions=directions)
    text = text_of(symbol_screen(board, board.rows["ETHUSDT"], NOW, columns, **more))
    assert max(map(width, text.splitlines())) <= columns
    return text


def test_traders_stand_as_a_ladder_around_the_price():
    assert (
        drawn(eth(), settings=SETTINGS, events=EVENTS)
        == """
ETHUSDT  on, trading  2,683.80▾ 0.4s                     as of now  14:03:27 UTC
  next      18 sells 0.0744 ETH at 2,689.45 when the price rises by 0.21%;
            19 buys 0.0745 ETH at 2,683.53 when it falls by 0.01%
  money     held 0.1491 ETH, cost 401.14 USDT  tied up 199.92  unrealised -1.39
  lots      0.0003 ETH at 2,701.10: too small to sell
  profit    today +1.20   in all +61.77   cycles 214
  settings  budget 1,000  chunks 5  buy-down 0.01%  profit 0.1%  rebuy 0.6%
            reprice 1%  max-deviation 10%; no spacing, floor, ceiling, stop-loss

  TRADER  PHASE       PRICE    AWAY  QUANTITY  DONE  SINCE
  17      selling  2,711.00  +1.01%    0.0744    0%     2h
  18      selling  2,689.45  +0.21%    0.0744    0%    41m
                   2,683.80▾ last price                 0s
  19      buying   2,683.53  -0.01%    0.0745    0%     2s
  20      waiting         -       -         -     -     0s  for the next trade
  1 free chunk

  14:03:12  finished   16: profit +0.44 USDT
  14:02:54  placed     sell 0.0744 at 2,689.45, 18 (dhb7j56t)
  13:58:40  rebuy      17: the price fell, 18 joins
""".strip("\n")
    )


def test_whole_ids_stand_below_the_ladder():
    text = drawn(eth(), ids=True)
    assert "  sell 18  n15r6u-dhb7j56tc5p37ohcflvxkiuida  order 1204\n" in text
    assert "  buy  19  n15r6u-dhb7j56tc5p37ohcflvxkiuida  order 1204" in text


def test_a_reason_is_whole_and_what_to_type_stands_alone():
    reason = "cannot sell: the market is closed (BREAK) since 13:41:07. " * 2
    text = drawn(eth(state="degraded", reason=reason.strip(), next_step="naivectl why ETHUSDT dhb7j56t"))
    assert "\n    -> naivectl why ETHUSDT dhb7j56t\n" in text
    assert "\n    cannot sell: the market is closed" in text


def test_the_reason_of_a_trader_stands_beside_it_or_under_it():
    long = "the exchange refused the sell: Filter failure: PERCENT_PRICE_BY_SIDE; asked again in 12 s"
    text = drawn(eth(traders=[trader(1, "holding", 5, "2683", reason="too small")]))
    assert ["1", "holding", "-", "-", "-", "-", "5s", "too", "small"] in [
        each.split() for each in text.splitlines()
    ]
    text = drawn(eth(traders=[trader(1, "holding", 5, "2683", reason=long)]))
    assert "\n    the exchange refused the sell: Filter failure: PERCENT_PRICE_BY_SIDE; asked\n" in text


HOLDS = "1 holds 0.0744 ETH, to sell at 2,700.00 when the price rises by 0.60%"


@pytest.mark.parametrize(
    ("traders", "told"),
    [
        ([], "nothing"),
        ([trader(1, "waiting", 1)], "buys at the next trade"),
        ([trader(1, "buying", 1, "2690")], "1 buys 0.0745 ETH at 2,690.00 now"),
        (
            [trader(1, "holding", 1, "2600", "2700")],
            "1 holds 0.0744 ETH, to sell at 2,700.00 when the price rises by 0.60%",
        ),
    ],
)
def test_what_comes_next_is_said_in_words(traders, told):
    assert f"  next      {told}\n" in drawn(eth(traders=traders)).replace("\n            ", " ")


def test_an_order_of_which_is_asked_has_no_progress():
    asked = trader(1, "buying", 1, buy=None)
    asked["buy"] = screens.order("2683", "unknown")
    assert "     ?     1s  its fate is asked" in drawn(eth(traders=[asked]))


def test_without_a_price_there_is_a_ladder_all_the_same():
    text = drawn(eth(last_price=None, last_trade_at=None), directions="")
    assert "  next      18 sells 0.0744 ETH at 2,689.45;\n            19 buys 0.0745 ETH at 2,683.53\n" in text
    assert "  17      selling  2,711.00     -" in text
    assert "last price" not in text


def test_a_symbol_explains_itself_in_the_live_view():
    board, view = screens.board(eth()), View("ETHUSDT")
    view.key("x")
    assert view.wants() == {"explain": {"symbols": ["ETHUSDT"]}}
    assert "  ..." in text_of(view.frame(board, NOW, 80, 24))
    buys = {"may": False, "text": "no: all 5 chunks have bought; one that sells makes room"}
    sells = {"trader": "ETHUSDT-17", "text": "sells 0.0744 ETH at 2711 (+1.01%)"}
    facts = {"symbol": "ETHUSDT", "status": "on", "state": "trading", "reason": None, "next_step": None}
    view.learn("explain", {"v": 1, **facts, "buys": buys, "traders": [sells]})
    shown = text_of(view.frame(board, NOW, 50, 24))
    assert "\n  buys        no: all 5 chunks have bought; one\n              that sells makes room\n" in shown
    assert "\n  ETHUSDT-17  sells 0.0744 ETH at 2711 (+1.01%)\n" in shown
    view.key("x")
    assert "explain" not in view.wants()


def test_a_thousand_traders_are_scrolled():
    many = [trader(number, "selling", 5, "2600", f"{2700 + number}") for number in range(1000)]
    board = screens.board(eth(traders=many, chunks=1000))
    view = View("ETHUSDT")
    first = view.frame(board, NOW, 80, 24)
    view.key("end")
    view.frame(board, NOW, 80, 24)
    last = view.frame(board, NOW, 80, 24)
    assert len(first) == len(last) == 24
    assert text_of(first[:1]) == text_of(last[:1])
    assert " 0        selling" in text_of(last).replace("  ", " ") or "  0 " in text_of(last)
    view.key("home")
    assert text_of(view.frame(board, NOW, 80, 24)) == text_of(first)
    assert text_of(last[-1:]) == " up/down scroll  e events  o orders  x explain  ? help  q quit"
