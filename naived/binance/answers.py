"""What an answer to a order or a cancel means: done, certainly not done, or unknown.

Only a listed code says that this request created nothing; a 5xx, any other code and what cannot be read leave the
outcome unknown. Messages vary, so codes decide. The message of ``-2010``, the matching engine's refusal of a new
order, is read all the same: one of its messages ("duplicate") means that the order exists.
"""

from naived.binance.codec import ApiAnswer, ApiError, read_result
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
_SERVER_FAILED = 500  # this and above: the request may have succeeded all the same

_ENGINE_REFUSED = -2010
_CANCEL_REJECTED = -2011

_BY_CODE = {
    -1003: Refusal.TOO_MANY,
    -1015: Refusal.TOO_MANY,
    -1021: Refusal.CLOCK,
    -1022: Refusal.CREDENTIALS,
    -2014: Refusal.CREDENTIALS,
    -2015: Refusal.CREDENTIALS,
    **dict.fromkeys(range(-1199, -1099), Refusal.MALFORMED),
}
_BY_STATUS = {
    401: Refusal.CREDENTIALS,
    403: Refusal.OTHER,  # the web application firewall
    _BANNED: Refusal.TOO_MANY,
    _TOO_MANY: Refusal.TOO_MANY,
}
_BY_MESSAGE = {  # the first part that occurs in the message, in lower case
    -1013: {
        "market is closed": Refusal.MARKET_CLOSED,
        "self-trade prevention": Refusal.MALFORMED,
        "": Refusal.FILTER,
    },
    _ENGINE_REFUSED: {
        "insufficient balance": Refusal.BALANCE,
        "market is closed": Refusal.MARKET_CLOSED,
        "not permitted": Refusal.FORBIDDEN,
        "disabled on this account": Refusal.FORBIDDEN,
        "max_num": Refusal.TOO_MANY,
        "filter failure": Refusal.FILTER,
        "": Refusal.OTHER,
    },
}

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
    """Does the exchange refuse our key or signature, which only a person can correct?"""
    by_code = None if answer.error is None else _BY_CODE.get(answer.error.code)
    return answer.status != OK and Refusal.CREDENTIALS in (by_code, _BY_STATUS.get(answer.status))


def halt_until(answer: ApiAnswer, now: int) -> int | None:
    """The time (ms) before which nothing may be asked, if the exchange tells us to wait; else None."""
    error = answer.error
    if error is not None and error.data is not None and error.data.retry_after is not None:
        return error.data.retry_after
    if answer.status == _BANNED:
        return now + _SHORTEST_BAN
    if answer.status == _TOO_MANY or (error is not None and _BY_CODE.get(error.code) is Refusal.TOO_MANY):
        return now + _SHORTEST_WINDOW
    return None


def described(answer: ApiAnswer) -> str:
    """Code and message of an error, for a log line or a person."""
    if answer.error is None:
        return f"status {answer.status}"
    return f"{answer.error.code} {answer.error.msg}".rstrip()


def _report(answer: ApiAnswer) -> Report | Unknown:
    try:
        return report_of(read_result(answer, OrderRow))
    except ValueError as error:
        return Unknown(f"unreadable answer: {error}")


def _unknown(answer: ApiAnswer) -> Unknown:
    return Unknown(described(answer), answer.error.code if answer.error else None)


def _refusal(status: int, error: ApiError) -> Refusal | None:
    """Why nothing was created; None if the outcome is open."""
    if error.code in _BY_MESSAGE:
        message = error.msg.lower()
        return next(kind for part, kind in _BY_MESSAGE[error.code].items() if part in message)
    return _BY_CODE.get(error.code, _BY_STATUS.get(status))
