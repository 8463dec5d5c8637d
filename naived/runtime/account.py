"""What is durable of the whole account: its halt and its limits. A change is committed, then in force."""

from collections.abc import Callable, Mapping
from contextlib import suppress

import trio
from msgspec.structs import replace

from naived.core.risk import Halt, Limits
from naived.core.strategy.leader_events import Halted
from naived.ports import Event, JournalError, Unit
from naived.runtime.funds import AccountFunds
from naived.runtime.symbol_task import Context, Symbol

_FOLLOWING = 1.0  # seconds between two looks at what other nodes changed


class AccountKeeper:
    """``symbols`` are those of the supervisor; what is known is in ``funds.account``, which all share."""

    def __init__(self, context: Context, symbols: Mapping[str, Symbol], funds: AccountFunds) -> None:
        self._context = context
        self._symbols = symbols
        self._funds = funds
        self._turn = trio.Lock()

    @property
    def halt(self) -> Halt | None:
        return self._funds.account.halt

    async def change_halt(
        self, change: Callable[[Halt | None], Halt | None], store: Callable[[bool], tuple[str, str] | None]
    ) -> bool:
        """Make the halt what ``change`` makes of it; returns whether that changed anything. Raises JournalError.

        ``store`` returns what to store with it as the answer to the request, given whether it changed anything.
        """
        async with self._turn:
            context = self._context
            before = self.halt
            halt = change(before)
            request = store(halt != before)
            if halt == before and request is None:
                return False
            events: tuple[Event, ...] = ()
            if halt != before:
                kind, text = ("resumed", "the account is not halted any more") if halt is None else _told(halt)
                events = (Event(context.exchange.now(), None, kind, text),)
            await context.journal.commit(Unit("", events=events, request=request, halt=Halted(halt, account=True)))
            self._funds.account = replace(self._funds.account, halt=halt)
            for event in events:
                context.publish(event)
            self.tell()
            return halt != before

    async def change_limits(
        self, change: Callable[[Limits], Limits], store: Callable[[bool], tuple[str, str] | None]
    ) -> bool:
        """The same for the limits, which bind the next decision. Raises JournalError."""
        async with self._turn:
            context, before = self._context, self._funds.account.limits
            limits = change(before)
            request = store(limits != before)
            if limits == before and request is None:
                return False
            words = limits.words(self._funds.account.currency)
            event = Event(context.exchange.now(), None, "limits", words)
            events = (event,) if limits != before else ()
            # What is committed behind the new limits has to be counted, though it was decided before.
            self._funds.counting = True
            try:
                await context.journal.commit(Unit("", events=events, request=request, limits=limits))
                self._funds.account = replace(self._funds.account, limits=limits)
            finally:
                self._funds.counting = False
            for event in events:
                context.publish(event)
            return limits != before

    async def follow(self) -> None:
        """Take in what other nodes change. Runs until cancelled."""
        while True:
            await trio.sleep(_FOLLOWING)
            with suppress(JournalError):
                async with self._turn:
                    found = await self._context.journal.account()
                    if found != self._funds.account:
                        self._funds.account = found
                        self.tell()

    def tell(self) -> None:
        """Tell every symbol, also one that is off; at a start too: a process may have died before it did so."""
        for symbol in self._symbols.values():
            if symbol.engine.leader.halts.account != self.halt or self.halt is not None:
                symbol.offer(Halted(self.halt, account=True))


def _told(halt: Halt) -> tuple[str, str]:
    return "halted", f"the account is halted {halt.words}; nothing is bought, sells go on"
