"""What is durable of the whole account: its halt, its limits, its worth. A change is committed, then in force.

A commit that failed may be written all the same. Then nobody knows what halts or limits the account: it counts as
halted until the journal was read again, which ``value_watch.py`` tries each second. Buys that rest may rest.
"""

from collections.abc import Callable, Mapping

import structlog
import trio
from msgspec.structs import replace

from naived.core.amount import Money, format_amount
from naived.core.losses import anew, joined
from naived.core.risk import Account, Gain, Halt, HaltedBy, Worth
from naived.core.strategy.leader_events import Halted
from naived.ports import CorruptError, Event, JournalError, Unit, UnwrittenError
from naived.runtime.funds import AccountFunds
from naived.runtime.symbol_task import Context, Symbol

_FOLLOWING = 1.0  # seconds between two looks at what other nodes changed
ToStore = Callable[[bool], tuple[str, str] | None]  # given whether a request changed anything: its answer, if any
NO_GAINS: Mapping[str, Gain] = {}
_IN_DOUBT = "what was asked of the account may or may not be written: nothing is bought until that is read again"

log = structlog.get_logger()


class AccountKeeper:
    """``symbols`` are those of the supervisor; what is known is in ``funds.account``, which all share.

    ``turn`` is held while any of it changes. ``shared``: other nodes change it as well.
    """

    def __init__(
        self, context: Context, symbols: Mapping[str, Symbol], funds: AccountFunds, *, shared: bool = False
    ) -> None:
        self._context = context
        self._shared = shared
        self._symbols = symbols
        self._funds = funds
        self._doubtful: Unit | None = None  # the change of which it is not known whether it is written
        self.turn = trio.Lock()

    @property
    def halt(self) -> Halt | None:
        return self._funds.account.halt

    async def change_halt(self, change: Callable[[Halt | None], Halt | None], store: ToStore) -> bool:
        """Make the halt what ``change`` makes of it; returns whether that changed anything. Raises JournalError.

        ``store`` returns what to store with it as the answer to the request. The end of a limit's halt makes the
        value of this moment the start of the day and the peak.
        """
        async with self.turn:
            await self.refresh()
            before = self.halt
            halt = change(before)
            request = store(halt != before)
            if halt == before and request is None:
                return False
            words, worth = told(halt), None
            if halt is None and before is not None and before.by is HaltedBy.LIMIT and self._funds.account.worth:
                worth = anew(self._funds.account.worth)
                words = "resumed", f"the account is not halted any more; {started_anew(worth)}"
            await self.commit_halt(halt, worth, words if halt != before else None, request=request)
            return halt != before

    async def commit_halt(
        self,
        halt: Halt | None,
        worth: Worth | None,
        words: tuple[str, str] | None,
        *,
        request: tuple[str, str] | None = None,
        gains: Mapping[str, Gain] = NO_GAINS,
    ) -> None:
        """Make it durable, then put it in force; the caller holds ``turn``. Raises JournalError.

        ``words`` are kind and text of its event.
        """
        context = self._context
        events = () if words is None else (Event(context.exchange.now(), None, *words),)
        halted = Halted(halt, account=True)
        await self._commit(Unit("", events=events, request=request, halt=halted, worth=worth, gains=gains))
        account = replace(self._funds.account, halt=halt, gains={**self._funds.account.gains, **gains})
        self._funds.account = account if worth is None else replace(account, worth=worth)
        for event in events:
            context.publish(event)
        self.tell()

    async def change_limits(self, given: Mapping[str, Money | None], store: ToStore) -> bool:
        """The same for the ``given`` limits, which bind the next decision. Raises JournalError."""
        async with self.turn:
            await self.refresh()
            context, before = self._context, self._funds.account.limits
            limits = replace(before, **given)
            request = store(limits != before)
            if limits == before and request is None:
                return False
            words = limits.words(self._funds.account.currency, given)
            event = Event(context.exchange.now(), None, "limits", words)
            events = (event,) if limits != before else ()
            # What is committed behind the new limits has to be counted, though it was decided before.
            counting, self._funds.counting = self._funds.counting, True
            try:
                currency = self._funds.account.currency
                await self._commit(Unit("", events=events, request=request, limits=given, currency=currency))
                self._funds.account = replace(self._funds.account, limits=limits)
            finally:
                self._funds.counting = counting
            for event in events:
                context.publish(event)
            return limits != before

    async def _commit(self, unit: Unit) -> None:
        """Raises JournalError; one that does not say whether the unit is written leaves a doubt."""
        try:
            await self._context.journal.commit(unit)
        except UnwrittenError:
            raise
        except JournalError as error:
            self._doubtful, self._funds.doubt = unit, _IN_DOUBT
            if self.halt is None:
                halt = _meanwhile(unit, self._context.exchange.now())
                self._funds.account = replace(self._funds.account, halt=halt)
                self.tell()
            log.error("the account's halt and limits are in doubt", error=str(error))
            raise

    async def follow(self) -> None:
        """Take in what other nodes change. Runs until cancelled."""
        while True:
            await trio.sleep(_FOLLOWING)
            try:
                await self.catch_up()
            except CorruptError as error:
                self._funds.doubt = str(error)  # what cannot be read may be a halt
            except JournalError as error:  # the leases tell of it
                log.debug("the account was not read", error=str(error))

    async def catch_up(self) -> None:
        """Take it in now. Raises JournalError."""
        async with self.turn:
            await self.refresh()

    async def refresh(self) -> None:
        """Read what other nodes wrote, if there may be any, or what is in doubt; the caller holds ``turn``.

        Raises JournalError.
        """
        doubtful = self._doubtful
        if doubtful is not None:
            # A lost connection may still be committing on the server; an empty unit is written behind that.
            await self._context.journal.commit(Unit(""))
        elif not self._shared:
            return
        known, before = await self._context.journal.account(), self._funds.account
        if not self._shared:  # what was measured here is newer, but not behind a resume that was written
            known = replace(known, worth=_joined(known.worth, before.worth))
        self._funds.account = replace(known, currency=before.currency)
        self._doubtful = self._funds.doubt = None
        if self.halt != before.halt:
            self.tell()
        if doubtful is not None:
            written = _is_written(doubtful, known)
            log.info("the account's halt and limits are known again", written=written)
            for event in doubtful.events if written else ():
                self._context.publish(event)

    def tell(self) -> None:
        """Tell every symbol, also one that is off; at a start too: a process may have died before it did so."""
        for symbol in self._symbols.values():
            if symbol.engine.leader.halts.account != self.halt or self.halt is not None:
                symbol.offer(Halted(self.halt, account=True))


def _meanwhile(unit: Unit, now: int) -> Halt:
    """The halt of an account that was not halted before this change of it, of which nobody knows the fate."""
    asked = None if unit.halt is None else unit.halt.halt
    if asked is None:
        return Halt(_IN_DOUBT, HaltedBy.PERSON, now, keep_buys=True)
    return replace(asked, reason=f"{asked.reason} ({_IN_DOUBT})", keep_buys=True, until=None)


def _joined(stored: Worth | None, measured: Worth | None) -> Worth | None:
    return joined(stored, measured) if stored is not None and measured is not None else stored or measured


def _is_written(unit: Unit, account: Account) -> bool:
    """Is the account as this change of its halt or its limits makes it?"""
    if unit.halt is not None:
        return account.halt == unit.halt.halt
    return all(getattr(account.limits, name) == limit for name, limit in unit.limits.items())


def started_anew(worth: Worth) -> str:
    """In words: what the end of a limit's halt means for the limits."""
    value = f"{format_amount(worth.value)} {worth.currency}"
    return f"what its trading has made, {value}, is the new start of the day and the new peak"


def told(halt: Halt | None) -> tuple[str, str]:
    """Kind and text of the event."""
    if halt is None:
        return "resumed", "the account is not halted any more"
    return "halted", f"the account is halted {halt.words}; nothing is bought, sells go on"
