"""What an answer to a placement or a cancel means: done, a definite no, or unknown.

A definite no says that this frame created nothing. Only listed codes say so; a 5xx, an unlisted code and
anything unreadable leave the outcome unknown. Messages vary, so codes decide; ``-2010``, the engine's no to a
new order, is the one code whose message is read, because one of them means that the order exists.
"""

from naived.binance.codec import ApiAnswer, ApiError, Garbled, read_result
from naived.binance.results import report_of
from naived.binance.rows import OrderRow
from naived.core.order import (
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
_UNAUTHORIZED = 401
_BANNED = 418
_TOO_MANY = 429
_SERVER_FAILED = 500  # this and above: the request may have succeeded all the same

_ENGINE_REFUSED = -2010
_CANCEL_REJECTED = -2011
_CREDENTIALS = frozenset({-1022, -2014, -2015})
_RATES = frozenset({-1003, -1015})

_SHORTEST_BAN = 120_000  # ms, as documented
_SHORTEST_WINDOW = 10_000  # ms: the shortest rate limit interval


def placed(answer: ApiAnswer) -> Answer:
    """The answer to ``order.place``."""
    if answer.status == OK:
        report = _report(answer)
        return report if isinstance(report, Unknown) else Accepted(report)
    error = answer.error
    if error is None or answer.status >= _SERVER_FAILED:
        return _unknown(answer)
    if error.code == _ENGINE_REFUSED and "duplicate" in error.msg.lower():
        return Unknown("duplicate", error.code)
    kind = _refusal(answer.status, error)
    if kind is None:
        return _unknown(answer)
    return Refused(kind, error.code, error.msg, error.data.retry_after if error.data else None)


def cancelled(answer: ApiAnswer) -> CancelAnswer:
    """The answer to ``order.cancel``."""
    if answer.status == OK:
        report = _report(answer)
        return report if isinstance(report, Unknown) else CancelAccepted(report)
    error = answer.error
    if error is None or answer.status >= _SERVER_FAILED:
        return _unknown(answer)
    if error.code == _CANCEL_REJECTED or _refusal(answer.status, error) is not None:
        return CancelRefused(error.code, error.msg)
    return _unknown(answer)


def refuses_credentials(answer: ApiAnswer) -> bool:
    """Is it our key or signature that is refused, so that only a person can mend it?"""
    if answer.status == OK:
        return False
    return answer.status == _UNAUTHORIZED or (answer.error is not None and answer.error.code in _CREDENTIALS)


def halt_until(answer: ApiAnswer, now: int) -> int | None:
    """If we asked too much: the time (ms) before which nothing may be asked."""
    error = answer.error
    if answer.status not in (_TOO_MANY, _BANNED) and (error is None or error.code not in _RATES):
        return None
    if error is not None and error.data is not None and error.data.retry_after is not None:
        return error.data.retry_after
    return now + (_SHORTEST_BAN if answer.status == _BANNED else _SHORTEST_WINDOW)


def described(answer: ApiAnswer) -> str:
    if answer.error is None:
        return f"status {answer.status}"
    return f"{answer.error.code} {answer.error.msg}".rstrip()


def _report(answer: ApiAnswer) -> Report | Unknown:
    row = read_result(answer, OrderRow)
    if isinstance(row, Garbled):
        return Unknown(f"unreadable answer: {row.why}")
    try:
        return report_of(row)
    except ValueError as error:
        return Unknown(f"unreadable answer: {error}")


def _unknown(answer: ApiAnswer) -> Unknown:
    return Unknown(described(answer), answer.error.code if answer.error else None)


def _refusal(status: int, error: ApiError) -> Refusal | None:
    """The kind of a definite no; None where the outcome is open."""
    match error.code:
        case -1003 | -1015:
            return Refusal.TOO_MANY
        case -1013:
            return _gateway_refusal(error.msg.lower())
        case -1021:
            return Refusal.CLOCK
        case -1022 | -2014 | -2015:
            return Refusal.CREDENTIALS
        case -2010:
            return _engine_refusal(error.msg.lower())
        case code if -1199 <= code <= -1100:
            return Refusal.MALFORMED
    match status:
        case 429 | 418:
            return Refusal.TOO_MANY
        case 401:
            return Refusal.CREDENTIALS
        case 403:
            return Refusal.OTHER  # the web application firewall
        case _:
            return None


def _gateway_refusal(message: str) -> Refusal:
    if "market is closed" in message:
        return Refusal.MARKET_CLOSED
    if "self-trade prevention" in message:
        return Refusal.MALFORMED
    return Refusal.FILTER


def _engine_refusal(message: str) -> Refusal:
    if "insufficient balance" in message:
        return Refusal.BALANCE
    if "market is closed" in message:
        return Refusal.MARKET_CLOSED
    if "not permitted" in message or "disabled on this account" in message:
        return Refusal.FORBIDDEN
    if "max_num" in message:
        return Refusal.TOO_MANY
    if "filter failure" in message:
        return Refusal.FILTER
    return Refusal.OTHER
