"""Open orders of other naiveds on our account: they are told, and after the loss of a journal they block.

Each naived has a journal and a tag of its own, and should have an account of its own. Orders with another tag are
either those of a second naived, or our own, from a journal that was lost: in a journal without any order both look
the same. Then a symbol with such orders is blocked until a person says that they are not ours (``ignore``). The
reconciler calls ``note`` with what it read.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping

import structlog

from naived.core.orders.client_id import tag_of
from naived.core.orders.report import Report
from naived.ports import Event, ExchangeError, Journal, JournalError, Page, Unit

log = structlog.get_logger()


class ForeignOrders:
    """``blocked`` says why, by symbol. ``configure`` makes a symbol known, so that it is shown and resolved."""

    def __init__(
        self,
        tag: str,
        journal: Journal,
        publish: Callable[[Event], None],
        configure: Callable[[str], object],
        now: Callable[[], int],
    ) -> None:
        self.blocked: dict[str, str] = {}
        self._tag = tag
        self._journal = journal
        self._publish = publish
        self._configure = configure
        self._now = now
        self._looked = False
        self._told: set[tuple[str, str]] = set()  # symbol and tag

    async def note(self, reports: Iterable[Report], covered: Collection[str] | None) -> None:
        """Take in the open orders of these symbols, None for all symbols; raises ExchangeError.

        Only what the first call finds can block: what comes later is not from a journal that was lost before.
        """
        tags = ((report.symbol, tag_of(report.client_order_id)) for report in reports)
        found = Counter((symbol, tag) for symbol, tag in tags if tag is not None and tag != self._tag)
        if not self._looked:
            if found and await self._is_bare():
                self.blocked = {symbol: _reason(symbol, found) for symbol, _ in found}
            self._looked = True
        elif self.blocked:
            symbols = {symbol for symbol, _ in found}
            ended = {name for name in self.blocked if covered is None or name in covered} - symbols
            self.blocked = {name: why for name, why in self.blocked.items() if name not in ended}
        for name in self.blocked:
            self._configure(name)
        for (symbol, tag), count in found.items():
            await self._tell(symbol, tag, count)

    def ignore(self, symbol: str) -> bool:
        """A person says that they are not ours; was the symbol blocked for them?"""
        return self.blocked.pop(symbol, None) is not None

    async def _is_bare(self) -> bool:
        try:
            return not await self._journal.orders(Page(limit=1, most=1))
        except JournalError as error:
            raise ExchangeError(f"orders of another naived were not looked at: {error}") from error

    async def _tell(self, symbol: str, tag: str, count: int) -> None:
        if (symbol, tag) in self._told:
            return
        message = f"{_orders(count)} of another naived (tag {tag}): give each naived an account of its own"
        log.error("orders of another naived", symbol=symbol, tag=tag, orders=count)
        event = Event(self._now(), symbol, "other naived", message)
        try:
            await self._journal.commit(Unit("", events=(event,)))  # the symbol may be another node's, or nobody's
        except JournalError as error:
            raise ExchangeError(f"orders of another naived were not recorded: {error}") from error
        self._told.add((symbol, tag))
        self._publish(event)


def _reason(symbol: str, found: Mapping[tuple[str, str], int]) -> str:
    """``found``: how many orders, by symbol and tag."""
    counts = {tag: count for (name, tag), count in found.items() if name == symbol}
    tags = f"tag {next(iter(counts))}" if len(counts) == 1 else f"tags {', '.join(sorted(counts))}"
    return (
        f"{_orders(sum(counts.values()))} of another naived ({tags}), and the database has no order at all: was it "
        f"lost? Put it back, or go on without them: naivectl resolve {symbol} --all --ignore"
    )


def _orders(count: int) -> str:
    return f"the account has {count} open {'order' if count == 1 else 'orders'}"
