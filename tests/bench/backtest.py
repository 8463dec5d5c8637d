"""A backtest with no fee and five chunks, at three densities of events; beside it every trade stepped.

Then two that mostly wait: for room in the account, and for a budget of which a chunk is as large as an order.

The tape swings by 0.3 to 1.5 % round a price that rises by 0.2 % with each swing, so that every sell is reached in
the end: a walk would leave all of them waiting above it. Times are of the processor, as nothing here waits, and the
least of some runs, as other programs can only add to them.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from naived.backtest.columns import Columns, index
from naived.backtest.result import Result
from naived.backtest.run import Scan, backtest, result
from naived.backtest.session import Session
from naived.backtest.tape import Tape
from naived.core.amount import parse_money
from naived.core.risk import Limits
from tests.support.tape import BEGAN, setup

_SWINGS = ((40_000_000, 160_000), (5_000_000, 13_000), (400_000, 900))  # trades, and trades of one swing
_STEPPED = 40_000  # trades that are stepped one by one, which takes long
_WAITING: dict[str, dict[str, Any]] = {
    "max-exposure leaves room for one chunk": {"limits": Limits(max_exposure=parse_money("300"))},
    "a budget too small to trade": {"budget": parse_money("9")},
}
_RUNS = 5
_FIRST = 268_380  # ticks
_TICK = 10**6
_RISE, _LEAST, _MOST = 0.002, 0.003, 0.015
_NOISE, _GAP = 2, 200  # ticks, ms


def swings(length: int, period: int, seed: int = 1, *, even: bool = False) -> Tape:
    """``length`` trades with ``period`` of them to a swing; ``even``: all are of one height."""
    random = np.random.default_rng(seed)
    heights = np.repeat(random.uniform(_MOST if even else _LEAST, _MOST, length // period + 2), period)[:length]
    at = np.arange(length)
    levels = _FIRST * np.exp(_RISE * at / period) * (1 + heights * np.sin(2 * np.pi * at / period))
    prices = np.rint(levels + random.integers(-_NOISE, _NOISE + 1, length)).astype(np.int64) * _TICK
    times = BEGAN + np.cumsum(random.integers(0, _GAP, length))
    low, high = index(prices)
    ids = np.arange(1, length + 1, dtype=np.int64)
    columns = Columns(Path("made.csv"), ids, prices, np.full(length, 10**8, np.int64), times, low, high, _TICK)
    return Tape("ETHUSDT", (columns,), ())


def measure() -> Iterator[str]:
    wanted = setup(fee="0")
    backtest(swings(50_000, 5_000), wanted)  # imports, first calls
    for length, period in _SWINGS:
        tape = swings(length, period)
        seconds, found = _timed(lambda tape=tape: backtest(tape, wanted))
        few = Tape(tape.symbol, (_first(tape.parts[0], _STEPPED),), ())
        stepping, stepped = _timed(lambda few=few: _stepped(few))
        skipping, skipped = _timed(lambda few=few: backtest(few, wanted))
        assert stepped.fills == skipped.fills
        yield (
            f"{length / seconds / 1e6:8.1f} million trades a second, one event in {length // found.events:,} "
            f"({seconds / found.events * 1e6:.0f} us an event, {len(found.cycles):,} cycles); "
            f"{stepping / skipping:.1f} times as fast as stepping each of the first {_STEPPED:,}"
        )

    tape = swings(*_SWINGS[-1])
    for name, given in _WAITING.items():
        seconds, _ = _timed(lambda given=given: backtest(tape, setup(fee="0", **given)))
        yield f"{len(tape.parts[0].prices) / seconds / 1e6:8.1f} million trades a second: {name}"


def _first(part: Columns, length: int) -> Columns:
    prices = part.prices[:length]
    low, high = index(prices)
    rest = part.quantities[:length], part.times[:length]
    return Columns(part.source, part.ids[:length], prices, *rest, low, high, part.tick)


def _stepped(tape: Tape) -> Result:
    wanted = setup(fee="0")
    session = Session(tape, wanted, every=True)
    Scan(tape, session, wanted.settings.max_deviation).all()
    return result(tape, wanted, session, 0.0, 0.0)


def _timed(run: Callable[[], Result]) -> tuple[float, Result]:
    times = []
    for _ in range(_RUNS):
        began = time.process_time()
        found = run()
        times.append(time.process_time() - began)
    return min(times), found
