"""Open orders of other naiveds on our account: they are told, and after the loss of a journal they block.

Each naived has a journal and a tag of its own, and should have an account of its own. Orders with another tag are
either those of a second naived, or our own, from a journal that was lost: in a journal without any order both look
the same. Then a symbol with such orders is blocked until they have ended, or until a person says that they are not
ours (``ignore``). Both are in the journal: a restart, and another node that takes the symbol, know it. The
reconciler calls ``note`` with what it read.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from weakref import WeakSet

import structlog
import trio

from naived.core.orders.client_id import Foreign, tag_of
from naived.core.orders.report import Report
from naived.ports import CorruptError, Event, Journal, JournalError, Page, Unit
from naived.runtime.symbol_task import Symbol

Found = Mapping[tuple[str, str], int]  # how many open orders, by symbol and tag

log = structlog.get_logger()


class ForeignOrders:
    """``blocked`` says why, by symbol; ``symbols`` are those of the supervisor.

    ``configure`` makes a symbol known, so that it is shown and resolved.
    """

    def __init__(
        self,
        tag: str,
        journal: Journal,
        publish: Callable[[Event], None],
        configure: Callable[[str], object],
        now: Callable[[], int],
        symbols: Mapping[str, Symbol],
    ) -> None:
        self.blocked: dict[str, str] = {}
        self._tag = tag
        self._journal = journal
        self._publish = publish
        self._configure = configure
        self._now = now
        self._symbols = symbols
        self._turn = trio.Lock()  # held while it is read and written what blocks
        self._looked = False
        self._read = WeakSet[Symbol]()  # those that we had when the journal was read
        self._blocking: set[tuple[str, str]] = set()  # symbol and tag
        self._told: set[tuple[str, str]] = set()

    async def note(self, reports: Iterable[Report], covered: Collection[str] | None) -> None:
        """Take in the open orders of these symbols, None for all symbols; raises JournalError.

        Only what the first call finds can block anew: what comes later is not from a journal that was lost before.
        """
        tags = ((report.symbol, tag_of(report.client_order_id)) for report in reports)
        found = Counter((symbol, tag) for symbol, tag in tags if tag is not None and tag != self._tag)
        async with self._turn:
            if not self._looked or any(symbol not in self._read for symbol in self._symbols.values()):
                await self._learn(found)
            counted = {key for key in self._blocking if covered is None or key[0] in covered}
            await self._let_go(counted - found.keys())
            before, names = self.blocked, sorted({symbol for symbol, _ in self._blocking})
            self.blocked = {name: _reason(name, self._blocking, found) for name in names}
            if covered is not None:  # of the others no orders were counted
                self.blocked |= {name: before[name] for name in names if name in before and name not in covered}
        for name in self.blocked:
            self._configure(name)
        for (symbol, tag), count in found.items():
            await self._tell(symbol, tag, count)

    async def ignore(self, symbol: str) -> bool:
        """A person says that they are not ours; was the symbol blocked for them? Raises JournalError."""
        async with self._turn:
            keys = {key for key in self._blocking if key[0] == symbol}
            if keys:
                await self._journal.commit(Unit("", foreign=dict.fromkeys(sorted(keys), Foreign.IGNORED)))
                self._blocking -= keys
                self.blocked.pop(symbol, None)
            return bool(keys)

    async def _learn(self, found: Found) -> None:
        """Read what blocks, and write down what was found first; raises JournalError."""
        ours = list(self._symbols.values())
        # In this order: what another node found is written before it places its first order.
        bare = not self._looked and found and await _is_bare(self._journal)
        known = dict((await self._journal.account(foreign_only=True)).foreign)
        new = {key: Foreign.BLOCKS for key in sorted(found) if key not in known} if bare else {}
        if new:
            await self._journal.commit(Unit("", foreign=new))
        self._blocking = {key for key, state in (known | new).items() if state is Foreign.BLOCKS}
        self._looked = True
        self._read.update(ours)

    async def _let_go(self, ended: Collection[tuple[str, str]]) -> None:
        """Their orders have ended; until that is written they block."""
        if not ended:
            return
        try:
            await self._journal.commit(Unit("", foreign=dict.fromkeys(sorted(ended))))
        except JournalError as error:
            log.warning("still blocked by orders of another naived that have ended", error=str(error))
        else:
            self._blocking -= set(ended)

    async def _tell(self, symbol: str, tag: str, count: int) -> None:
        if (symbol, tag) in self._told:
            return
        message = f"{_orders(count)} of another naived (tag {tag}): give each naived an account of its own"
        log.error("orders of another naived", symbol=symbol, tag=tag, orders=count)
        event = Event(self._now(), symbol, "other naived", message)
        await self._journal.commit(Unit("", events=(event,)))  # the symbol may be another node's, or nobody's
        self._told.add((symbol, tag))
        self._publish(event)


async def _is_bare(journal: Journal) -> bool:
    """Has the journal no order at all? Raises JournalError."""
    try:
        return not await journal.orders(Page(limit=1, most=1))
    except CorruptError:
        return False  # there is one, whatever its row holds


def _reason(symbol: str, blocking: Collection[tuple[str, str]], found: Found) -> str:
    tags = sorted(tag for name, tag in blocking if name == symbol)
    count = sum(found.get((symbol, tag), 0) for tag in tags)
    word = "tag" if len(tags) == 1 else "tags"
    return (
        f"{_orders(count)} of another naived ({word} {', '.join(tags)}), found when the database had no order at "
        "all: was it lost? Put it back, or go on without them: "
        f"naivectl resolve {symbol} --all --ignore"
    )


def _orders(count: int) -> str:
    return f"the account has {count or 'some'} open {'order' if count == 1 else 'orders'}"
