"""What is durable of the whole account: its halt. A change is committed first, then each symbol is told."""

from collections.abc import Callable, Mapping

import trio
from msgspec.structs import replace

from naived.core.risk import Halt
from naived.core.strategy.leader_events import Halted
from naived.ports import Event, Unit
from naived.runtime.symbol_task import Context, Symbol


class AccountKeeper:
    """``symbols`` are those of the supervisor; what is known is in ``context.account``, which they share."""

    def __init__(self, context: Context, symbols: Mapping[str, Symbol]) -> None:
        self._context = context
        self._symbols = symbols
        self._turn = trio.Lock()

    @property
    def halt(self) -> Halt | None:
        return self._context.account.halt

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
            context.account = replace(context.account, halt=halt)
            for event in events:
                context.publish(event)
            self.tell()
            return halt != before

    def tell(self) -> None:
        """Tell every symbol, also one that is off; at a start too: a process may have died before it did so."""
        for symbol in self._symbols.values():
            if symbol.engine.leader.halts.account != self.halt or self.halt is not None:
                symbol.offer(Halted(self.halt, account=True))


def _told(halt: Halt) -> tuple[str, str]:
    return "halted", f"the account is halted {halt.words}; nothing is bought, sells go on"
