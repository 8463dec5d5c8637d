"""``naived sweep`` of 60 and 600 points over a mapped tape of five million trades, the whole program.

Seconds of CPU are those of all its processes: where other things run as well, only they can be compared.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.tapes import synthetic

_TRADES = 5_000_000
_JOBS = 2
_RUNS = 3
_PROGRAM = [sys.executable, "-c", "from naived.cli.main import main; main()"]
_REBUYS = "0.002:0.012:0.002"
_PROFITS = ("0.0005:0.005:0.0005", "0.00005:0.005:0.00005")  # ten of them, and a hundred


def measure() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="naived-bench-") as directory:
        home = Path(directory)
        path = synthetic(home / "trades.csv", _TRADES, 1, cache=home / "cache" / "naived" / "tapes")
        for profits in _PROFITS:
            arguments = ["--tape", str(path), "--profit", profits, "--rebuy", _REBUYS, "--split", "0.7"]
            one, work, alone = _run(home, *arguments, "--jobs", "1")
            several, more, found = _run(home, *arguments, "--jobs", str(_JOBS))
            assert found == alone
            points = len(alone["points"])
            yield (
                f"{one:8.2f} s for {points} points over {_TRADES:,} trades, in and out of sample, in one process "
                f"({work:.2f} of CPU, {work / points * 1e3:.0f} ms a point); {several:.2f} s ({more:.2f} of CPU) "
                f"in {_JOBS} more, {one / several:.2f} times as fast (best of {_RUNS})"
            )


def _run(home: Path, *arguments: str) -> tuple[float, float, Any]:
    """The least seconds of the program, and of CPU, and its document."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(home / "cache")}
    seconds, work = [], []
    for _ in range(_RUNS):
        began, before = time.perf_counter(), _cpu()
        done = subprocess.run(
            [*_PROGRAM, "sweep", "ETHUSDT", *arguments, "--json"],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        seconds.append(time.perf_counter() - began)
        work.append(_cpu() - before)
    return min(seconds), min(work), json.loads(done.stdout)


def _cpu() -> float:
    """Seconds of all processes that have ended and that we waited for, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
