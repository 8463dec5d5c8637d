"""What `limits` and `start --dry-run` tell of a fall: all symbols together, as they are set or would be."""

from collections.abc import Iterator, Mapping
from typing import Any

import trio

from naived.control.plan import begin
from naived.control.proposal import Rules
from naived.control.service import Service
from naived.core.amount import SCALE, Money, Price, format_amount
from naived.core.losses import anew
from naived.core.risk import HaltedBy, UnvaluedError, converted
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.settings import Settings, Status
from naived.core.worst_case import Falling, Means, WorstCase

Document = dict[str, Any]
Proposals = Mapping[str, tuple[Settings, Rules]]

_AT_ONCE = 32  # trades before other tasks run: some milliseconds


async def worst(service: Service, proposals: Proposals | None = None) -> Document:
    """``proposals``: symbols that would be on with these settings, and what the exchange says of them."""
    account, found, unpriced = service.funds.account, list[Falling](), list[str]()
    for leader, price in _leaders(service, proposals or {}):
        symbol = service.supervisor.symbols.get(leader.info.symbol)
        quote = leader.info.quote or ("" if symbol is None else symbol.exposed.quote)
        if symbol is not None and symbol.unread is not None:
            unpriced.append(symbol.name)
        if leader.desired.status is Status.OFF and not (leader.traders or leader.lots):
            continue
        quote_price = _worth_of(quote, service)
        if price is not None and quote_price is not None:
            found.append(Falling(leader, price, quote_price))
        # Before its rules are read nobody can tell what it would buy; what it holds counts.
        unread = leader.desired.status is not Status.OFF and not leader.info.base
        if price is None or quote_price is None or unread:
            unpriced.append(leader.info.symbol)
    balance = service.funds.balances.of(account.currency)
    free = None if balance is None else Money(balance.free)
    worth = service.value.worth
    if worth is not None and account.halt is not None and account.halt.by is HaltedBy.LIMIT:
        worth = anew(worth)  # as the end of that halt does
    case = WorstCase(found, Means(account.limits, account.currency, worth, free), service.exchange.now())
    while not case.advance(_AT_ONCE):
        await trio.lowlevel.checkpoint()
    falls = [
        {
            "fall": format_amount(each.fall),
            "tied_up": format_amount(each.tied_up),
            "loss": format_amount(each.loss),
            "stopped_by": list(each.stopped_by),
        }
        for each in case.fallen
    ]
    return {"currency": account.currency, "falls": falls, "unpriced": unpriced}


def _leaders(service: Service, proposals: Proposals) -> Iterator[tuple[Leader, Price | None]]:
    """Each symbol's leader, as it is or would be, and its price."""
    known = service.supervisor.symbols
    for name, symbol in known.items():
        if name not in proposals:
            yield symbol.engine.leader, symbol.gate.price or service.value.mark(name)
    for name, (settings, rules) in proposals.items():
        before = known[name].engine.leader if name in known else None
        yield begin(before, settings, rules, service.exchange.now()).leader, rules.price


def _worth_of(quote: str, service: Service) -> Price | None:
    """What one of the quote asset is worth in the account's currency."""
    try:
        return Price(converted(Money(SCALE), quote, service.funds.account.currency, service.funds.quote_prices()))
    except UnvaluedError:
        return None
