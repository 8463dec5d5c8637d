"""The crash points of the order protocol by name, and at which seams a process has to die to have died there.

C15, in the middle of a migration, is not here: `tests.audit` kills real processes there.
"""

import re
from collections import Counter
from collections.abc import Iterable

_ASKING = r"order\.status|openOrders\.status|allOrders|myTrades"

POINTS = {
    "C1 before the intent commits": r"commit .*intent.*: before",
    "C2 committed, not sent": r"commit .*intent.*: after",
    # A part of a frame is no frame: the exchange reads nothing of it.
    "C3 bytes partly written": r"send order\.place: before",
    "C4 sent, no answer": r"send order\.place: after",
    "C5 answer received, not committed": r"answer order\.place",
    "C6 answer committed": r"commit open.*: after",
    "C7 fill received, not applied": r"report TRADE",
    "C8 inside the transaction that applies it": r"commit .*fill.*: within",
    "C9 fill applied, sell not sent": r"commit .*fill.*sell intent.*: after",
    "C10 cancel sent": r"send order\.cancel: after",
    "C11 fill before the answer": r"report TRADE before its answer",
    "C12 during a query of the recovery": rf"(send|answer) ({_ASKING}).*\(starting\)",
    "C13 between the fence and the new attempt": r"commit .*sell intent again.*: (before|after)",
    "C14 in the middle of a shutdown or suspend": r"\(leaving\)|commit .*wish shutdown.*: after",
}


def reached(deaths: Iterable[str]) -> Counter[str]:
    """How many died at each point; one that nobody died at is there with 0."""
    counted = Counter(dict.fromkeys(POINTS, 0))
    for death in deaths:
        counted.update(name for name, pattern in POINTS.items() if re.search(pattern, death))
    return counted
