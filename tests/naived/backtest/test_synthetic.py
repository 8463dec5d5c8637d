"""The walks that other tests and measurements run on."""

from pathlib import Path

import numpy as np

from naived.backtest.tape import load
from tests.support.tapes import synthetic


def test_a_walk_is_the_same_as_a_file_and_in_the_cache(tmp_path: Path) -> None:
    file = synthetic(tmp_path / "file.csv", 5000, 1)
    mapped = synthetic(tmp_path / "mapped.csv", 5000, 1, cache=tmp_path / "cache")
    (one,) = load("ETHUSDT", [file], cache=None).parts
    (other,) = load("ETHUSDT", [mapped], cache=tmp_path / "cache").parts
    for name in ("ids", "prices", "quantities", "times", "low", "high", "tick"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


def test_a_walk_has_the_spread_and_the_range_that_were_asked_for(tmp_path: Path) -> None:
    path = synthetic(tmp_path / "walk.csv", 2_100_000, 2, spread=40, start=1000, cache=tmp_path / "cache")
    (part,) = load("ETHUSDT", [path], cache=tmp_path / "cache").parts
    moves = np.abs(np.diff(part.prices // part.tick))
    assert moves.max() == 40
    assert (part.prices.min() // part.tick, part.prices.max() // part.tick) == (500, 2000)
    assert len(part.ids) == 2_100_000


def test_another_seed_is_another_walk(tmp_path: Path) -> None:
    walks = [synthetic(tmp_path / f"{seed}.csv", 100, seed).read_text() for seed in (1, 2)]
    assert walks[0] != walks[1]
