"""`limits` on a terminal of 80 columns, and in a pipe."""

from naivectl.cells import width
from naivectl.limits import limits_screen
from naivectl.paint import Medium, text_of
from naivectl.render import limits_tables
from naivectl.table import plain
from tests.support import screens

HERE, NOW = Medium(), screens.NOW_SECONDS
NOTHING = dict.fromkeys(("max_exposure", "reserve", "max_daily_loss", "max_drawdown"))


def document(limits, now, falls=(), **more):
    known = {
        **{"exposure": "1199.9", "free_quote": "97200", "loss_today": "12.4", "drawdown": "13", "peak": "1.5"},
        **{"value": "-11.5", "currency": "USDT", "doubtful": []},
        **now,
    }
    worst = {
        "currency": "USDT",
        "falls": [
            {"fall": fall, "tied_up": tied, "loss": loss, "stopped_by": by} for fall, tied, loss, by in falls
        ],
        "unpriced": more.pop("unpriced", []),
    }
    found = {"v": 1, "limits": {**NOTHING, **limits}, "now": known, "worst": worst, "halt": None, "changed": False}
    found["warnings"] = []
    return {**found, **more}


FALLS = [
    ("0.1", "1398.0711151", "136.15173381", []),
    ("0.3", "2000", "416.578", ["max-exposure"]),
    ("0.5", "2000", "697.004", ["max-exposure", "max-daily-loss"]),
]
SET = {"max_exposure": "2000", "reserve": "500", "max_daily_loss": "100"}


def screen(document, columns=80):
    lines = limits_screen(HERE, document, NOW, columns)
    text = text_of(lines)
    assert max(map(width, text.splitlines())) <= columns
    return text


def test_each_limit_has_how_much_room_it_leaves_and_a_fall_what_it_ties_up_and_loses():
    assert (
        screen(document(SET, {}, FALLS))
        == """
Limits of the account, in USDT.
LIMIT                SET        NOW       ROOM
max-exposure    2,000.00   1,199.90     800.10  held at cost + live buys
reserve           500.00  97,200.00  96,700.00  free money
max-daily-loss    100.00      12.40      87.60  since 00:00 UTC
max-drawdown     not set      13.00          -  since the peak +1.50
At max-daily-loss nothing is bought until 00:00 UTC, at max-drawdown until a
resume. Sells go on.

If all prices fell together, as every symbol is set now:
ALL FALL BY   TIED UP    LOST  STOPPED BY
        10%  1,398.07  136.15
        30%  2,000.00  416.58  max-exposure
        50%  2,000.00  697.00  max-exposure, max-daily-loss
LOST is what selling everything then would lose. Without a stop-loss naived
holds it.
""".strip()
    )


def test_what_is_halted_in_doubt_or_not_counted_is_said_with_what_to_type():
    halt = {"reason": "its trading lost 101 USDT", "by": "limit", "since": screens.ago(120)}
    doubtful = [{"symbol": "ETHUSDT", "reason": "no trade of it for more than a minute"}]
    text = screen(document(SET, {"doubtful": doubtful}, halt=halt, unpriced=["AAAUSDT"]))
    assert "~ HALTED by limit 2m ago: its trading lost 101 USDT. Nothing is bought, sells go on." in text.replace(
        "\n    ", " "
    )
    assert "    -> naivectl resume\n" in text
    assert "ETHUSDT neither trips nor releases a limit now: no trade of it for more" in text
    assert "Not counted in full, as no price or no rules are known: AAAUSDT." in text


def test_without_limits_it_shows_how_to_set_them_and_what_is_not_known_is_a_dash():
    unknown = dict.fromkeys(("exposure", "free_quote", "loss_today", "drawdown", "peak", "value"))
    text = screen(document({}, unknown))
    assert "max-exposure    not set    -     -  held at cost + live buys" in text
    assert text.endswith("-> naivectl limits --max-exposure 2000 --max-daily-loss 100")


def test_large_amounts_leave_out_what_they_are_before_they_are_cut():
    large = dict.fromkeys(("exposure", "free_quote", "loss_today", "drawdown", "peak"), "123456789012.12")
    text = screen(document(dict.fromkeys(NOTHING, "987654321098.98"), large))
    assert "held at cost" not in text
    assert "123,456,789,012.12" in text


def test_in_a_pipe_they_are_columns_with_all_digits():
    told = "\n\n".join(plain(each) for each in limits_tables(document(SET, {}, FALLS)))
    assert "max-daily-loss       100    12.4   87.6" in told
    assert "0.5          2000       697.004  max-exposure, max-daily-loss" in told
