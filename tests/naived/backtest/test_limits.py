"""The account's limits in a backtest: by hand, and as in the daemon."""

from naived.backtest import documents, point
from naived.backtest.figures import rows
from naived.backtest.result import Result
from naived.backtest.run import backtest
from naived.control.protocol import format_time
from naived.core.amount import format_amount, parse_money, parse_price
from naived.core.orders.intent import Side
from naived.core.orders.state import State
from naived.core.risk import Limits
from naived.core.strategy.day import DAY
from tests.support.tape import BEGAN, setup, tape

MIDNIGHT = (BEGAN // DAY + 1) * DAY
SETTINGS = {"chunks": 3, "budget": parse_money("600"), "rebuy": "0.05", "reprice": "0", "max_deviation": "0"}


def run(*trades: tuple[str, int], **limits: str) -> Result:
    """Trades as price and seconds since the beginning."""
    prices, times = [parse_price(price) for price, _ in trades], [BEGAN + second * 1_000 for _, second in trades]
    of = Limits(**{name: parse_money(limit) for name, limit in limits.items()})
    return backtest(tape(prices, times), setup(fee="0", limits=of, **SETTINGS))


def buys(found: Result) -> list[State]:
    return [order.state for order in found.orders if order.intent.side is Side.BUY]


FALL = (("2000", 0), ("1990", 10), ("1890", 20), ("1880", 30), ("1790", 40), ("1780", 50))


def test_without_limits_three_traders_buy() -> None:
    assert buys(run(*FALL)) == [State.FILLED] * 3


def test_exposure_and_reserve_leave_room_for_as_many_as_they_say() -> None:
    for limits in ({"max_exposure": "450"}, {"reserve": "150"}):
        found = run(*FALL, **limits)
        assert buys(found) == [State.FILLED] * 2
        assert found.max_tied_up <= parse_money("450")
        assert found.halts == ()


def test_a_loss_of_the_day_halts_until_midnight() -> None:
    night = (MIDNIGHT - BEGAN) // 1_000
    found = run(*FALL[:2], ("1800", 30), ("1700", 40), ("1700", night), ("1690", night + 10), max_daily_loss="15")
    assert buys(found) == [State.FILLED] * 2
    (halt, *_) = found.halts
    assert (halt.since, halt.until) == (BEGAN + 30_000, MIDNIGHT)
    assert "lost 19.98 USDT of at most 15 since 00:00 UTC (max-daily-loss)" in halt.reason
    first, *later = (order.created_at for order in found.orders if order.intent.side is Side.BUY)
    assert first < halt.since
    assert all(at < halt.since or at >= MIDNIGHT for at in later)
    assert any(at >= MIDNIGHT for at in later), "what was lost yesterday is no loss of today"


def test_what_fell_before_midnight_is_no_loss_of_the_new_day_though_nobody_looked_at_it() -> None:
    night = (MIDNIGHT - BEGAN) // 1_000
    fall = (*FALL[:2], ("1950", 20), ("1949", night + 1), ("1880", night + 2))
    assert run(*fall, max_daily_loss="8").halts == ()
    (halt,) = run(*fall, ("1869", night + 3), max_daily_loss="8").halts
    assert halt.since == MIDNIGHT + 3_000


def test_a_stop_loss_halts_the_symbol_to_the_end_and_is_told() -> None:
    again = ("2000", 90_000), ("1990", 100_000), ("1900", 200_000)
    prices = [parse_price(price) for price, _ in (*FALL, *again)]
    times = [BEGAN + second * 1_000 for _, second in (*FALL, *again)]
    of = setup(fee="0", **{**SETTINGS, "stop_loss": "0.02"})
    found = backtest(tape(prices, times), of)
    assert buys(found) == [State.FILLED]
    (halt,) = found.halts
    assert (halt.since, halt.until, found.ended_by) == (BEGAN + 20_000, None, halt)
    assert halt.reason.startswith("the stop-loss of ")
    told = documents.summary(found)["halts"]
    assert told == [{"at": format_time(halt.since), "reason": halt.reason}]
    (row,) = [row for row in rows(found, format_amount) if row.name == "halts"]
    assert row.amount == "1"
    assert "nothing is bought from 20" in row.note
    outcome = point.run((tape(prices, times), tape(prices, times)), of.settings, point.Terms(of.rules, of.fee, 0))
    why = f"halted at {format_time(halt.since)}: {halt.reason.partition(':')[0]}"
    assert outcome.reason == f"{why}; out of sample: {why}"
    assert outcome.in_sample is not None
    assert outcome.out_of_sample is not None


def test_a_halt_takes_resting_buys_back() -> None:
    found = run(*FALL[:2], ("1890", 20), ("1889.85", 30), ("1880", 40), max_drawdown="10.99")
    assert buys(found) == [State.FILLED, State.CANCELLED]


def test_a_drawdown_halts_for_good_and_sells_go_on() -> None:
    found = run(*FALL[:2], ("1800", 20), ("1700", 30), ("2100", 40), ("1700", 100_000), max_drawdown="15")
    assert buys(found) == [State.FILLED]
    assert len(found.cycles) == 1
    (halt,) = found.halts
    assert (halt.since, halt.until) == (BEGAN + 20_000, None)


def test_a_bad_print_reaches_no_limit() -> None:
    prices = [parse_price(price) for price in ("2000", "1990", "900", "1990", "1990")]
    times = [BEGAN + number * 1_000 for number in range(5)]
    wanted = setup(fee="0", limits=Limits(max_drawdown=parse_money("15")), **{**SETTINGS, "max_deviation": "0.1"})
    assert backtest(tape(prices, times), wanted).halts == ()
