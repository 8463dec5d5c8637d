"""``python -m tests.bench [NAME...]``: measured figures, one line each; medians of runs on this very machine."""

import argparse
from collections.abc import Callable, Iterator

from tests.bench import (
    backtest,
    falls,
    feed,
    history,
    live,
    memory,
    nodes,
    order,
    recovery,
    screen,
    spacing,
    startup,
    steps,
    stream,
    sweep,
    tape,
    watch,
)

BENCHES: dict[str, Callable[[], Iterator[str]]] = {
    "feed": feed.measure,
    "live": live.measure,
    "steps": steps.measure,
    "stream": stream.measure,
    "startup": startup.measure,
    "memory": memory.measure,
    "order": order.measure,
    "history": history.measure,
    "watch": watch.measure,
    "recovery": recovery.measure,
    "screen": screen.measure,
    "tape": tape.measure,
    "year": tape.year,
    "backtest": backtest.measure,
    "spacing": spacing.measure,
    "falls": falls.measure,
    "sweep": sweep.measure,
    "lease": nodes.lease,
    "takeover": nodes.takeover,
    "spread": nodes.spread,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}; all if none is named")
    names = parser.parse_args().names
    for unknown in set(names) - BENCHES.keys():
        parser.error(f"no such bench: {unknown}; there are {', '.join(BENCHES)}")
    for name in names or BENCHES:
        for line in BENCHES[name]():
            print(f"{name:8} {line}", flush=True)


if __name__ == "__main__":
    main()
