"""The entries of ``status``, encoded, and kept until their symbol changes: most of them are as they were.

A new price costs a few microseconds, any other change a new entry: what all of them cost is what changed since
somebody last asked, however many watch.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import trio

from naived import documents
from naived.control.protocol import encode_body
from naived.runtime.actual_state import actual_state
from naived.runtime.symbol_task import Symbol

_AT_ONCE = 32  # entries before others have a turn: some 4 ms if all of them are made


@dataclass(slots=True)
class _Kept:
    """An entry, and what it was made from: all of it is values, so that a change is another value."""

    made_from: tuple[object, ...]
    fields: dict[str, Any]
    traders: bytes
    last_trade: tuple[object, ...] = ()
    body: bytes = b""


class Statuses:
    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[Symbol, _Kept] = WeakKeyDictionary()

    async def entries(self, symbols: Iterable[Symbol]) -> list[bytes]:
        """One entry for each, as it is at some moment of the call."""
        entries = []
        for number, symbol in enumerate(symbols, 1):
            entries.append(self._entry(symbol))
            if number % _AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
        return entries

    def _entry(self, symbol: Symbol) -> bytes:
        kept = self._kept.get(symbol)
        made_from = (actual_state(symbol), symbol.desired, symbol.engine.leader, *symbol.engine.orders.values())
        if kept is None or kept.made_from != made_from:
            fields = documents.symbol(symbol)
            kept = self._kept[symbol] = _Kept(made_from, fields, encode_body(fields.pop("traders")))
        last_trade = (symbol.gate.price, symbol.gate.time)
        if kept.last_trade != last_trade:
            kept.last_trade = last_trade
            kept.fields |= documents.prices(symbol)
            kept.body = b'%b,"traders":%b}' % (encode_body(kept.fields)[:-1], kept.traders)
        return kept.body
