"""A cache of the encoded entries of ``status``; an entry is kept until its symbol changes.

So the cost of a status depends on what changed, not on how many clients ask: a new price takes a few microseconds,
any other change a new entry.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import trio

from naived.control import answers
from naived.control.protocol import encode_body
from naived.core.amount import format_amount
from naived.core.strategy.summary import profit_today
from naived.core.strategy.trader_state import Waiting
from naived.runtime.actual_state import actual_state
from naived.runtime.symbol_task import Symbol
from naived.runtime.waits import why_waits

_AT_ONCE = 32  # entries before other tasks run: some 4 ms if all of them changed


@dataclass(slots=True)
class _CachedEntry:
    """An entry, and the values it was made from: it is valid while these are equal."""

    made_from: tuple[object, ...]
    fields: dict[str, Any]
    traders: bytes
    last_trade: tuple[object, ...] = ()
    body: bytes = b""
    at: int = 0  # exchange ms


class Statuses:
    """``wished``: the status of a symbol by the journal, where its own rows cannot be read. What it has tied up is
    known then as well.
    """

    def __init__(self) -> None:
        self.wished: Callable[[str], str | None] = lambda _: None
        self._kept: WeakKeyDictionary[Symbol, _CachedEntry] = WeakKeyDictionary()

    async def entries(self, symbols: Iterable[Symbol]) -> list[bytes]:
        """One entry for each symbol. They may be of different moments during the call."""
        entries = []
        for number, symbol in enumerate(symbols, 1):
            entries.append(self._entry(symbol))
            if number % _AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
        return entries

    def basis(self, symbol: Symbol) -> object:
        """What its entry was made from, without its price: equal while nothing but that changed."""
        kept = self._kept.get(symbol)
        return None if kept is None else kept.made_from

    def changed_at(self, symbol: Symbol) -> int:
        """When its entry was made (exchange ms)."""
        kept = self._kept.get(symbol)
        return 0 if kept is None else kept.at

    def _entry(self, symbol: Symbol) -> bytes:
        kept = self._kept.get(symbol)
        leader = symbol.engine.leader
        today = profit_today(leader, symbol.context.exchange.now())
        waits = [why_waits(symbol, trader) for trader in leader.traders if isinstance(trader.phase, Waiting)]
        stored = {} if symbol.unread is None else self._stored(symbol)
        state, orders = actual_state(symbol), symbol.engine.orders.values()
        made_from = (state, symbol.desired, stored, leader, today, *waits, *orders)
        if kept is None or kept.made_from != made_from:
            fields = answers.symbol(symbol)
            fields |= stored
            kept = self._kept[symbol] = _CachedEntry(made_from, fields, encode_body(fields.pop("traders")))
        last_trade = (symbol.gate.price, symbol.gate.time)
        if kept.last_trade != last_trade:
            kept.last_trade = last_trade
            kept.fields |= answers.prices(symbol)
            kept.body = b'%b,"traders":%b}' % (encode_body(kept.fields)[:-1], kept.traders)
            kept.at = symbol.context.exchange.now()
        return kept.body

    def _stored(self, symbol: Symbol) -> dict[str, Any]:
        """What of an entry is known of a symbol whose rows cannot be read."""
        status, exposure = self.wished(symbol.name), symbol.context.account().exposures.get(symbol.name)
        known = {} if status is None else {"status": status}
        return known if exposure is None else known | {"tied_up": format_amount(exposure.money)}
