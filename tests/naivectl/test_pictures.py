"""Whole screens as they must look. The number beside each is the most display columns of a line."""

import pytest

from naivectl.cells import width
from naivectl.header import Moment
from naivectl.listing import status_screen
from naivectl.paint import Medium, text_of
from naivectl.view import View
from tests.support import screens

NOW = Moment(screens.NOW_SECONDS)


def same(drawn: str, picture: str, columns: int) -> None:
    expected = picture.strip("\n")
    assert drawn == expected
    assert max(map(width, drawn.splitlines())) <= columns


def below(drawn: str) -> str:
    """The screen without what stands above the list."""
    return drawn.partition("\n\n")[2]


def status(board, columns, moment=NOW):
    return text_of(status_screen(board, moment, columns))


def live(board, columns, lines, *keys, moment=NOW):
    view = View()
    for key in ("redraw", *keys):
        view.frame(board, moment, columns, lines)
        view.key(key)
    drawn = view.frame(board, moment, columns, lines)
    assert len(drawn) == lines
    return text_of(drawn)


def test_status_has_problems_first_with_their_whole_reasons():
    board = screens.board(*screens.ten(), directions="▴ ▾▴▾▴ ▴  ")
    same(
        status(board, 80),
        """
naived 0.2.0  paper, up  sqlite  3d 4h                   as of now  14:03:27 UTC
wrong 2  waiting 1  trading 5  draining 1  off 1

  SYMBOL        STATE       TRADERS      PRICE   AGE     NEXT    TODAY    PROFIT
! ARBUSDT       quarantined !S...       0.7312▴ 0.9s B -0.16%     0.00     +4.12
    buy 7fh2mjs4 may rest at the exchange or not: it did not answer until
    14:01:23.
    -> naivectl why ARBUSDT 7fh2mjs4     then: naivectl resolve, see there
! DOGEUSDT      degraded    !....      0.18413   23m S +4.33%     0.00     +3.21
    cannot sell: the market is closed (BREAK) since 13:41:07. 1,085 DOGE held
    (199.80 USDT). Asked again every minute; nothing to do.
~ XRPUSDT       trading     WSS..       2.2134▾ 0.4s S +0.30%    +0.41    +22.90
    waits for 200.00 USDT: 12.05 are free above the reserve. A sell that fills,
    or a deposit, ends it.
  BTCUSDT       trading     BSS..    97,123.45▴ 0.2s B -0.01%    +4.12 +1,118.04
  ETHUSDT       trading     WBSS.     2,683.80▾ 0.4s B -0.01%    +1.20    +61.77
  SOLUSDT       trading     W....       168.32▴ 0.1s     wait     0.00     +9.30
  BTTCUSDT      trading     B....   0.00000052   12s B -1.92%     0.00     -0.00
  币安人生USDT  trading     BS...       0.1873▴ 1.2s B -0.05%    +0.20     +1.02
  BNBUSDT       draining    S            612.4  0.6s S +0.18%     0.00    +11.73
  LINKUSDT      off                      13.91    2d        -     0.00     +2.40
  total USDT    held 1,999.53  tied up 799.72                    +5.93 +1,234.49
""",
        80,
    )


def twenty_columns():
    return (
        screens.symbol(
            "1000000MOGCOINUSDT20",
            "trading",
            "B",
            **{"quote": "USDT", "last_price": "0.00000052", "tick": "0.00000001", "age": 12.0, "buy": "0.00000051"},
            **{"realized_profit": "-0.00000001", "unrealized_profit": "-0.001", "held_cost": "9800000"},
            **{"tied_up": "1200000", "base": "1000000MOGCOIN20", "held": "9800000000000", "cycles": 1},
        ),
        screens.symbol(
            "币安人生USDT",
            "trading",
            "BS",
            **{"last_price": "0.1873", "tick": "0.0001", "age": 1.2, "buy": "0.1872", "sell": "0.189"},
            **{"realized_profit": "1.02", "profit_today": "0.2", "held_cost": "199.9", "tied_up": "199.9"},
        ),
    )


def test_a_long_symbol_takes_the_place_of_the_next_order():
    same(
        below(status(screens.board(*twenty_columns(), directions=" ▴"), 80)),
        """
  SYMBOL                STATE    TRADERS       PRICE    AGE     TODAY     PROFIT
  1000000MOGCOINUSDT20  trading  B....    0.00000052    12s      0.00      -0.00
  币安人生USDT          trading  BS...        0.1873▴  1.2s     +0.20      +1.02
  total USDT            held 9,800,199.90  tied up 1,200,199.90 +0.20      +1.02
""",
        80,
    )


def second_quote():
    doge, btc, eth, btt, bian, link = (
        next(each for each in screens.ten() if each["symbol"] == name)
        for name in ("DOGEUSDT", "BTCUSDT", "ETHUSDT", "BTTCUSDT", "币安人生USDT", "LINKUSDT")
    )
    pepe = screens.symbol(
        "PEPEUSDT",
        "trading",
        "BS",
        **{"last_price": "0.00000814", "tick": "0.00000001", "age": 3.1, "buy": "0.00000813", "sell": "0.0000083"},
        **{"realized_profit": "0.33673208", "profit_today": "0.33673208", "unrealized_profit": "-0.0001"},
        **{"held_cost": "199.99", "tied_up": "199.99"},
    )
    ethbtc = screens.symbol(
        "ETHBTC",
        "trading",
        "BS",
        **{"last_price": "0.02763", "tick": "0.00001", "age": 2.2, "buy": "0.02761", "sell": "0.02769"},
        **{"budget": "0.1", "realized_profit": "0.000187", "profit_today": "0.000004"},
        **{"unrealized_profit": "-0.00000001", "held_cost": "0.01998", "tied_up": "0.0199"},
    )
    doge["unrealized_profit"], btc["unrealized_profit"], eth["unrealized_profit"] = "-0.01", "1.11", "-1.39"
    bian["unrealized_profit"] = "0.03"
    return doge, btc, eth, pepe, btt, bian, ethbtc, link


def test_a_wide_terminal_has_more_columns_and_each_quote_its_total():
    drawn = status(screens.board(*second_quote(), directions=" ▴▾▾ ▴▴ "), 120)
    same(
        below(drawn),
        """
  SYMBOL        STATE     TRADERS      PRICE   AGE NEXT BUY NEXT SELL     TODAY    PROFIT UNREALISED HELD COST   TIED UP
! DOGEUSDT      degraded  !....      0.18413   23m        -    +4.33%      0.00     +3.21      -0.01    199.80      0.00
    cannot sell: the market is closed (BREAK) since 13:41:07. 1,085 DOGE held (199.80 USDT). Asked again every minute;
    nothing to do.
  BTCUSDT       trading   BSS..    97,123.45▴ 0.2s   -0.01%    +0.24%     +4.12 +1,118.04      +1.11    399.61    199.90
  ETHUSDT       trading   WBSS.     2,683.80▾ 0.4s   -0.01%    +0.21%     +1.20    +61.77      -1.39    401.14    199.92
  PEPEUSDT      trading   BS...   0.00000814▾ 3.1s   -0.12%    +1.97%     +0.34     +0.34      -0.00    199.99    199.99
  BTTCUSDT      trading   B....   0.00000052   12s   -1.92%         -      0.00     -0.00       0.00      0.00    200.00
  币安人生USDT  trading   BS...       0.1873▴ 1.2s   -0.05%    +0.91%     +0.20     +1.02      +0.03    199.90    199.90
  ETHBTC        trading   BS...      0.02763▴ 2.2s   -0.07%    +0.22% +0.000004 +0.000187  -0.000000  0.019980  0.019900
  LINKUSDT      off                    13.91    2d        -         -      0.00     +2.40       0.00      0.00      0.00
  total USDT                                                              +5.86 +1,186.78      -0.26  1,400.44    999.71
  total BTC                                                           +0.000004 +0.000187  -0.000000  0.019980  0.019900
""",  # noqa: E501 - a picture of 120 columns
        120,
    )


def test_all_columns_of_coins_by_the_trillion_fit_200():
    btc = next(each for each in screens.ten() if each["symbol"] == "BTCUSDT")
    btc |= {"unrealized_profit": "1.11", "cycles": 588, "held": "0.00413"}
    mog = {**twenty_columns()[0], "budget": "50000000"}
    drawn = status(screens.board(btc, mog, directions="▴ "), 200)
    same(
        below(drawn),
        """
  SYMBOL                STATE    TRADERS       PRICE    AGE  NEXT BUY NEXT SELL    TODAY    PROFIT UNREALISED    HELD COST      TIED UP CYCLES                               HELD        BUDGET STATUS
  BTCUSDT               trading  BSS..     97,123.45▴  0.2s    -0.01%    +0.24%    +4.12 +1,118.04      +1.11       399.61       199.90    588                        0.00413 BTC      1,000.00 on
  1000000MOGCOINUSDT20  trading  B....    0.00000052    12s    -1.92%         -     0.00     -0.00      -0.00 9,800,000.00 1,200,000.00      1 9,800,000,000,000 1000000MOGCOIN20 50,000,000.00 on
  total USDT                                                                       +4.12 +1,118.04      +1.11 9,800,399.61 1,200,199.90    589                                    50,001,000.00
""",  # noqa: E501 - a picture of 200 columns
        200,
    )


def test_without_symbols_it_says_what_to_do_first():
    started = screens.ago(4)
    same(
        status(screens.board(exchange="simulator", started_at=started), 80),
        """
naived 0.2.0  simulator, up  sqlite  4s                  as of now  14:03:27 UTC
No symbols yet. Begin with:
    -> naivectl start ETHUSDT --dry-run     what it would do; nothing is changed
    -> naivectl start ETHUSDT               trade, with play money
""",
        80,
    )


def test_what_is_wrong_with_the_whole_stands_above_the_list():
    halt = {
        "reason": "lost 251.30 of 250.00 USDT today",
        "by": "limit",
        "since": screens.ago(41 * 60),
    }
    reason = "the exchange does not answer; nothing is sent. Asked again in 5 s; nothing to do."
    board = screens.board(state="degraded", reason=reason, exchange_state="down", halt=halt)
    same(
        "\n".join(status(board, 80).splitlines()[1:6]),
        """
! naived is degraded: the exchange does not answer; nothing is sent. Asked again
    in 5 s; nothing to do.
~ HALTED by limit 41m ago: lost 251.30 of 250.00 USDT today. Nothing is bought,
    sells go on.
    -> naivectl resume
""",
        80,
    )


def test_real_money_is_said():
    assert "binance REAL MONEY, up" in status(screens.board(exchange="binance"), 80)


def test_a_starting_daemon_says_how_far_it_is():
    board = screens.board(state="starting", reason="3 of 14 symbols are reconciled")
    assert "~ naived is starting: 3 of 14 symbols are reconciled" in status(board, 80)


def test_neighbours_with_the_same_reason_share_one():
    away = "the exchange is away"
    rows = [screens.symbol(f"S{n}USDT", "degraded", reason=away, last_price=None) for n in range(14)]
    lines = status(screens.board(*rows), 80).splitlines()
    assert lines.count("    14 symbols: the exchange is away") == 1
    assert lines.index("    14 symbols: the exchange is away") == len(lines) - 2


def test_a_symbol_under_a_halt_is_halted_with_what_ends_it():
    halt = {"reason": "a look at the news", "by": "person", "since": screens.ago(120)}
    row = screens.symbol("ETHUSDT", "trading", "BS", halt=halt, last_price="1", buy="1", sell="2")
    text = status(screens.board(row), 80)
    assert "~ ETHUSDT     halted " in text
    assert "    halted by hand 2m ago: a look at the news.\n    -> naivectl resume ETHUSDT\n" in text
    assert "halted 1" in text


# The live view


def twenty_eight():
    """Those of the first picture, and others; the last one has what is missing to the totals."""
    others = [
        ("ADAUSDT", "WWW", "0.7421", "0.0001", 4.6, "", "1.38", "316.43"),
        ("APTUSDT", "W", "6.84", "0.01", 1.8, "", "-0.91", "709.67"),
        ("ATOMUSDT", "WBBBS", "5.903", "0.001", 3.1, "5.8983", "-0.4", "312.55"),
        ("AVAXUSDT", "BSS", "27.41", "0.01", 2.7, "27.3908", "0.27", "7.18"),
        ("BCHUSDT", "WB", "489.3", "0.1", 1.0, "488.9086", "0.52", "18.27"),
        ("DOTUSDT", "BS", "5.312", "0.001", 3.8, "5.3072", "-0.29", "799.92"),
        *((f"S{number}USDT", "W", "1", "0.01", 1.0, "", "0", "0") for number in range(11)),
    ]
    made = [
        screens.symbol(
            *(name, "trading", letters),
            **{"last_price": price, "tick": tick, "age": age, "buy": buy, "sell": "1000"},
            **{"profit_today": today, "realized_profit": profit},
        )
        for name, letters, price, tick, age, buy, today, profit in others
    ]
    missing = {"held_cost": "6993.36", "tied_up": "3598.29", "profit_today": "7.73", "realized_profit": "5284.05"}
    last = screens.symbol("ZECUSDT", "trading", "W", last_price="1", tick="0.01", **missing)
    return [*screens.ten(), *made, last]


UP_AND_DOWN = "▴ ▾▴▾▴ ▴  " + "▾ ▾▴ ▾" + " " * 12


def test_the_live_view_fills_80_by_24():
    board = screens.board(*twenty_eight(), directions=UP_AND_DOWN)
    same(
        live(board, 80, 24, *["down"] * 4),
        """
naived 0.2.0  paper, up  sqlite  3d 4h                   as of now  14:03:27 UTC
wrong 2  waiting 1  trading 23  draining 1  off 1
  SYMBOL        STATE       TRADERS      PRICE   AGE     NEXT    TODAY    PROFIT
! ARBUSDT       quarantined !S...       0.7312▴ 0.9s B -0.16%     0.00     +4.12
    buy 7fh2mjs4 may rest at the exchange or not: it did not answer until
    14:01:23.
    -> naivectl why ARBUSDT 7fh2mjs4     then: naivectl resolve, see there
! DOGEUSDT      degraded    !....      0.18413   23m S +4.33%     0.00     +3.21
    cannot sell: the market is closed (BREAK) since 13:41:07. 1,085 DOGE held
    (199.80 USDT). Asked again every minute; nothing to do.
~ XRPUSDT       trading     WSS..       2.2134▾ 0.4s S +0.30%    +0.41    +22.90
    waits for 200.00 USDT: 12.05 are free above the reserve. A sell that fills,
    or a deposit, ends it.
  ADAUSDT       trading     WWW..       0.7421▾ 4.6s     wait    +1.38   +316.43
 >APTUSDT       trading     W....         6.84  1.8s     wait    -0.91   +709.67
  ATOMUSDT      trading     WBBBS        5.903▾ 3.1s B -0.08%    -0.40   +312.55
  AVAXUSDT      trading     BSS..        27.41▴ 2.7s B -0.07%    +0.27     +7.18
  BCHUSDT       trading     WB...        489.3  1.0s B -0.08%    +0.52    +18.27
  BNBUSDT       draining    S            612.4  0.6s S +0.18%     0.00    +11.73
  BTCUSDT       trading     BSS..    97,123.45▴ 0.2s B -0.01%    +4.12 +1,118.04
  BTTCUSDT      trading     B....   0.00000052   12s B -1.92%     0.00     -0.00
  DOTUSDT       trading     BS...        5.312▾ 3.8s B -0.09%    -0.29   +799.92
  total USDT    held 8,992.89  tied up 4,398.01                 +14.23 +8,682.56
 Enter open  s sort: symbol  r reverse  / filter  ? help  q quit      1-12 of 28
""",
        80,
    )


@pytest.mark.parametrize(("moment", "dim"), [((9.9,), False), ((10.0,), True), ((1.0, 1.0), True)])
def test_what_is_old_is_dim(moment, dim):
    board, view = screens.board(*screens.ten()), View()
    now = Moment(screens.NOW_SECONDS, *moment)
    of_the_list = view.frame(board, now, 80, 24)[10]
    view.key("enter")
    of_the_symbol = view.frame(board, now, 80, 24)[7]
    for line in (of_the_list, of_the_symbol):
        assert line
        assert all(style == "past" for _, style in line) is dim


@pytest.mark.parametrize(
    ("age", "gone", "told"),
    [
        (1.9, None, "                   as of now  14:03:27 UTC"),
        (3.2, None, "               as of 3 s ago  14:03:27 UTC"),
        (12.0, None, "            ! as of 12 s ago  14:03:27 UTC"),
    ],
)
def test_the_age_of_what_is_shown_is_said(age, gone, told):
    first = status(screens.board(*screens.ten()), 80, Moment(screens.NOW_SECONDS, age, gone)).splitlines()[0]
    assert first == f"naived 0.2.0  paper, up  sqlite  3d 4h{told}"


def test_a_daemon_that_has_ended_is_waited_for():
    drawn = live(screens.board(*screens.ten()), 80, 24, moment=Moment(screens.NOW_SECONDS, 48.5, 48.2))
    same(
        "\n".join(drawn.splitlines()[2:4]),
        """
! naived has ended; waiting for it, 48 s. What is shown was so at 14:02:38 UTC.
    -> naived        (or: systemctl --user start naived)
""",
        80,
    )


def test_a_daemon_that_does_not_answer_is_told_with_what_to_do():
    drawn = live(screens.board(*screens.ten()), 80, 24, moment=Moment(screens.NOW_SECONDS, 12.0))
    same(
        "\n".join(drawn.splitlines()[2:5]),
        """
! naived does not answer: it hangs, or its machine is busy. What is shown was so
    at 14:03:15 UTC.
    -> naivectl ping     says which process it is
""",
        80,
    )


LAST_LINES = [
    ([], 80, " Enter open  s sort: symbol  r reverse  / filter  ? help  q quit      1-12 of 28"),
    (["s", "s", "r"], 80, " Enter open  s sort: profit, reversed  r reverse  / filter  ? help  q quit  1-12"),
    (["/", *"btc"], 80, " /btc_   1 of 28 symbols, 3 problems hidden   Enter keep  Esc clear"),
    (["/", *"btc", "enter"], 80, " filter: btc, 3 problems hidden  Esc clear  Enter open  ? help  q quit  1-1"),
    (["/", *"s", "enter"], 80, " filter: s  Esc clear  Enter open  s sort  ? help  q quit      1-12 of 28 (28)"),
    (["/", *"xyz"], 80, ' no symbol has "xyz" in it, 3 problems hidden   Esc clear'),
    (["/", *"xyz", "esc"], 80, " Enter open  s sort: symbol  r reverse  / filter  ? help  q quit      1-12 of 28"),
    (["?"], 80, " any key goes back"),
    ([], 60, " Enter open  s sort: symbol  r reverse  ? help  q quit  1-11"),
    ([], 40, " Enter open  ? help  q quit   1-8 of 28"),
]


@pytest.mark.parametrize(("keys", "columns", "line"), LAST_LINES)
def test_the_last_line_says_which_keys_work(keys, columns, line):
    last = live(screens.board(*twenty_eight()), columns, 24, *keys).splitlines()[-1]
    assert last.split() == line.split()
    assert width(last) <= columns


def test_help_explains_keys_and_characters():
    drawn = live(screens.board(*twenty_eight()), 80, 24, "?")
    assert "  W waits  B buys  H holds  S sells  ? being asked  ! yours to decide  . free" in drawn
    assert max(map(width, drawn.splitlines())) <= 80


@pytest.mark.parametrize(("columns", "lines"), [(40, 8), (41, 9), (80, 24), (120, 40), (200, 50), (500, 100)])
def test_no_line_is_wider_than_the_terminal(columns, lines):
    for board in (
        screens.board(*screens.ten()),
        screens.board(*second_quote()),
        screens.board(*twenty_columns()),
        screens.board(),
    ):
        for keys in ([], ["end"], ["enter"], ["?"], ["/", "x"]):
            drawn = live(board, columns, lines, *keys)
            assert max(map(width, drawn.splitlines())) <= columns


def test_a_terminal_that_is_too_small_is_told():
    assert live(screens.board(*screens.ten()), 39, 24).strip() == "too small: 40 x 8 at least"
    assert live(screens.board(*screens.ten()), 80, 7).strip() == "too small: 40 x 8 at least"


def test_without_utf_8_there_is_nothing_but_ascii():
    ascii_only = Medium(encoding="ascii")
    text = status(screens.board(*screens.ten(), directions="▴ ▾▴▾▴ ▴  ", medium=ascii_only), 80)
    assert text.isascii()
    assert "97,123.45^" in text
    assert "2.2134v" in text
    assert max(map(len, text.splitlines())) <= 80
