"""The words that shells complete with: symbols, orders, nodes. `main` calls them without Typer: it is fast.

Each prints one word a line and returns 0, also without a daemon: a shell has no place for an error.
"""

from collections.abc import Iterable

from naivectl.client import Document, Failure, call
from naivectl.invocation import Invocation

# Those of the simulator, which Binance lists too: the daemon does not keep the exchange's whole list.
WELL_KNOWN = (
    *("BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT", "ADAUSDT", "TRXUSDT", "AVAXUSDT"),
    *("LINKUSDT", "DOTUSDT", "LTCUSDT", "BCHUSDT", "UNIUSDT", "ATOMUSDT", "NEARUSDT", "XLMUSDT", "SHIBUSDT"),
    *("PEPEUSDT", "ETHBTC", "BNBBTC"),
)
TO_BEGIN = ("start", "settings")  # verbs for symbols that were never configured
OF_NAIVED = ("record",)  # the same, of the other program

_PATIENCE = 1.0  # seconds that a shell waits
_NEWEST = 200  # orders: more than a person looks through
_HARMLESS = str.maketrans("", "", "-._")
_TAG = "n1"  # how every client order id begins; behind the tag no 1 can be


def symbols(invocation: Invocation, verb: str | None = None) -> int:
    """The configured symbols, and well-known ones where a symbol may be new."""
    names = [str(row["symbol"]) for row in _rows(invocation, "status", {}, "symbols")]
    _print([*names, *(WELL_KNOWN if verb in (*TO_BEGIN, *OF_NAIVED) else ())])
    return 0


def orders(invocation: Invocation, verb: str, symbol: str, word: str = "") -> int:
    """The client order ids of a symbol, newest first, without their tag unless the word has it.

    For `resolve` only those that a person has to decide about.
    """
    params = {"symbols": [symbol], "limit": _NEWEST}
    rows = _rows(invocation, "orders", params, "orders")
    ids = [str(row.get("client_order_id")) for row in reversed(rows)]
    if verb == "resolve":
        held = [
            str(trader["sell"].get("client_order_id"))
            for row in _rows(invocation, "status", {"symbols": [symbol]}, "symbols")
            for trader in row.get("traders") or ()
            if trader["phase"] == "holding" and trader.get("sell")
        ]
        doubtful = [str(row.get("client_order_id")) for row in reversed(rows) if row.get("state") == "quarantined"]
        ids = [*doubtful, *held]
    _print(each if word.startswith(_TAG) else each.partition("-")[2] for each in ids)
    return 0


def nodes(invocation: Invocation) -> int:
    """The nodes that share the daemon's database."""
    _print(str(row.get("name")) for row in _rows(invocation, "nodes", {}, "nodes"))
    return 0


def _rows(invocation: Invocation, method: str, params: Document, name: str) -> list[Document]:
    try:
        found: list[Document] = call(invocation.sockets(), method, params, _PATIENCE, _PATIENCE)[name]
    except Failure:
        return []
    return found


def _print(words: Iterable[str]) -> None:
    """Each once. Shells expand completions, so nothing like ``$(...)`` may get there."""
    for word in dict.fromkeys(words):
        if word.translate(_HARMLESS).isalnum():
            print(word)
