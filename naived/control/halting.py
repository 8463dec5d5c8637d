"""``halt`` and ``resume``: nothing is bought, by one symbol or by the whole account, until a person ends it.

Both are answered once they are durable. Buys that rest are taken back after that, as far as ``resting.py`` tells,
and their fate is told as any other's.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import trio
from msgspec.structs import replace

from naived.control import messages, node_messages
from naived.control.call import ASIDE, Call, Outcome
from naived.control.desired import answer_to_store, answered_in_time, change_account, stored_answer, turn
from naived.control.lookup import find
from naived.control.resting import Fate, fate_of_all, fate_of_ours
from naived.control.service import Service
from naived.core.risk import Halt, HaltedBy
from naived.core.strategy.leader_events import Halted
from naived.core.strategy.trader_state import Note
from naived.ports import JournalError
from naived.runtime.account import started_anew
from naived.runtime.symbol_task import Symbol, blank

Change = Callable[[Halt | None], Halt | None]

_NO_REASON = "no reason was given"
_GOES_ON = "nothing is bought, sells go on"


async def halt(service: Service, call: Call) -> Outcome:
    """One symbol."""
    symbol = await find(service, call)
    if symbol is None:
        symbol = await service.configure(call)
        if symbol.desired == blank(call.name).desired:  # another request may have set it meanwhile
            # Its row is needed first: a halt is stored beside it.
            symbol.direct(replace(symbol.desired, settings=service.defaults))
    changed = await _change(service, call, symbol, _wanted(service, call))
    word = "halted" if changed else "already halted"
    return _halted(changed, word, fate_of_ours(service, [symbol], keep=call.params["keep_buys"]))


async def resume(service: Service, call: Call) -> Outcome:
    """One symbol; the account's halt stays."""
    symbol = await find(service, call)
    changed = symbol is not None and await _change(service, call, symbol, lambda _: None)
    word = "resumed" if changed else "not halted"
    account = service.account.halt
    if account is not None:
        word += f"; the account stays halted {account.words}. To end that: naivectl resume"
    return Outcome(changed, word)


async def halt_account(service: Service, call: Call) -> Outcome:
    changed = await change_account(service, call, partial(service.account.change_halt, _wanted(service, call)))
    word = "the account is halted" if changed else "the account is already halted"
    return _halted(changed, word, await fate_of_all(service, keep=call.params["keep_buys"]))


async def resume_account(service: Service, call: Call) -> Outcome:
    before = service.account.halt
    changed = await change_account(service, call, partial(service.account.change_halt, lambda _: None))
    word = "the account is resumed" if changed else "the account is not halted"
    if changed and before is not None and before.by is HaltedBy.LIMIT and service.funds.account.worth is not None:
        word += f"; {started_anew(service.funds.account.worth)}"
    elif changed and (limit := service.value.reached) is not None:
        # A person's halt stood before it, whose end does not count anew.
        word += f"; a limit halts it again at once: {limit.reason}. To count from here: naivectl resume, once more"
    halted, warnings = await _halted_by_themselves(service)
    if halted:
        word += f"; still halted by themselves: {', '.join(halted)}"
    return Outcome(changed, word, more={"warnings": warnings})


async def _halted_by_themselves(service: Service) -> tuple[list[str], list[str]]:
    """The symbols, of whatever node; with a warning if those of other nodes could not be read."""
    stored: Sequence[str] = ()
    warnings: list[str] = []
    if service.mailbox is not None:
        warnings = [node_messages.halts_unread()]
        with suppress(JournalError), trio.move_on_after(ASIDE):
            stored = await service.mailbox.halted()
            warnings = []
    ours = service.supervisor.symbols
    halted = {name for name, each in ours.items() if each.engine.leader.halts.own}
    return sorted(halted.union(name for name in stored if name not in ours)), warnings


def _halted(changed: bool, word: str, fate: Fate) -> Outcome:
    return Outcome(changed, f"{word}: {_GOES_ON}{fate.words}", more={"warnings": fate.warnings})


def _wanted(service: Service, call: Call) -> Change:
    """A person's halt takes the place of a limit's, which might end by itself."""
    reason, keep_buys, now = call.params["reason"], call.params["keep_buys"], service.exchange.now()

    def change(before: Halt | None) -> Halt | None:
        if before is None or before.by is not HaltedBy.PERSON:
            return Halt(reason or _NO_REASON, HaltedBy.PERSON, now, keep_buys)
        return replace(before, reason=reason or before.reason, keep_buys=keep_buys)

    return change


async def _change(service: Service, call: Call, symbol: Symbol, change: Change) -> bool:
    """Make it durable; returns whether it changed anything, and the same to a repeated request."""
    with answered_in_time(call, symbol):
        await service.supervisor.restored(symbol)
        async with turn(service, call):
            if (stored := await stored_answer(service, call)) is not None:
                return stored
            before = symbol.engine.leader.halts.own
            halt = change(before)
            changed = halt != before
            request = answer_to_store(call, changed=changed)
            # What is so in memory may not be durable yet.
            if not (changed or request or symbol.behind or symbol.failed):
                return False
            note = Note("resumed", f"{symbol.name}: not halted any more") if halt is None else None
            if halt is not None:
                note = Note("halted", f"{symbol.name}: halted {halt.words}; {_GOES_ON}")
            commit = symbol.direct(
                symbol.desired, request=request, note=note if changed else None, halt=Halted(halt)
            )
            if commit is None:
                raise messages.away(symbol.name, symbol.failed)
            await commit.durable()
            return changed
