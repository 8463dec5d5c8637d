"""``python -m tests.bench.peers DIRECTORY``: naived and other backtesters on one tape, with the same strategy.

One million trades; one buy 0.01 % below the last trade, sold 0.3 % higher, then the next one, no fees. Each peer
gets an environment of its own in DIRECTORY, from pip; one that cannot be installed is said to be so. Reading the
tape into a peer's own form is not measured, nor is compiling. All must finish the same number of cycles, but for a
few: they do not agree on whether an order fills at its own price or only beyond it.
"""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np

from naived.backtest.run import backtest
from tests.bench.backtest import swings
from tests.support.tape import setup

_TRADES, _PERIOD = 1_000_000, 2_000
_RUNS, _ENOUGH = 3, 30.0  # of each; no further one after so many seconds
_PEERS = ("basana", "nautilus_trader", "hftbacktest")


def main() -> None:
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    tape = swings(_TRADES, _PERIOD, even=True)
    files = directory / "prices.npy", directory / "times.npy"
    for file, column in zip(files, (tape.parts[0].prices, tape.parts[0].times), strict=True):
        np.save(file, column)
    wanted = setup(fee="0", chunks=1, reprice="0", profit="0.003")
    seconds, cycles = [], 0
    for _ in range(_RUNS):
        began = time.perf_counter()
        cycles = len(backtest(tape, wanted).cycles)
        seconds.append(time.perf_counter() - began)
    ours = _TRADES / median(seconds)
    print(f"{ours:12,.0f} trades/s, {cycles} cycles  naived", flush=True)
    for peer in _PEERS:
        python = _environment(directory, peer)
        if python is None:
            print(f"  not installed: {peer}", flush=True)
            continue
        child = Path(__file__).with_name(f"with_{peer}.py")
        runs: list[tuple[int, float, int]] = []
        while len(runs) < _RUNS and sum(seconds for _, seconds, _ in runs) < _ENOUGH:
            runs.append(_run([str(python), str(child), *map(str, files)]))
        rate, found = median(count / seconds for count, seconds, _ in runs), runs[0][2]
        print(
            f"{rate:12,.0f} trades/s, {found} cycles  {peer}: naived is {ours / rate:,.1f} times as fast",
            flush=True,
        )
        assert abs(found - cycles) * 20 <= cycles, "it did something else"


def _environment(directory: Path, peer: str) -> Path | None:
    python = directory / peer / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(directory / peer)], check=True)
    installed = subprocess.run([str(python), "-m", "pip", "install", "-q", "numpy", peer])
    return python if installed.returncode == 0 else None


def _run(command: list[str]) -> tuple[int, float, int]:
    count, seconds, cycles = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-3:]
    return int(count), float(seconds), int(cycles)


main()
