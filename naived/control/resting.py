"""What becomes of buys that rest once nothing may be bought, over all nodes; ``halting.py`` tells it.

Of this node's symbols that is in memory, of those of other nodes in the journal, as of one whose rows cannot be
read. The halt is durable before that is read: what cannot be read in time is left out of the words, and a warning
says so.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import trio

from naived.control import node_messages
from naived.control.bulletin import failure
from naived.control.call import ASIDE
from naived.control.service import Service
from naived.core.orders.intent import Side
from naived.nodes import Resting, idle
from naived.ports import JournalError
from naived.runtime.actual_state import actual_state
from naived.runtime.symbol_task import Symbol


@dataclass
class Fate:
    """How many buys are taken back, how many are left to rest, and a warning of each that nobody takes back now."""

    ending: int = 0
    kept: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def words(self) -> str:
        parts = (self.ending, "taken back"), (self.kept, "left to rest")
        return "".join(
            f"; {count} {'buy is' if count == 1 else 'buys are'} {what}" for count, what in parts if count
        )


def fate_of_ours(service: Service, symbols: Iterable[Symbol], *, keep: bool) -> Fate:
    """Of these symbols of this node; ``keep``: what the exchange has may rest."""
    fate, away = Fate(), service.session.away
    waiting = Counter[str]()
    for symbol in symbols:
        buys = [order for order in symbol.engine.resting if order.intent.side is Side.BUY]
        ending = sum(order.cancelling for order in buys)
        if away is not None:
            waiting[symbol.name] += ending
        else:
            fate.ending += ending
        left = len(buys) - ending
        if keep:
            fate.kept += left
        elif left:
            fate.warnings.append(node_messages.not_taken_back({symbol.name: left}, actual_state(symbol)[1]))
    if +waiting:
        fate.warnings.append(node_messages.taken_back_later(+waiting, f"the exchange is away: {away}"))
    return fate


async def fate_of_all(service: Service, *, keep: bool) -> Fate:
    """Of all symbols of the account."""
    ours = {name: symbol for name, symbol in service.supervisor.symbols.items() if symbol.unread is None}
    fate = fate_of_ours(service, ours.values(), keep=keep)
    found: Sequence[Resting] = ()
    read = service.mailbox is None
    if service.mailbox is not None:
        with suppress(JournalError), trio.move_on_after(ASIDE):
            found = await service.mailbox.resting()
            read = True
    if not read:
        fate.warnings.append(node_messages.buys_unread())
    _add_others(service, fate, [each for each in found if each.symbol not in ours], keep=keep)
    return fate


def _add_others(service: Service, fate: Fate, found: Iterable[Resting], *, keep: bool) -> None:
    """What the journal has of symbols that are not this node's, or that it could not read."""
    keeper = service.keeper
    nodes = {} if keeper is None else keeper.view.nodes
    unowned, silent, failed = Counter[str](), dict[str, Counter[str]](), dict[tuple[str, str], Counter[str]]()
    for each in found:
        fate.kept += each.buys - each.cancelling if keep else 0
        ending = each.cancelling if keep else each.buys
        owner = None if each.node is None else nodes.get(each.node)
        own = each.node == service.identity.node  # it is being loaded here
        if not own and (owner is None or not owner.live):
            unowned[each.symbol] += ending
        elif (why := _failure(service, each)) is not None:
            failed.setdefault((each.node or "", why), Counter())[each.symbol] += ending
        elif owner is not None and owner.exchange_away is not None:
            why = f"node {each.node} says: the exchange is away: {owner.exchange_away}"
            silent.setdefault(why, Counter())[each.symbol] += ending
        else:
            fate.ending += ending
    if +unowned:
        fate.warnings.append(node_messages.unowned_buys(+unowned, idle(nodes.values())))
    for (node, why), buys in sorted(failed.items()):
        if +buys:
            fate.warnings.append(node_messages.not_taken_back_there(node, +buys, why))
    fate.warnings += [node_messages.taken_back_later(+buys, why) for why, buys in sorted(silent.items()) if +buys]


def _failure(service: Service, each: Resting) -> str | None:
    """Why nothing of a symbol goes on at the node that has it, as far as it told; None if it does."""
    ours = service.supervisor.symbols.get(each.symbol)
    if ours is not None:
        return ours.unread
    told = None if service.bulletin is None else service.bulletin.told.get(each.symbol)
    return None if told is None or told.node != each.node else failure(told)
