"""Start-up of ``naivectl status``: piped, against a running daemon, beside a bare Python."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.bench.programs import daemon

_RUNS = 40


def measure() -> Iterator[str]:
    naivectl = str(Path(sys.executable).with_name("naivectl"))
    with daemon("--random-walk", "ETHUSDT=2683.80") as home:
        rows = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "naivectl status": [naivectl, "--home", str(home), "status"],
            "naivectl --json status": [naivectl, "--home", str(home), "--json", "status"],
            "naivectl settings (Typer)": [naivectl, "--home", str(home), "settings"],
        }
        times: dict[str, list[float]] = {name: [] for name in rows}
        for _ in range(_RUNS):
            for name, command in rows.items():  # interleaved, so that noise falls on all alike
                began = time.perf_counter()
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                times[name].append(time.perf_counter() - began)
    bare = median(times["python -c pass"])
    for name, measured in times.items():
        yield f"{median(measured) * 1000:8.1f} ms  {median(measured) / bare:4.1f}x  {name} (median of {_RUNS})"
