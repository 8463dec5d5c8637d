"""`orders`, `trades`, `events` and `settings` on a terminal of 80 columns."""

from naivectl.cells import width
from naivectl.history import event_lines, order_lines, trade_lines
from naivectl.paint import Medium, text_of
from naivectl.rates import settings_grid, settings_screen
from tests.support import screens

HERE, NOW = Medium(), screens.NOW_SECONDS
FACTS = {
    "BTCUSDT": {"tick": "0.01", "quote": "USDT", "budget": "1000"},
    "1000MOGUSDT": {"tick": "0.00000001", "quote": "USDT", "budget": "1000"},
    "币安人生USDT": {"tick": "0.0001", "quote": "USDT", "budget": "1000"},
    "APTUSDT": {"tick": "0.01", "quote": "USDT", "budget": "1000"},
    "PEPEUSDT": {"tick": "0.00000001", "quote": "USDT", "budget": "1000"},
    "BTTCUSDT": {"tick": "0.00000001", "quote": "USDT", "budget": "1000", "last_price": "0.00000052"},
}


def same(lines, picture, columns=80):
    text = text_of(lines)
    assert text == picture.strip("\n")
    assert max(map(width, text.splitlines())) <= columns


def order(trader, side, price, quantity, executed, state, name, age):
    return {
        **{
            "symbol": trader.rpartition("-")[0],
            "trader": trader,
            "side": side,
            "price": price,
            "quantity": quantity,
        },
        **{"executed": executed, "state": state, "client_order_id": f"n15r6u-{name}c5p37ohcflvxkiuida"},
        **{"created_at": screens.ago(age), "fence_at": screens.ago(age - 60)},
    }


ORDERS = [
    order("BTCUSDT-41", "sell", "97356.12", "0.00207", "0", "open", "dhb7j56t", 9 * 3600),
    order("1000MOGUSDT-1", "buy", "0.00000052", "384615384615", "384615384615", "filled", "5n4wiew3", 41 * 60),
    order("币安人生USDT-7", "buy", "0.1872", "1068", "400", "partially_filled", "xstg2kjz", 12),
    order("APTUSDT-9", "buy", "6.83", "29.28", "0", "unknown", "q7wm2xkd", 4),
]


def test_orders_have_one_line_and_the_uncertain_ones_say_until_when():
    same(
        order_lines(HERE, ORDERS, FACTS, NOW, 80),
        """
AGE TRADER         SIDE      PRICE        QUANTITY DONE STATE       ID
 9h BTCUSDT-41     sell  97,356.12         0.00207   0% open        dhb7j56t
41m 1000MOGUSDT-1  buy  0.00000052 384,615,384,615 100% filled      5n4wiew3
12s 币安人生USDT-7 buy      0.1872           1,068  37% part filled xstg2kjz
 4s APTUSDT-9      buy        6.83           29.28    ? unknown     q7wm2xkd
    asked since 14:03:23; after 14:04:23 it cannot be placed any more
""",
    )


def test_a_quantity_that_leaves_no_room_goes_before_the_id():
    wide = {**ORDERS[1], "quantity": "123456789012345678"}
    lines = text_of(order_lines(HERE, [wide], FACTS, NOW, 60)).splitlines()
    assert "QUANTITY" not in lines[0]
    assert lines[1].endswith("5n4wiew3")


def trade(trader, bought, sold, profit, ended, took, fees):
    return {
        **{"symbol": trader.rpartition("-")[0], "trader": trader, "buy_price": bought, "sell_price": sold},
        **{"profit": profit, "finished_at": screens.ago(ended), "started_at": screens.ago(ended + took)},
        **{"fees": fees, "fees_valued": "0"},
    }


def test_trades_have_one_total_a_quote():
    trades = [
        trade("PEPEUSDT-1", "0.00000813", "0.00000816", "0.33673208", 130, 130, {"USDT": "0.2", "PEPE": "24600"}),
        trade("BTCUSDT-40", "95966.78", "96255.17", "0.2", 41 * 60, 4 * 3600, {"USDT": "0.4"}),
        trade("BTTCUSDT-1", "0.00000052", "0.00000053", "3.44", 3 * 3600 + 60, 12.1 * 86400, {"USDT": "0.4"}),
    ]
    same(
        trade_lines(HERE, trades, FACTS, NOW, 80),
        """
ENDED  TRADER          BOUGHT        SOLD  TOOK  PROFIT  FEES
   2m  PEPEUSDT-1  0.00000813  0.00000816    2m   +0.34  0.40
  41m  BTCUSDT-40   95,966.78   96,255.17    4h   +0.20  0.40
   3h  BTTCUSDT-1  0.00000052  0.00000053   12d   +3.44  0.40
       total USDT    3 cycles                     +3.98  1.20
""",
    )


def test_a_fee_whose_value_is_not_known_is_not_added_up():
    unknown = {**trade("BTCUSDT-1", "1", "2", "1", 1, 1, {"BNB": "0.1"}), "fees_valued": None}
    known = {**unknown, "fees_valued": "0.75"}
    assert text_of(trade_lines(HERE, [unknown, known], FACTS, NOW, 80)).split()[-1] == "-"
    assert text_of(trade_lines(HERE, [known], FACTS, NOW, 80)).split()[-1] == "0.75"


def test_the_quote_of_a_forgotten_symbol_is_read_from_its_fees():
    lines = text_of(trade_lines(HERE, [trade("XYZEUR-1", "1", "2", "1", 1, 1, {"EUR": "0.1"})], {}, NOW, 80))
    assert "total EUR" in lines


def event(at, symbol, kind, message, **more):
    return {"at": f"2026-11-28T{at}.000Z", "symbol": symbol, "kind": kind, "message": message, **more}


def test_events_are_wrapped_under_themselves():
    events = [
        event("14:00:23", "ARBUSDT", "unknown", "buy 7fh2mjs4 of 2: no answer within 5 s; asked until 14:01:23"),
        event(
            *("14:01:24", "ARBUSDT", "quarantined", "buy 7fh2mjs4 of 2: its fate is not known"),
            next_step="naivectl why ARBUSDT 7fh2mjs4",
        ),
        event("14:01:32", "BNBUSDT", "wish", "shutdown, by naivectl (uid 1000)"),
        event("14:02:54", "PEPEUSDT", "finished", "1: profit +0.33673208 USDT"),
    ]
    same(
        event_lines(HERE, events, 80, symbols=True),
        """
-- 2026-11-28 UTC
14:00:23  ARBUSDT   unknown      buy 7fh2mjs4 of 2: no answer within 5 s; asked
                                 until 14:01:23
14:01:24  ARBUSDT   quarantined  buy 7fh2mjs4 of 2: its fate is not known
                                 -> naivectl why ARBUSDT 7fh2mjs4
14:01:32  BNBUSDT   wish         shutdown, by naivectl (uid 1000)
14:02:54  PEPEUSDT  finished     1: profit +0.33673208 USDT
""",
    )


def test_each_day_begins_with_its_date():
    events = [
        event("23:59:59", "A", "x", "before"),
        {**event("", "A", "x", "after"), "at": "2026-11-29T00:00:00.000Z"},
    ]
    assert [line for line in text_of(event_lines(HERE, events, 80, symbols=True)).splitlines() if "--" in line] == [
        "-- 2026-11-28 UTC",
        "-- 2026-11-29 UTC",
    ]


SETTINGS = {
    **{"chunks": 5, "budget": "1000", "buy_down": "0.0001", "profit": "0.001", "rebuy": "0.006", "reprice": "0.01"},
    **{
        "max_deviation": "0.1",
        "spacing": "0",
        "floor": None,
        "ceiling": None,
        "fall_guard": None,
        "stop_loss": "0",
    },
}


def test_settings_of_all_are_a_table():
    mog = {**SETTINGS, "chunks": 1000, "budget": "50000000", "profit": "0.0025", "rebuy": "0.125", "reprice": "0"}
    results = [
        {"symbol": "ETHUSDT", "status": "on", "settings": SETTINGS},
        {"symbol": "1000000MOGCOINUSDT20", "status": "shutdown", "settings": mog},
    ]
    facts = {
        "ETHUSDT": {"quote": "USDT", "budget": "1000"},
        "1000000MOGCOINUSDT20": {"quote": "USDT", "budget": "50000000"},
    }
    same(
        settings_grid(HERE, results, facts, 80),
        """
SYMBOL               STATUS   CHUNKS        BUDGET BUY-DOWN PROFIT REBUY REPRICE
ETHUSDT              on            5      1,000.00    0.01%   0.1%  0.6%      1%
1000000MOGCOINUSDT20 shutdown   1000 50,000,000.00    0.01%  0.25% 12.5%     off
""",
    )


def test_settings_of_one_say_what_each_does_and_warn():
    result = {"symbol": "BTTCUSDT", "status": "on", "settings": SETTINGS}
    same(
        settings_screen(HERE, result, FACTS["BTTCUSDT"], 80),
        """
BTTCUSDT is on. What stands above the line, running traders keep as it was.
  budget         1,000 USDT   at most tied up; 200.00 a trader
  chunks         5            traders at most
  buy-down       0.01%        a buy is this far below the price
  profit         0.1%         one cycle earns about 0.20 after fees
  rebuy          0.6%         the next trader joins this far below a buy
  reprice        1%           a buy is placed anew when this far behind
  ------------
  max-deviation  10%          a trade further away has to be confirmed
  spacing, floor, ceiling, fall-guard, stop-loss: not set
~ rebuy 0.6% is less than one tick (1.92%): traders stand one tick apart
""",
    )


def test_settings_of_an_older_daemon_have_no_line():
    older = {name: SETTINGS[name] for name in ("chunks", "budget", "buy_down", "profit", "rebuy", "reprice")}
    text = text_of(settings_screen(HERE, {"symbol": "A", "status": "on", "settings": older}, {}, 80))
    assert "----" not in text
    assert "not set" not in text
