"""Decodes the frames of Binance's two sockets, and encodes our requests.

A frame that cannot be decoded is a ``Garbled`` value, not an exception. Unknown fields and repeated keys are
ignored: the exchange adds fields at any time, and its own samples repeat keys.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import msgspec

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Garbled:
    """A frame that does not follow the protocol."""

    why: str


class MarketTrade(msgspec.Struct, gc=False, frozen=True, tag_field="e", tag="trade"):
    """One ``<symbol>@trade`` event; price and quantity are decimal text, ``time`` is the trade's (ms)."""

    symbol: str = msgspec.field(name="s")
    id: int = msgspec.field(name="t")
    price: str = msgspec.field(name="p")
    quantity: str = msgspec.field(name="q")
    time: int = msgspec.field(name="T")


class Shutdown(msgspec.Struct, gc=False, frozen=True, tag_field="e", tag="serverShutdown"):
    """This server will close soon: move to a new connection now."""


class RequestError(msgspec.Struct, gc=False, frozen=True):
    """An error in ``error``. The documented form has ``code`` and ``msg`` in the frame itself; both forms occur."""

    code: int
    msg: str = ""


class MarketFrame(msgspec.Struct, gc=False, frozen=True):
    """A combined stream's frame: an event in ``data``, or the answer to our request ``id``."""

    data: MarketTrade | Shutdown | None = None
    kind: str = msgspec.field(name="e", default="")
    id: int | None = None
    error: RequestError | None = None
    code: int | None = None
    msg: str = ""

    @property
    def shutdown(self) -> bool:
        """Does the server announce its shutdown, in ``data`` or, as a raw stream does, in the frame itself?"""
        return type(self.data) is Shutdown or self.kind == "serverShutdown"

    @property
    def refusal(self) -> str | None:
        """Code and message of an error."""
        if self.error is not None:
            return f"{self.error.code} {self.error.msg}"
        return None if self.code is None else f"{self.code} {self.msg}"


class ExecutionReport(msgspec.Struct, gc=False, frozen=True, tag_field="e", tag="executionReport"):
    """A report on one order; the field table is Binance's ``user-data-stream.md``."""

    symbol: str = msgspec.field(name="s")
    client_order_id: str = msgspec.field(name="c")
    side: str = msgspec.field(name="S")
    quantity: str = msgspec.field(name="q")
    price: str = msgspec.field(name="p")
    execution: str = msgspec.field(name="x")
    status: str = msgspec.field(name="X")
    order_id: int = msgspec.field(name="i")
    last_quantity: str = msgspec.field(name="l")
    executed: str = msgspec.field(name="z")
    last_price: str = msgspec.field(name="L")
    last_quote: str = msgspec.field(name="Y")
    time: int = msgspec.field(name="T")
    created: int = msgspec.field(name="O")
    cancelled_id: str = msgspec.field(name="C", default="")
    fee: str | None = msgspec.field(name="n", default=None)
    fee_asset: str | None = msgspec.field(name="N", default=None)
    trade_id: int = msgspec.field(name="t", default=-1)
    maker: bool = msgspec.field(name="m", default=False)


class StreamTerminated(msgspec.Struct, gc=False, frozen=True, tag_field="e", tag="eventStreamTerminated"):
    """Our user data subscription ended: subscribe again."""


class OtherEvent(msgspec.Struct, gc=False, frozen=True):
    """A user event that we do not use: balances are read by queries."""

    kind: str = msgspec.field(name="e")


UserEvent: TypeAlias = ExecutionReport | StreamTerminated | Shutdown | OtherEvent


class RateLimit(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    """One row of ``rateLimits``; ``count`` is absent in ``exchangeInfo``."""

    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int
    count: int | None = None


class ErrorData(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    """Times in ms since 1970."""

    server_time: int | None = None
    retry_after: int | None = None


class ApiError(msgspec.Struct, gc=False, frozen=True):
    code: int
    msg: str = ""
    data: ErrorData | None = None


class ApiAnswer(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    """An answer; ``id`` is the request's, or None if it answers no request (status 401: our key was revoked)."""

    status: int
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: ApiError | None = None
    rate_limits: tuple[RateLimit, ...] = ()


_ABSENT = msgspec.Raw()


class _ApiFrame(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    """Either kind of frame: an event has ``event``, an answer has ``status``."""

    event: msgspec.Raw = _ABSENT
    status: int | None = None
    id: int | str | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: ApiError | None = None
    rate_limits: tuple[RateLimit, ...] = ()


_market = msgspec.json.Decoder(MarketFrame)
_frame = msgspec.json.Decoder(_ApiFrame)
_event = msgspec.json.Decoder(ExecutionReport | StreamTerminated | Shutdown)
_other_event = msgspec.json.Decoder(OtherEvent)
_KNOWN_EVENTS = frozenset({"executionReport", "eventStreamTerminated", "serverShutdown"})
_encoder = msgspec.json.Encoder()

# JSON with a thousand nested levels raises RecursionError, even inside a field that we do not read.
_UNREADABLE = (msgspec.DecodeError, RecursionError)


def read_market(text: str) -> MarketFrame | Garbled:
    """Decode a frame of a market stream connection."""
    try:
        return _market.decode(text)
    except _UNREADABLE as error:
        return Garbled(str(error))


def read_api(text: str) -> ApiAnswer | UserEvent | Garbled:
    """Decode a frame of a WebSocket API connection."""
    try:
        frame = _frame.decode(text)
        if frame.event is not _ABSENT:
            other = _other_event.decode(frame.event)
            return _event.decode(frame.event) if other.kind in _KNOWN_EVENTS else other
    except _UNREADABLE as error:
        return Garbled(str(error))
    if frame.status is None:
        return Garbled("neither an answer nor an event")
    if isinstance(frame.id, str):
        return Garbled("an answer to a request that is not ours")
    return ApiAnswer(frame.status, frame.id, frame.result, frame.error, frame.rate_limits)


def read_result(answer: ApiAnswer, shape: type[T]) -> T:
    """Decode the ``result`` of an answer; raises ValueError."""
    try:
        return msgspec.json.decode(answer.result, type=shape)
    except RecursionError as error:
        raise ValueError(str(error)) from error  # msgspec's own errors are ValueErrors


def request(number: int, method: str, params: Mapping[str, object] | Sequence[str]) -> str:
    """The text of one request; on a stream socket ``params`` is a list of stream names."""
    return _encoder.encode({"id": number, "method": method, "params": params}).decode()
