"""Why a trader waits, as a person is told: what its last trade said may be of limits that have changed since.

The trader itself asks again at the next trade. ``actual_state.py`` and the control methods ask here.
"""

from naived.core.amount import Money, Price, format_amount, value_up
from naived.core.risk import Account
from naived.core.strategy.formulas import buy_price, buy_quantity
from naived.core.strategy.sizing import Terms, spending, unfunded
from naived.core.strategy.trader_state import Trader, Waiting
from naived.core.strategy.traders import commitments
from naived.runtime.symbol_task import Symbol

_EXPOSED, _RESERVED, _UNVALUED = "the account's limit leaves no room", "the reserve", "the account is limited"
BY_LIMITS = (_EXPOSED, _RESERVED, _UNVALUED)  # how the reasons begin that are the account's limits


def why_waits(symbol: Symbol, trader: Trader) -> str | None:
    """Why it did not buy on the last trade; where it was the limits or nothing, what those of now say.

    Limits that did not change may have been exceeded by another node, of which only the journal knew.
    """
    reason, price = trader.phase.reason if isinstance(trader.phase, Waiting) else None, symbol.gate.price
    by_limits = reason is None or reason.startswith(BY_LIMITS)
    if price is None or not symbol.engine.leader.active or not by_limits:
        return reason
    now = over_limits(symbol, trader.terms, price)
    return reason if now is None and reason is not None and _is_set(symbol.context.account(), reason) else now


def _is_set(account: Account, reason: str) -> bool:
    """Is the limit that this reason names set to the same amount now?"""
    limits = account.limits
    if reason.startswith(_EXPOSED) and limits.max_exposure is not None:
        return f" of {format_amount(limits.max_exposure)} {account.currency} " in reason
    if reason.startswith(_RESERVED) and limits.reserve is not None:
        return f" {format_amount(limits.reserve)} are reserved" in reason
    return reason.startswith(_UNVALUED) and limits.valued


def over_limits(symbol: Symbol, terms: Terms, price: Price) -> str | None:
    """Why the account's limits do not allow the buy that a trade at this price decides; None if they do."""
    leader, funds = symbol.engine.leader, symbol.context.funds(symbol)
    if funds.room is None and not funds.reserved:
        return None
    room = Money(max(0, terms.budget - commitments(leader.traders, leader.lots)[0]))
    limit = buy_price(price, terms.buy_down, leader.info.filters)
    quantity = buy_quantity(*spending(terms, room), limit, leader.info.filters)
    return unfunded(value_up(limit, quantity), leader.info.quote, funds)
