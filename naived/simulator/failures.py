"""The errors that an armed fault answers with, status and words as the exchange has them.

A ``code`` below 0 is the exchange's own, with the status that goes with it; one above 0 is the status alone, for
what comes from a gateway before anybody could give it a code.
"""

from naived.simulator.errors import ApiError
from naived.simulator.faults import Fault
from naived.simulator.limits import Limits

_REFUSED = 400
_TOO_MANY = 429
_BANNED = 418
_UNKNOWN = -1000
_NO_BALANCE = -2010

_STATUS = {
    -1000: 500,
    -1001: 500,
    -1003: _TOO_MANY,
    -1006: 500,
    -1007: 504,
    -1008: 503,
    -1015: _TOO_MANY,
    -1016: 503,
    -2015: 401,
}
_CODE = {401: -2015, _BANNED: -1003, _TOO_MANY: -1003}
_TEXT = {
    -1000: "An unknown error occurred while processing the request.",
    -1001: "Internal error; unable to process your request. Please try again.",
    -1003: "Too much request weight used; current limit is 6000 request weight per 1 MINUTE. "
    "Please use WebSocket Streams for live updates to avoid polling the API.",
    -1006: "An unexpected response was received from the message bus. Execution status unknown.",
    -1007: "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
    -1008: "Server is currently overloaded with other requests. Please try again in a few minutes.",
    -1013: "The request is rejected by the API.",
    -1015: "Too many new orders; current limit is 50 orders per 10 SECOND.",
    -1016: "This service is no longer available.",
    -1021: "Timestamp for this request is outside of the recvWindow.",
    -1022: "Signature for this request is not valid.",
    -2010: "Account has insufficient balance for requested action.",
    -2011: "Unknown order sent.",
    -2013: "Order does not exist.",
    -2015: "Invalid API-key, IP, or permissions for action.",
}
_RETRY = 1.0  # seconds until a request refused with 429 may be asked again, when the fault does not say
_BAN = 120.0  # seconds; the shortest ban that is documented


def failure(fault: Fault, limits: Limits, now: int) -> ApiError:
    """What the request gets for an answer. A ban (418) begins with it, and refuses everything until it ends."""
    code = _NO_BALANCE if fault.kind == "balance" else fault.code
    if code == _BANNED:
        return limits.ban(now, _until(fault, _BAN, now))
    status = code if code > 0 else _STATUS.get(code, _REFUSED)
    if code > 0:
        code = _CODE.get(status, _UNKNOWN)
    data = {"serverTime": now, "retryAfter": _until(fault, _RETRY, now)} if status == _TOO_MANY else None
    return ApiError(code, _TEXT.get(code, _TEXT[_UNKNOWN]), status, data)


def _until(fault: Fault, usual: float, now: int) -> int:
    return now + int(1000 * (usual if fault.seconds is None else fault.seconds))
