"""Decodes the frames of Binance's two sockets, and encodes our requests.

A frame that cannot be decoded is a ``Garbled`` value, not an exception. Unknown fields and repeated keys are
ignored: the exchange adds fields at any time, and its own samples repeat keys.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeAlias, TypeVar

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from naived.binance.border import UNREADABLE, Code, FillId, Id, MicroTime, OrderId, Time, message, read
from naived.core.orders.client_id import is_naived

T = TypeVar("T")

_LONGEST_INTERVAL = 3600  # of any unit
_MARKET_FRAME = "a frame of a market stream"  # what is garbled
_MOST_ABOVE = 10  # times its limit: no count is higher
_HIGHEST_LIMIT = 1_000_000_000  # requests or orders in an interval; the exchange's are below a million


@dataclass(frozen=True, slots=True)
class Garbled:
    """A frame that does not follow the protocol; ``kind`` names it, ``id`` is that of our request if it has one."""

    why: str
    kind: str = "a frame of the WebSocket API"
    id: int | None = None


class MarketTrade(msgspec.Struct, gc=False, frozen=True, tag_field="e", tag="trade"):
    """One ``<symbol>@trade`` event; price and quantity are decimal text, ``time`` is the trade's (ms)."""

    symbol: str = msgspec.field(name="s")
    id: Id = msgspec.field(name="t")
    price: str = msgspec.field(name="p")
    quantity: str = msgspec.field(name="q")
    time: Time = msgspec.field(name="T")


class WholeTrade(MarketTrade, gc=False, frozen=True, tag_field="e", tag="trade"):
    """The same with all that a tape needs; ``time`` is microseconds."""

    time: MicroTime = msgspec.field(name="T")
    buyer_is_maker: bool = msgspec.field(name="m")


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
            return message(f"{self.error.code} {self.error.msg}")
        return None if self.code is None else message(f"{self.code} {self.msg}")


class WholeFrame(MarketFrame, gc=False, frozen=True):
    """A frame of a connection that asked for microseconds."""

    data: WholeTrade | Shutdown | None = None


class Execution(msgspec.Struct, gc=False, frozen=True):
    """What a report says of the fill that caused it. Times in ms."""

    quantity: str = msgspec.field(name="l")
    price: str = msgspec.field(name="L")
    quote: str = msgspec.field(name="Y")
    time: Time = msgspec.field(name="T")
    trade_id: FillId = msgspec.field(name="t")
    fee: str = msgspec.field(name="n")
    maker: bool = msgspec.field(name="m")
    fee_asset: str | None = msgspec.field(name="N", default=None)


class _Named(msgspec.Struct, gc=False, frozen=True):
    """Whose order a report is of."""

    client_order_id: str = msgspec.field(name="c")
    cancelled_id: str | None = msgspec.field(name="C", default=None)

    @property
    def ours(self) -> bool:
        """Was it placed by a naived? One that a person amended has an id of the exchange's own afterwards."""
        return is_naived(self.client_order_id) or is_naived(self.cancelled_id or "")


class ExecutionReport(_Named, gc=False, frozen=True, kw_only=True):
    """What a report says of its order; the field table is Binance's ``user-data-stream.md``.

    ``raw`` is the whole report: ``execution_of`` reads the fill from it.
    """

    symbol: str = msgspec.field(name="s")
    side: str = msgspec.field(name="S")
    quantity: str = msgspec.field(name="q")
    price: str = msgspec.field(name="p")
    status: str = msgspec.field(name="X")
    order_id: OrderId = msgspec.field(name="i")
    time_in_force: str = msgspec.field(name="f", default="")
    executed: str = msgspec.field(name="z")
    created: Time = msgspec.field(name="O")
    kind: str = msgspec.field(name="x", default="")
    time: Time | None = msgspec.field(name="T", default=None)
    total: str = msgspec.field(name="Z", default="")
    expiry_reason: str = msgspec.field(name="eR", default="")
    reject_reason: str = msgspec.field(name="r", default="")
    prevented: str = msgspec.field(name="A", default="")
    raw: msgspec.Raw = msgspec.field(name=" raw", default=msgspec.Raw())


def execution_of(report: ExecutionReport) -> Execution:
    """The fill in a report; raises ValueError."""
    return read(report.raw, Execution, _ignore)


def _ignore(_why: str) -> None:
    """For a side field that is stored and shown, and decides nothing."""


class StreamTerminated(msgspec.Struct, gc=False, frozen=True):
    """Our user data subscription ended: subscribe again."""


class AccountPosition(msgspec.Struct, gc=False, frozen=True):
    """New balances of the assets that an order, a deposit or a withdrawal changed; each row is read by itself."""

    time: Time = msgspec.field(name="u")
    rows: tuple[msgspec.Raw, ...] = msgspec.field(name="B", default=())


class OtherEvent(msgspec.Struct, gc=False, frozen=True):
    """A user event that we do not use."""

    kind: str = msgspec.field(name="e")


UserEvent: TypeAlias = ExecutionReport | AccountPosition | StreamTerminated | Shutdown | OtherEvent


class RateLimit(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    """One row of ``rateLimits``; ``count`` is absent in ``exchangeInfo``."""

    rate_limit_type: str
    interval: str
    interval_num: Annotated[int, Meta(ge=1, le=_LONGEST_INTERVAL)]
    limit: Annotated[int, Meta(ge=1, le=_HIGHEST_LIMIT)]
    count: Annotated[int, Meta(ge=0)] | None = None


class ErrorData(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    """Times in ms since 1970; a ban until later than we can believe is shortened, so it has no upper bound here."""

    server_time: Time | None = None
    retry_after: int | None = None


class ApiError(msgspec.Struct, gc=False, frozen=True):
    code: Code
    msg: str = ""
    data: ErrorData | None = None


class ApiAnswer(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    """An answer; ``id`` is the request's, or None if it answers no request (status 401: our key was revoked).

    ``refused``: what beside the result could not be read, and was left out.
    """

    status: int
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: ApiError | None = None
    rate_limits: tuple[RateLimit, ...] = ()
    refused: tuple[str, ...] = ()


_ABSENT = msgspec.Raw()
_NULL = msgspec.Raw(b"null")


class _ApiFrame(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    """Either kind of frame: an event has ``event``, an answer has ``status``."""

    event: msgspec.Raw = _ABSENT
    status: msgspec.Raw = _ABSENT
    id: msgspec.Raw = _NULL
    result: msgspec.Raw = _NULL
    error: msgspec.Raw = _NULL
    rate_limits: msgspec.Raw = _NULL


class _RawError(msgspec.Struct, gc=False, frozen=True):
    code: Code
    msg: str = ""
    data: msgspec.Raw = _NULL


_market = msgspec.json.Decoder(MarketFrame)
_whole_market = msgspec.json.Decoder(WholeFrame)
_frame = msgspec.json.Decoder(_ApiFrame)
_event_kind = msgspec.json.Decoder(OtherEvent)
_report = msgspec.json.Decoder(ExecutionReport)
_id = msgspec.json.Decoder(int | str | None)
_status = msgspec.json.Decoder(Annotated[int, Meta(ge=100, le=599)])
_encoder = msgspec.json.Encoder()


def read_market(text: str) -> MarketFrame | Garbled:
    """Decode a frame of a market stream connection."""
    try:
        return _market.decode(text)
    except UNREADABLE as error:
        return Garbled(str(error), _MARKET_FRAME)


def read_whole_market(text: str) -> WholeFrame | Garbled:
    """Decode a frame of a market stream connection whose times are microseconds."""
    try:
        return _whole_market.decode(text)
    except UNREADABLE as error:
        return Garbled(str(error), _MARKET_FRAME)


def read_api(text: str) -> ApiAnswer | UserEvent | Garbled:
    """Decode a frame of a WebSocket API connection."""
    try:
        frame = _frame.decode(text)
        if frame.event is not _ABSENT:
            return _read_event(frame.event)
        number = _id.decode(frame.id)
    except UNREADABLE as error:
        return Garbled(str(error))
    if frame.status is _ABSENT:
        return Garbled("neither an answer nor an event")
    if isinstance(number, str):
        return Garbled("an answer to a request that is not ours")
    try:
        status = _status.decode(frame.status)
    except UNREADABLE as error:
        return Garbled(str(error), "the status of an answer", number)
    refused: list[str] = []
    failure = _read_error(frame.error, refused.append)
    limits = _read_limits(frame.rate_limits, refused.append)
    return ApiAnswer(status, number, frame.result, failure, limits, tuple(refused))


def _read_event(event: msgspec.Raw) -> UserEvent | Garbled:
    kind = _event_kind.decode(event).kind
    match kind:
        case "executionReport":
            try:
                return replace(_read_report(event), raw=event)
            except ValueError as error:
                # A person's own orders have what ours never have.
                return OtherEvent(kind) if _is_foreign(event) else Garbled(str(error), "an execution report")
        case "outboundAccountPosition":
            try:
                return read(event, AccountPosition, _ignore)
            except ValueError as error:
                return Garbled(str(error), "balances")
        case "eventStreamTerminated":
            return StreamTerminated()
        case "serverShutdown":
            return Shutdown()
        case _:
            return OtherEvent(kind)


def _is_foreign(event: msgspec.Raw) -> bool:
    """Is this report certainly of no order of a naived?"""
    try:
        return not read(event, _Named, _ignore).ours
    except ValueError:
        return False


def _read_report(event: msgspec.Raw) -> ExecutionReport:
    try:
        return _report.decode(event)
    except UNREADABLE:
        return read(event, ExecutionReport, _ignore)


def _read_error(raw: msgspec.Raw, on_side: Callable[[str], None]) -> ApiError | None:
    if raw == _NULL:
        return None
    try:
        error = read(raw, _RawError, on_side)
    except ValueError as unreadable:
        on_side(f"error: {unreadable}")
        return None
    data = None
    try:
        data = None if error.data == _NULL else read(error.data, ErrorData, on_side)
    except ValueError as unreadable:
        on_side(f"error.data: {unreadable}")
    return ApiError(error.code, message(error.msg), data)


def _read_limits(raw: msgspec.Raw, on_side: Callable[[str], None]) -> tuple[RateLimit, ...]:
    """The rows that can be read."""
    try:
        rows = msgspec.json.decode(raw, type=tuple[msgspec.Raw, ...] | None) or ()
    except UNREADABLE as error:
        on_side(f"rateLimits: {error}")
        return ()
    return read_limits(rows, on_side)


def read_limits(rows: Sequence[msgspec.Raw], on_side: Callable[[str], None]) -> tuple[RateLimit, ...]:
    """The rows of ``rateLimits`` that can be read; a count that exceeds its limit is as high as the limit.

    The exchange counts on above it: requests that it refuses, and those of other programs. One that is many times
    as high is no count.
    """
    limits = []
    for row in rows:
        try:
            limit = read(row, RateLimit, on_side)
            if limit.count is not None and limit.count > limit.limit * _MOST_ABOVE:
                raise ValueError(f"{limit.count} of {limit.limit} are counted")
            limits.append(limit if limit.count is None else replace(limit, count=min(limit.count, limit.limit)))
        except ValueError as error:
            on_side(f"rateLimits: {error}")
    return tuple(limits)


def read_result(answer: ApiAnswer, shape: type[T]) -> T:
    """Decode the ``result`` of an answer; raises ValueError."""
    try:
        return msgspec.json.decode(answer.result, type=shape)
    except RecursionError as error:
        raise ValueError(str(error)) from error  # msgspec's own errors are ValueErrors


def request(number: int, method: str, params: Mapping[str, object] | Sequence[str]) -> str:
    """The text of one request; on a stream socket ``params`` is a list of stream names."""
    return _encoder.encode({"id": number, "method": method, "params": params}).decode()
