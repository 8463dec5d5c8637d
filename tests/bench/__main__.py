"""``python -m tests.bench [NAME...]``: measured figures, one line each; medians of runs on this very machine."""

import sys
from collections.abc import Callable, Iterator

from tests.bench import feed, memory, order, recovery, startup, stream

BENCHES: dict[str, Callable[[], Iterator[str]]] = {
    "feed": feed.measure,
    "stream": stream.measure,
    "startup": startup.measure,
    "memory": memory.measure,
    "order": order.measure,
    "recovery": recovery.measure,
}


def main() -> None:
    names = sys.argv[1:] or list(BENCHES)
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        sys.exit(f"no such bench: {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    for name in names:
        for line in BENCHES[name]():
            print(f"{name:8} {line}", flush=True)


main()
