"""The control protocol: JSON-RPC 2.0, one UTF-8 object per line, over a Unix stream socket.

Daemon and `naivectl` share this module, so it imports only the standard library, and little of that: no
dataclasses, datetime or decimal (each would add milliseconds to every `naivectl status`).

Later versions may add fields to answers; clients ignore unknown fields. The strict decoding of requests, which only
the daemon needs, is in `requests.py`, the methods are in `methods.py`.
"""

import json
import time
from collections.abc import Mapping
from enum import IntEnum

PROTO = 1
MIN_PROTO = 1

MAX_REQUEST = 64 * 1024  # bytes of one line without its newline: 2,000 symbols fit
MAX_SYMBOLS = 2_000  # names in one request: more than the exchange lists
MAX_ANSWER = 16 * 1024 * 1024  # bytes: 2,500 orders are 1 MiB, 500 symbols with traders too
MAX_ROWS = 2_500  # rows of `orders`, `trades` or `events` in one answer: read in a quarter of a second
LOCK = "naived.lock"  # in the home of a daemon, which holds it locked as long as its process lives

MAX_PATH = 107  # bytes: sockaddr_un holds 108 with the terminating zero

MAX_TEXT = 64  # characters of an id, a client order id or a decimal

# Default seconds that a request waits until the state it asked for is reached; None: forever.
TIMEOUTS: Mapping[str, float | None] = {"start": 30.0, "stop": 15.0, "shutdown": None, "wait": None}

SETTINGS = (
    *("chunks", "budget", "buy_down", "profit", "rebuy", "reprice"),  # copied by each new trader
    *("max_deviation", "spacing", "floor", "ceiling", "fall_guard"),  # bind the symbol
    *("stop_loss", "stop_slippage"),
)

LIMITS = ("max_exposure", "reserve", "max_daily_loss", "max_drawdown")  # of the account


class Code(IntEnum):
    """A JSON-RPC error code, its ``kind`` in documents, and `naivectl`'s exit code."""

    kind: str
    exit: int
    retryable: bool

    def __new__(cls, value: int, kind: str, exit: int, retryable: bool = False) -> "Code":
        member = int.__new__(cls, value)
        member._value_ = value
        member.kind = kind
        member.exit = exit
        member.retryable = retryable
        return member

    UNKNOWN_SYMBOL = -32001, "unknown_symbol", 4
    INVALID_TRANSITION = -32002, "invalid_transition", 1
    PERMISSION = -32003, "permission", 77
    TIMED_OUT = -32004, "timed_out", 124, True
    SOME_FAILED = -32005, "some_failed", 5
    NOT_CONFIGURED = -32006, "not_configured", 6
    DATABASE_UNAVAILABLE = -32007, "database_unavailable", 75, True
    EXCHANGE_UNAVAILABLE = -32008, "exchange_unavailable", 75, True
    QUARANTINED = -32009, "quarantined", 8
    VERSION_MISMATCH = -32010, "version_mismatch", 76
    BUSY = -32011, "busy", 75, True
    SLOW_CONSUMER = -32012, "slow_consumer", 1, True
    SUSPENDING = -32013, "suspending", 75, True
    PARSE_ERROR = -32700, "parse_error", 1
    INVALID_REQUEST = -32600, "invalid_request", 1
    METHOD_NOT_FOUND = -32601, "method_not_found", 1
    INVALID_PARAMS = -32602, "invalid_params", 2
    INTERNAL_ERROR = -32603, "internal_error", 1


class ControlError(Exception):
    """A request, or its part for one symbol, failed. ``message`` names the cause, ``hint`` the next step.

    ``data`` is additional JSON-able data, such as the state at a timeout.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        symbol: str | None = None,
        hint: str | None = None,
        data: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.symbol = symbol
        self.hint = hint
        self.data = data or {}

    def document(self) -> dict[str, object]:
        """The ``error`` of one entry of ``results``."""
        return {"kind": self.code.kind, "message": self.message, "hint": self.hint, "code": int(self.code)}

    def wire(self) -> dict[str, object]:
        """The ``error`` of a JSON-RPC answer."""
        known = {
            "kind": self.code.kind,
            "symbol": self.symbol,
            "hint": self.hint,
            "retryable": self.code.retryable,
        }
        return {"code": int(self.code), "message": self.message, "data": {**self.data, **known}}


def encode_body(document: Mapping[str, object]) -> bytes:
    """A document as compact ASCII, which is safe in a terminal, a log and `nc`.

    Raises ValueError or TypeError if it is not JSON-able.
    """
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode("ascii")


def encode_request(request_id: int | str, method: str, params: Mapping[str, object]) -> bytes:
    """A request as a line."""
    return encode_body({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}) + b"\n"


def result_parts(request_id: int | str, body: bytes) -> tuple[bytes, bytes, bytes]:
    """`encode_result` in parts, so that a large body for many clients is not copied for each."""
    return b'{"jsonrpc":"2.0","id":%b,"result":' % json.dumps(request_id).encode("ascii"), body, b"}\n"


def encode_result(request_id: int | str, body: bytes) -> bytes:
    """An encoded result as a line; one item of a stream looks the same."""
    return b"".join(result_parts(request_id, body))


def encode_error(request_id: int | str | None, error: ControlError) -> bytes:
    """An error as a line; the id is null if the request had no readable one."""
    return encode_body({"jsonrpc": "2.0", "id": request_id, "error": error.wire()}) + b"\n"


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float:
    """Seconds of ``500ms``, ``5s``, ``2m``, ``1h``; raises ValueError."""
    number = text.rstrip("msh")
    unit = _UNITS.get(text[len(number) :])
    if unit is None or not (number.isascii() and number.isdigit() and len(number) <= 9):
        raise ValueError(f"must be a duration like 500ms, 5s, 2m or 1h, not {text[:MAX_TEXT]!a}")
    return int(number) * unit


def format_time(milliseconds: int) -> str:
    """RFC 3339 in UTC with milliseconds: ``2026-11-22T07:00:05.123Z``."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:03d}Z"


_FIRST, _LAST = -62_135_596_800_000, 253_402_300_799_999  # ms since 1970 of the years 1 to 9999 in UTC


def parse_time(text: str) -> int:
    """Milliseconds since 1970 of an RFC 3339 time with its zone; raises ValueError."""
    from datetime import UTC, datetime, timedelta  # deferred: `naivectl status` parses no time

    try:
        moment = datetime.fromisoformat(text.upper())  # RFC 3339 allows t and z
    except ValueError as error:
        raise ValueError(f"must be a time like 2026-11-22T07:00:00Z, not {text[:MAX_TEXT]!a}") from error
    if moment.tzinfo is None:
        raise ValueError(f"must be a time with its zone, like 2026-11-22T07:00:00Z, not {text[:MAX_TEXT]!a}")
    milliseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    if not _FIRST <= milliseconds <= _LAST:  # no database stores it
        raise ValueError(f"must be a time of the years 1 to 9999 in UTC, not {text[:MAX_TEXT]!a}")
    return milliseconds
