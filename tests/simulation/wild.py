"""Wild numbers: a field of a frame gets a value that no exchange would send.

`mutations` gives each field each value in a run of its own; a seed may meet any of them at any time.
"""

from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Any

import msgspec

from tests.simulation.network import Wire

Path = tuple[str | int, ...]
Value = Callable[[Any], Any]

_MISSING = object()
_NUMBER = b"0.123456789012345678901234567890"
_ESCAPE = "\x1b[2J\x1b]0;x\x07\x00\n\u202e"


def _as_text(value: Any, text: str, other: object) -> object:
    """``text`` where a text stood before, else ``other``."""
    return text if isinstance(value, str) else other


VALUES: Mapping[str, Value] = {
    "missing": lambda _: _MISSING,
    "null": lambda _: None,
    "wrong type": lambda value: 7 if isinstance(value, str) else "7",
    "negative": lambda value: _as_text(value, "-1.00000000", -1),
    "zero": lambda value: _as_text(value, "0.00000000", 0),
    "2^63": lambda value: _as_text(value, str(2**63), 2**63),
    "10^22": lambda value: _as_text(value, str(10**22), msgspec.Raw(b"1" + b"0" * 22)),
    "NaN": lambda value: _as_text(value, "NaN", msgspec.Raw(b"NaN")),
    "30 decimals": lambda value: _as_text(value, _NUMBER.decode(), msgspec.Raw(_NUMBER)),
    "escape sequences": lambda _: _ESCAPE,
}


def paths_of(node: Any, spared: str | None = None, before: Path = ()) -> Iterable[Path]:
    """Every field in it, but those of the ``spared`` symbol; of rows that are alike only the first."""
    match node:
        case dict():
            items: Iterable[tuple[str | int, Any]] = node.items()
        case list():
            items = enumerate(node)
        case _:
            return
    for name, value in items:
        if concerns(value, spared):
            continue
        alike = isinstance(node, list) and before[-1] not in ("filters", "balances", "rateLimits", "symbols")
        if alike and name != 0:
            continue
        yield (*before, name)
        yield from paths_of(value, spared, (*before, name))


def concerns(node: Any, symbol: str | None) -> bool:
    return symbol is not None and isinstance(node, dict) and symbol in (node.get("symbol"), node.get("s"))


def credible(path: Path, value: str) -> bool:
    """Is it what an exchange may send? A trade that cost no fee looks like one of a pair that is free of fees."""
    return path[-1] == "commission" and value == "zero"


def changed(frame: dict[str, Any], path: Path, value: str, spared: str | None = None) -> str | None:
    """The frame with this value of ``VALUES`` there.

    None if it has no such field, it is of ``spared``, or the value is credible.
    """
    *way, last = path
    if credible(path, value):
        return None
    place: Any = frame
    try:
        for step in way:
            place = place[step]
        new = VALUES[value](place[last])
    except (KeyError, IndexError, TypeError):
        return None
    if concerns(place, spared):
        return None
    if new is _MISSING:
        del place[last]
    else:
        place[last] = new
    return msgspec.json.encode(frame).decode()


class WildNumbers:
    """Changes what arrives at naived: a frame of so many (``rate``), until ``over``. ``made`` counts them."""

    def __init__(self, rate: float, random: Random) -> None:
        self.made = 0
        self.over = False
        self._rate = rate
        self._random = random

    def change(self, _wire: Wire, text: str, from_client: bool) -> str:
        """The text that arrives."""
        if from_client or self.over or self._random.random() >= self._rate:
            return text
        frame = msgspec.json.decode(text)
        path = self._random.choice(list(paths_of(frame)))
        wild = changed(frame, path, self._random.choice(list(VALUES)))
        self.made += wild is not None
        return text if wild is None else wild
