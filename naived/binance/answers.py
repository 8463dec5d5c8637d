"""Interprets the answer to an order or a cancel: accepted, refused, or unknown.

A request is refused only if its code or status is listed here. A 5xx, any other code and an unreadable answer leave
the outcome unknown. Messages vary, so codes decide, except for those that cover several cases: ``-1010`` and
``-2010`` of the matching engine, and ``-1013`` of the API before it, which have one list of messages. Its message
"duplicate" means that the order exists.

The kind decides what follows (``core/strategy/trader.py``): what only this moment of the market or of a server
refuses is tried again, what stays refused until a person acts faults the symbol. The messages are those of the
exchange's ``errors.md`` of 2026; also those of requests that naived does not make have their place.
"""

from naived.binance.border import LATEST, message, read
from naived.binance.codec import ApiAnswer, ApiError
from naived.binance.mapping import OrderRow, report_of
from naived.core.orders.report import (
    Accepted,
    Answer,
    CancelAccepted,
    CancelAnswer,
    CancelRefused,
    Refusal,
    Refused,
    Report,
    Unknown,
)

OK = 200
_BANNED = 418
_TOO_MANY = 429
_SERVER_FAILED = 500  # with this status or a higher one the request may still have succeeded

_ENGINE_ERROR = -1010
_API_REFUSED = -1013
_ENGINE_REFUSED = -2010
_CANCEL_REJECTED = -2011

_BY_CODE = {
    **dict.fromkeys(range(-1199, -1099), Refusal.MALFORMED),
    **dict.fromkeys((-1210, -1211, *range(-1225, -1219)), Refusal.MALFORMED),
    -1002: Refusal.CREDENTIALS,
    -1003: Refusal.TOO_MANY,
    -1014: Refusal.MALFORMED,
    -1015: Refusal.TOO_MANY,
    -1020: Refusal.MALFORMED,
    -1021: Refusal.CLOCK,
    -1022: Refusal.CREDENTIALS,
    -1111: Refusal.FILTER,  # more decimals than the rules of now allow
    -1112: Refusal.MARKET_CLOSED,  # no orders on the book
    -1181: Refusal.TOO_MANY,  # messages
    -2008: Refusal.CREDENTIALS,  # not in the list, but sent for a key that was deleted
    -2014: Refusal.CREDENTIALS,
    -2015: Refusal.CREDENTIALS,
}
_BY_STATUS = {
    401: Refusal.CREDENTIALS,
    403: Refusal.OTHER,  # the web application firewall
    _BANNED: Refusal.TOO_MANY,
    _TOO_MANY: Refusal.TOO_MANY,
}
_BY_MESSAGE = {  # the first text that the message, in lower case, contains
    "insufficient balance": Refusal.BALANCE,
    "market is closed": Refusal.MARKET_CLOSED,
    "phase": Refusal.MARKET_CLOSED,  # the symbol is not trading, or not as always
    "trading is not enabled": Refusal.MARKET_CLOSED,  # at this server, and seen to pass within minutes
    "liquidity": Refusal.MARKET_CLOSED,
    "immediately": Refusal.MARKET_CLOSED,  # at this price
    "not permitted": Refusal.FORBIDDEN,
    "restricted for this account": Refusal.FORBIDDEN,
    "disabled on this account": Refusal.FORBIDDEN,
    "may not place": Refusal.FORBIDDEN,
    "max_num": Refusal.TOO_MANY,
    "filter failure": Refusal.FILTER,
    "zero or less": Refusal.FILTER,
    "self-trade prevention": Refusal.FILTER,  # the modes that a symbol allows are rules that may have changed
    "unsupported order combination": Refusal.MALFORMED,
    "not support": Refusal.MALFORMED,  # a type of order by the symbol
    "icebergqty": Refusal.MALFORMED,
    "relationship of the prices": Refusal.MALFORMED,
    "peg": Refusal.MALFORMED,
}
_BY_REASON = {  # of a rejected order in an execution report; also those that were documented until 2019
    "INSUFFICIENT_BALANCES": Refusal.BALANCE,
    "INSUFFICIENT_BALANCE": Refusal.BALANCE,
    "MARKET_CLOSED": Refusal.MARKET_CLOSED,
    "WOULD_MATCH_IMMEDIATELY": Refusal.MARKET_CLOSED,
    "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY": Refusal.MARKET_CLOSED,
    "PRICE_QTY_EXCEED_HARD_LIMITS": Refusal.FILTER,
    "ACCOUNT_INACTIVE": Refusal.FORBIDDEN,
    "ACCOUNT_CANNOT_SETTLE": Refusal.FORBIDDEN,
    "OCO_BAD_PRICES": Refusal.MALFORMED,
}
_DUPLICATE_REASON = "DUPLICATE_ORDER"
_OTHER_MESSAGE = {  # by code; an engine's error that nobody documents may be about anything
    _ENGINE_ERROR: None,
    _API_REFUSED: Refusal.FILTER,
    _ENGINE_REFUSED: Refusal.OTHER,
}

_BAN = 120_000, 3 * 86_400_000  # ms, the shortest and the longest, as documented
_WINDOW = 10_000, 60_000  # ms, of the shortest rate limit and of that of the request weight


def placed(answer: ApiAnswer, now: int, until: int = LATEST) -> Answer:
    """Interpret the answer to ``order.place``, at ``now``; ``until`` is the latest time believed (ms)."""
    if answer.status == OK:
        report = _report(answer, until)
        return report if isinstance(report, Unknown) else Accepted(report)
    error = answer.error
    if error is None or answer.status >= _SERVER_FAILED:
        return _unknown(answer)
    if error.code in _OTHER_MESSAGE and "duplicate" in error.msg.lower():
        return Unknown("duplicate", error.code)
    kind = _refusal(answer.status, error)
    if kind is None:
        return _unknown(answer)
    wait = None if error.data is None or error.data.retry_after is None else halt(answer, now)
    return Refused(kind, error.code, error.msg, None if wait is None else now + wait)


def rejected(reason: str) -> Refused | Unknown:
    """Interpret the reason of a rejected order in an execution report."""
    if reason == _DUPLICATE_REASON:
        return Unknown("duplicate")
    kind = _BY_REASON.get(reason, Refusal.OTHER)
    return Refused(kind, 0, f"rejected by the matching engine: {message(reason)}")


def cancelled(answer: ApiAnswer, until: int = LATEST) -> CancelAnswer:
    """Interpret the answer to ``order.cancel``; ``until`` is the latest time believed (ms)."""
    if answer.status == OK:
        report = _report(answer, until)
        return report if isinstance(report, Unknown) else CancelAccepted(report)
    error = answer.error
    if error is None or answer.status >= _SERVER_FAILED:
        return _unknown(answer)
    if error.code == _CANCEL_REJECTED or _refusal(answer.status, error) is not None:
        return CancelRefused(error.code, error.msg)
    return _unknown(answer)


def refuses_credentials(answer: ApiAnswer) -> bool:
    """Does the exchange refuse our key or signature? Only a person can correct that."""
    by_code = None if answer.error is None else _BY_CODE.get(answer.error.code)
    return answer.status != OK and Refusal.CREDENTIALS in (by_code, _BY_STATUS.get(answer.status))


def halt(answer: ApiAnswer, now: int) -> int | None:
    """How long (ms) no request may be sent, or None if the exchange does not make us wait.

    Of the ``retryAfter`` of a ban at most three days are believed, of any other at most a minute; one that has
    passed is no time at all.
    """
    error = answer.error
    after = None if error is None or error.data is None else error.data.retry_after
    if answer.status == _BANNED:
        shortest, longest = _BAN
    elif (
        after is not None
        or answer.status == _TOO_MANY
        or (error is not None and _BY_CODE.get(error.code) is Refusal.TOO_MANY)
    ):
        shortest, longest = _WINDOW
        if error is None and answer.refused:  # there is one that cannot be read, nor how long we are to wait
            shortest = longest
    else:
        return None
    return shortest if after is None or after <= now else min(after - now, longest)


def described(answer: ApiAnswer) -> str:
    """Code and message of an error, for a log line or a person."""
    if answer.error is None:
        return f"status {answer.status}"
    return f"{answer.error.code} {answer.error.msg}".rstrip()


def _report(answer: ApiAnswer, until: int) -> Report | Unknown:
    try:
        return report_of(read(answer.result, OrderRow, lambda _: None), until)
    except ValueError as error:
        return Unknown(f"unreadable answer: {error}")


def _unknown(answer: ApiAnswer) -> Unknown:
    return Unknown(described(answer), answer.error.code if answer.error else None)


def _refusal(status: int, error: ApiError) -> Refusal | None:
    """Why the request was refused; None if the outcome is unknown."""
    if error.code in _OTHER_MESSAGE:
        text = error.msg.lower()
        return next((kind for part, kind in _BY_MESSAGE.items() if part in text), _OTHER_MESSAGE[error.code])
    return _BY_CODE.get(error.code, _BY_STATUS.get(status))
