"""What is durable of the whole account: its halt, its limits, its worth. A change is committed, then in force."""

from collections.abc import Callable, Mapping
from contextlib import suppress

import trio
from msgspec.structs import replace

from naived.core.amount import Money, format_amount
from naived.core.losses import anew
from naived.core.risk import Gain, Halt, HaltedBy, Worth
from naived.core.strategy.leader_events import Halted
from naived.ports import Event, JournalError, Unit
from naived.runtime.funds import AccountFunds
from naived.runtime.symbol_task import Context, Symbol

_FOLLOWING = 1.0  # seconds between two looks at what other nodes changed
ToStore = Callable[[bool], tuple[str, str] | None]  # given whether a request changed anything: its answer, if any
NO_GAINS: Mapping[str, Gain] = {}


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
        await context.journal.commit(
            Unit("", events=events, request=request, halt=halted, worth=worth, gains=gains)
        )
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
                await context.journal.commit(
                    Unit("", events=events, request=request, limits=given, currency=currency)
                )
                self._funds.account = replace(self._funds.account, limits=limits)
            finally:
                self._funds.counting = counting
            for event in events:
                context.publish(event)
            return limits != before

    async def follow(self) -> None:
        """Take in what other nodes change. Runs until cancelled."""
        while True:
            await trio.sleep(_FOLLOWING)
            with suppress(JournalError):
                await self.catch_up()

    async def catch_up(self) -> None:
        """Take it in now. Raises JournalError."""
        async with self.turn:
            await self.refresh()

    async def refresh(self) -> None:
        """Read what other nodes wrote, if there may be any; the caller holds ``turn``. Raises JournalError."""
        if not self._shared:
            return
        known = await self._context.journal.account()
        before = self.halt
        self._funds.account = replace(known, currency=self._funds.account.currency)
        if self.halt != before:
            self.tell()

    def tell(self) -> None:
        """Tell every symbol, also one that is off; at a start too: a process may have died before it did so."""
        for symbol in self._symbols.values():
            if symbol.engine.leader.halts.account != self.halt or self.halt is not None:
                symbol.offer(Halted(self.halt, account=True))


def started_anew(worth: Worth) -> str:
    """In words: what the end of a limit's halt means for the limits."""
    value = f"{format_amount(worth.value)} {worth.currency}"
    return f"what its trading has made, {value}, is the new start of the day and the new peak"


def told(halt: Halt | None) -> tuple[str, str]:
    """Kind and text of the event."""
    if halt is None:
        return "resumed", "the account is not halted any more"
    return "halted", f"the account is halted {halt.words}; nothing is bought, sells go on"
