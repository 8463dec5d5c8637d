"""``limits``: what the owner of the account is ready to tie up and to lose; shows it, or changes it durably."""

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import trio

from naived.control import answers, messages, node_messages
from naived.control.call import ASIDE, Call
from naived.control.caller import Caller
from naived.control.desired import change_account, read_in_time
from naived.control.protocol import LIMITS, encode_body
from naived.control.requests import Params, short_text
from naived.control.service import Service
from naived.control.worst import worst
from naived.core.amount import Money, format_amount, parse_money
from naived.core.risk import UnvaluedError
from naived.ports import ExchangeError, JournalError

Document = dict[str, Any]

_PATIENCE = 3.0  # seconds that an answer waits for the account's balances


async def limits(service: Service, params: Params, caller: Caller) -> bytes:
    """The answer, with what is so now; raises ControlError."""
    given = {name: params[name] for name in LIMITS if name in params}
    call = Call("", params, caller, "limits")
    changed, warnings = False, list[str]()
    if given:
        if service.suspending:
            raise messages.suspending()
        changed = await change_account(service, call, partial(service.account.change_limits, _parsed(given)))
    elif service.funds.doubt is not None:
        with read_in_time(call):
            await service.account.catch_up()
    elif service.keeper is not None:
        warnings = await _caught_up(service)
    now = await _now(service)
    halted = answers.halt(service.account.halt)
    told = {"limits": _limits(service), "now": now, "worst": await worst(service), "halt": halted}
    return encode_body({"v": 1, **told, "changed": changed, "warnings": warnings})


async def _caught_up(service: Service) -> list[str]:
    """Take in what another node changed; warns if the database does not tell that in time."""
    try:
        with trio.fail_after(ASIDE):
            await service.account.catch_up()
    except JournalError as error:
        return [node_messages.limits_unread(str(error))]
    except trio.TooSlowError:
        return [node_messages.limits_unread(messages.SILENT)]
    return []


def limit(value: Any) -> str:
    """A limit as a request gives it: an amount above 0, or ``none``. Raises ValueError."""
    text = short_text(value)
    if text != "none" and parse_money(text) <= 0:
        raise ValueError("must be an amount above 0, or none")
    return text


def _parsed(given: Mapping[str, str]) -> dict[str, Money | None]:
    return {name: None if text == "none" else parse_money(text) for name, text in given.items()}


def _limits(service: Service) -> Document:
    return {name: _text(getattr(service.funds.account.limits, name)) for name in LIMITS}


async def _now(service: Service) -> Document:
    """Null where it is not known: a price of another quote asset, or the account's balances."""
    funds = service.funds
    currency = funds.account.currency
    try:
        exposure = _text(funds.exposure)
    except UnvaluedError:
        exposure = None
    with trio.move_on_after(_PATIENCE), suppress(ExchangeError):
        if service.session.away is None:
            await service.view.account()
    balance = funds.balances.of(currency)
    free = None if balance is None else _text(Money(balance.free))
    worth = service.value.worth
    doubts = service.value.doubts()
    return {
        "exposure": exposure,
        "free_quote": free,
        "loss_today": None if worth is None else _text(worth.loss),
        "drawdown": None if worth is None else _text(worth.drawdown),
        "peak": None if worth is None else _text(worth.peak),
        "value": None if worth is None else _text(worth.value),
        "currency": currency,
        "doubtful": [{"symbol": name, "reason": why} for name, why in sorted(doubts.items())],
    }


def _text(amount: Money | None) -> str | None:
    return None if amount is None else format_amount(amount)
