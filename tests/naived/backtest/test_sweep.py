"""One point, what a worker does with a batch, and the order of points."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from naived.backtest import documents, point, ranking, sweep
from naived.backtest.chosen import toml
from naived.backtest.grid import Axis, Grid
from naived.backtest.point import Figures, Outcome, Terms
from naived.backtest.rules import rules
from naived.backtest.run import backtest
from naived.backtest.sweep import SweepError
from naived.backtest.workers import Serial
from naived.core.amount import Money, parse_money, parse_price, parse_rate
from naived.core.risk import Limits
from naived.core.strategy.settings import Settings, SettingsError
from tests.support.sweeps import all_settings, file, grid, job, outcomes
from tests.support.tape import setup


@pytest.fixture
def trades(tmp_path: Path) -> Path:
    return file(tmp_path / "trades.csv")


def test_a_point_has_the_figures_of_a_backtest_of_each_part(trades: Path) -> None:
    given, (first, rest) = job(trades, None)
    settings = setup().settings
    outcome = point.run((first, rest), settings, given.terms)
    assert rest is not None
    for figures, part in ((outcome.in_sample, first), (outcome.out_of_sample, rest)):
        assert figures is not None
        result = backtest(part, setup())
        assert figures.score == result.profit + result.unrealized
        whole = documents.summary(result)
        assert figures.summary == {name: whole[name] for name in figures.summary}
        assert {"profit", "cycles", "max_drawdown", "buy_and_hold", "trades_scanned"} <= set(figures.summary)
        assert not {"scan_seconds", "load_seconds"} & set(figures.summary)
    assert outcome.reason is None


@pytest.mark.parametrize(
    ("budget", "cause"), [("20", "too small to trade (NOTIONAL)"), ("1e8", "too large to trade")]
)
def test_a_point_that_cannot_trade_has_a_reason(trades: Path, budget: str, cause: str) -> None:
    given, halves = job(trades, None)
    settings = Settings(budget=Money(int(float(budget) * 10**8)))
    outcome = point.run(halves, settings, given.terms)
    assert outcome.in_sample is None
    assert outcome.reason is not None
    assert outcome.reason.startswith(cause)


def test_a_batch_is_what_its_points_are_one_by_one(trades: Path, tmp_path: Path) -> None:
    given, halves = job(trades, tmp_path / "cache")
    batch = all_settings(grid())
    assert list(sweep.run(given, batch).outcomes) == outcomes(Serial(halves, given.terms), batch)


def test_a_file_that_changed_since_the_sweep_began_is_refused(trades: Path) -> None:
    given, _ = job(trades, None)
    os.utime(trades, ns=(0, 0))
    with pytest.raises(SweepError, match=r"trades\.csv has changed since the sweep began"):
        sweep.run(given, [Settings(budget=parse_money("1000"))])


def test_elsewhere_the_contents_count_and_not_the_time(trades: Path) -> None:
    given, _ = job(trades, None, elsewhere=True)
    os.utime(trades, ns=(0, 0))
    (outcome,) = sweep.run(given, [Settings(budget=parse_money("1000"))]).outcomes
    assert outcome.in_sample is not None
    text = trades.read_text()
    trades.write_text(text[:-10] + "TRUE,True\n")
    assert trades.stat().st_size == len(text)
    wanted = given.recording.sources[0].sha256
    assert wanted is not None
    again = replace(given, recording=replace(given.recording, cut=given.recording.cut and given.recording.cut + 1))
    with pytest.raises(
        SweepError, match=f"is another file here: its sha256 is [0-9a-f]{{64}}, that of the sweep {wanted}"
    ):
        sweep.run(again, [Settings(budget=parse_money("1000"))])


def figures(score: int) -> Figures:
    summary = {"profit": "1", "unrealized_profit": "0", "max_drawdown": "0", "max_tied_up": "5", "cycles": 1}
    times = {"first_trade_at": "2026-01-01", "last_trade_at": "2026-01-02", "trades_scanned": 9}
    return Figures(Money(score), Money(0), {**summary, **times, "buy_and_hold": "0"})


def test_the_best_is_first_then_by_settings_and_what_could_not_trade_is_last() -> None:
    which = grid(2, 2)
    done = {
        (1, 1): Outcome(figures(5)),
        (0, 1): Outcome(None, None, "too small"),
        (1, 0): Outcome(figures(7)),
        (0, 0): Outcome(figures(5)),
    }
    found = ranking.ranked(which, done, {each: which.settings(each) for each in done})
    assert [each.point for each in found] == [(1, 0), (0, 0), (1, 1), (0, 1)]
    assert ranking.best(found) == found[0]
    assert ranking.best(found[3:]) is None


def test_a_point_is_a_document_of_all_its_settings() -> None:
    which = grid(2, 1)
    (first, last) = ranking.ranked(
        which,
        {(0, 0): Outcome(figures(5), figures(3)), (1, 0): Outcome(None, None, "too small")},
        {each: which.settings(each) for each in which.points()},
    )
    shown = ranking.document(which, first)
    assert json.loads(json.dumps(shown)) == shown
    assert shown["settings"] == documents.settings(which.settings((0, 0)))
    assert (shown["in_sample"], shown["out_of_sample"], shown["reason"]) == (
        figures(5).summary,
        figures(3).summary,
        None,
    )
    assert ranking.document(which, last) | {"settings": None} == {
        "settings": None,
        "in_sample": None,
        "out_of_sample": None,
        "reason": "too small",
    }


def test_a_point_whose_values_contradict_each_other_is_a_document_too() -> None:
    which = Grid((Axis("floor", (parse_price("1"), parse_price("3"))),), {"ceiling": parse_price("2")})
    with pytest.raises(SettingsError, match="floor must not be above ceiling"):
        which.settings((1,))
    (found,) = ranking.ranked(which, {(1,): Outcome(None, None, "floor must not be above ceiling")}, {})
    assert ranking.document(which, found)["settings"] == {"ceiling": "2", "floor": "3"}


def test_the_file_of_the_best_point_has_only_settings_that_were_given() -> None:
    which = grid(2, 1, chunks=3)
    best = ranking.ranked(which, {(1, 0): Outcome(figures(5), figures(3))}, {(1, 0): which.settings((1, 0))})[0]
    terms = Terms(rules("ETHUSDT", None), parse_rate("0"), 2_000, Limits(max_exposure=parse_money("300")))
    text = toml(terms, which, best, 2, [])
    plain = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert plain == [
        'symbol = "ETHUSDT"',
        "[settings]",
        "chunks = 3",
        'profit = "0.002"',
        'rebuy = "0.003"',
    ]
    assert '# budget = "1000"  # not given; the default of the sweep' in text.splitlines()
    assert (
        "# run with fee 0 and latency 2000 ms; "
        "max-exposure 300 USDT, reserve none, max-daily-loss none, max-drawdown none"
    ) in text.splitlines()
    assert "# in sample: 2026-01-01 to 2026-01-02, 9 trades:" in text
    assert "# out of sample: 2026-01-01 to 2026-01-02, 9 trades:" in text
