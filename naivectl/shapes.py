"""The parts of the daemon's documents that naivectl reads without checking whether they exist.

`client` checks them all at once: the other program may not be naived, or not of our version.
"""

from collections.abc import Mapping

TYPE_CHECKING = False  # see `main`
if TYPE_CHECKING:
    from typing import Any


class Maybe:
    """Absent, null, or of this shape."""

    def __init__(self, shape: "Any") -> None:
        self.shape = shape


_ORDERED = dict.fromkeys(("quantity", "price", "value"), str)
_PLAN = {
    **_ORDERED,
    **dict.fromkeys(("base", "quote", "last_price", "share", "most_tied_up", "lowest_price"), str),
    **dict.fromkeys(("cycle_profit", "cycle_fees", "held", "held_cost"), str),
    **dict.fromkeys(("chunks", "chunks_taken", "sells_first"), int),
    "first_buy": Maybe({**_ORDERED, "at": str}),
    "kept_back": Maybe([{"reason": str, "ends": Maybe(str)}]),
    "stopped_by": Maybe([str]),
}
_ERROR = {"message": str, "kind": str}
_RESULTS = {
    "results": [
        {
            "symbol": str,
            "error": Maybe(_ERROR),
            "open_orders": Maybe([{"side": str}]),
            "settings": Maybe({}),
            "plan": Maybe(_PLAN),
            "warnings": Maybe([str]),
        }
    ]
}
_ORDER = Maybe({"price": object, "executed": object, "quantity": object})
_TRADER = {"id": object, "phase": object, "buy": _ORDER, "sell": _ORDER}
_ROW = {"symbol": str, "status": object, "state": object, "traders": Maybe([_TRADER])}
_PAGE = {"next": Maybe(int)}

SHAPES: "Mapping[str, Any]" = {
    **dict.fromkeys(("start", "stop", "shutdown", "settings", "resolve", "wait", "forget"), _RESULTS),
    "explain": {
        "symbol": str,
        "status": str,
        "state": str,
        "buys": {"text": str},
        "traders": [{"trader": str, "text": str}],
    },
    "why": {
        "order": {"side": str, "client_order_id": str, "trader": str, "state": str},
        "life": [{"at": str, "what": str, "text": str}],
    },
    "status": {"symbols": [_ROW], "daemon": Maybe({}), "gone": Maybe([str])},
    "orders": {"orders": [{}], **_PAGE},
    "trades": {"trades": [{}], **_PAGE},
    "events": {"events": [{}], **_PAGE},
    "metrics": {"text": str},
    "event": {"gap": Maybe({"from": int, "to": int})},
}


def fits(value: object, shape: "Any") -> bool:
    """Is the value of this type, a list of elements of this shape, or an object with these keys?"""
    match shape:
        case Maybe():
            return value is None or fits(value, shape.shape)
        case dict():
            return isinstance(value, dict) and all(
                (name in value or isinstance(part, Maybe)) and fits(value.get(name), part)
                for name, part in shape.items()
            )
        case [part]:
            return isinstance(value, list) and all(fits(each, part) for each in value)
        case _:
            return isinstance(value, shape)
