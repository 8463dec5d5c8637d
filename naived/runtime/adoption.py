"""Loads the symbols that this node has claimed, and gives them to the supervisor; ``keeper.py`` says which.

A load waits behind every commit that was queued before it, however long that takes. So it has a task of its own:
the leases are renewed meanwhile, and what is lost by then is not adopted. A symbol of which a row cannot be read is
adopted as one that failed: its state says why, and it is read again until somebody has corrected the row.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog
import trio

from naived.ports import CorruptError, Journal, JournalError, SymbolRecord
from naived.runtime.supervisor import Supervisor
from naived.runtime.symbol_task import Symbol, blank

_SINGLY = 8  # symbols that are loaded one by one; for more the whole journal is read once
_AT_ONCE = 20  # symbols that are adopted before others have a turn: some ms

Loaded: TypeAlias = Mapping[str, SymbolRecord | CorruptError]

log = structlog.get_logger()


@dataclass(eq=False, slots=True)
class _Claim:
    """``over`` is set once it is adopted, or is not to be: ``failure`` says why it could not be loaded."""

    epoch: int
    over: trio.Event = field(default_factory=trio.Event)
    failure: JournalError | None = None


class Adoption:
    """``reconcile`` has adopted symbols compared soon; ``adopted`` is called with each before it does anything."""

    def __init__(
        self,
        journal: Journal,
        supervisor: Supervisor,
        reconcile: Callable[[], None],
        adopted: Callable[[Symbol], None],
    ) -> None:
        self._journal = journal
        self._supervisor = supervisor
        self._reconcile = reconcile
        self._adopted = adopted
        self._claims: dict[str, _Claim] = {}
        self._news = trio.Event()

    @property
    def names(self) -> Collection[str]:
        """The symbols that are claimed and not adopted yet."""
        return self._claims.keys()

    def take(self, claimed: Mapping[str, int]) -> None:
        """Load these, of which the claim is committed, and adopt them under these epochs."""
        for name, epoch in claimed.items():
            known = self._claims.get(name)
            if known is None or known.epoch != epoch:
                self._end(name)
                self._claims[name] = _Claim(epoch)
        self._news.set()

    def keep(self, ours: Mapping[str, int]) -> None:
        """Only what is ours, under the same epoch, is adopted still."""
        for name, claim in list(self._claims.items()):
            if ours.get(name) != claim.epoch:
                self._end(name)

    async def done(self, name: str) -> None:
        """Wait until a symbol that is claimed is adopted, or is lost; raises JournalError if it was not loaded."""
        claim = self._claims.get(name)
        if claim is not None:
            await claim.over.wait()
            if claim.failure is not None:
                raise JournalError(str(claim.failure)) from claim.failure

    async def run(self) -> None:
        """Run until cancelled. What cannot be loaded is left to the next renewal, which finds it again."""
        while True:
            while not self._claims:
                self._news = trio.Event()
                await self._news.wait()
            claims = dict(self._claims)
            try:
                records = await self._load(claims.keys())
            except JournalError as error:
                log.warning("claimed symbols not loaded", error=str(error), count=len(claims))
                for name, claim in claims.items():
                    claim.failure = error
                    self._end(name, claim)
            else:
                await self._adopt(claims, records)

    async def _load(self, names: Collection[str]) -> Loaded:
        """Raises JournalError, but for a row that cannot be read: that concerns one symbol, perhaps of others."""
        if len(names) > _SINGLY:
            with suppress(CorruptError):
                return {record.symbol: record for record in await self._journal.load()}
        found: dict[str, SymbolRecord | CorruptError] = {}
        for name in names:
            try:
                found |= {record.symbol: record for record in await self._journal.load(name)}
            except CorruptError as error:
                found[name] = error
        return found

    async def _adopt(self, claims: Mapping[str, _Claim], loaded: Loaded) -> None:
        adopted: list[str] = []
        for name, claim in claims.items():
            if self._claims.get(name) is claim:  # else it was lost, or claimed anew: these rows may be too old
                found = loaded.get(name) or blank(name)
                record, unread = (blank(name), found) if isinstance(found, CorruptError) else (found, None)
                self._adopted(self._supervisor.adopt(record, claim.epoch, unread))
                self._end(name)
                adopted.append(name)
                if len(adopted) % _AT_ONCE == 0:
                    await trio.lowlevel.checkpoint()
        if adopted:
            log.info("symbols claimed", symbols=sorted(adopted)[:20], count=len(adopted))
            self._reconcile()

    def _end(self, name: str, claim: _Claim | None = None) -> None:
        """Nothing more is to be done about this claim, None: about the one there is, if there is one."""
        known = self._claims.get(name)
        if known is not None and claim in (None, known):
            del self._claims[name]
            known.over.set()
