"""Serves one connection of the WebSocket API, and applies the faults of requests.

    frame -> parsed -> [disconnect, silence, request_lost, error] -> key, signature, time, weight
          -> [late] -> time again -> tail -> method (the engine commits, events are published)
          -> [reply_lost, error_after, disconnect with seconds] -> answer

The time of a request is checked twice, as the exchange does: on arrival and right before the engine.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
import trio

from naived.simulator.errors import ApiError
from naived.simulator.faults import PLACE, REQUEST, Fault, failure
from naived.simulator.methods import METHODS, Method
from naived.simulator.options import Options
from naived.simulator.params import Params, flat, legal_id
from naived.simulator.signing import check_time
from naived.simulator.steering import STEERING
from naived.simulator.streams import Outbox
from naived.simulator.users import Session
from naived.simulator.venue import Venue
from naived.simulator.wire import in_microseconds
from naived.websocket import WebSocket

_LATE = 2.0  # seconds that a late request takes, if the fault has none
_SILENCE = 60.0  # seconds that a connection is silent, if the fault has none
_REVOKED = 401
_INTERNAL = 500
_CONNECTING = 2  # weight of a connection

# Numbers with a point stay text: the signature is over the text, and money is never a float.
_decoder = msgspec.json.Decoder(float_hook=str)


_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """One parsed request; ``id`` is returned unchanged in the answer."""

    id: Any
    name: str
    params: Params


async def converse(venue: Venue, connection: WebSocket, outbox: Outbox, options: Options) -> None:
    """Serve one connection until it closes, a fault closes it, or it exceeds the limit; raises Closed, in a group.

    It counts as a connection from its first request that is not a ``sim.*`` one.
    """
    session = Session(
        outbox,
        venue.users.add(outbox, micro=options.micro),
        venue.clock(),
        return_rate_limits=options.return_rate_limits,
        micro=options.micro,
    )
    counted = False
    try:
        async with trio.open_nursery() as nursery:
            while True:
                request = _parse(await connection.receive(), outbox)
                if request is None:
                    continue
                if request.name.startswith("sim."):
                    outbox.send(_run_sim(venue, session, request))
                    continue
                if not counted:
                    counted = True
                    venue.limits.count_weight(_CONNECTING, venue.clock())
                    if not venue.limits.connect(venue.clock()):
                        nursery.cancel_scope.cancel()
                        return
                try:
                    fault = _take_fault(venue, request)
                except Exception as error:
                    outbox.send(_frame(request.id, _refusal(_as_refusal(error, request.name))))
                    continue
                match fault.kind if fault else None:
                    case "disconnect" if fault is not None and fault.seconds is None:
                        nursery.cancel_scope.cancel()
                        return
                    case "request_lost":
                        continue
                    case "silence":
                        await nursery.start(mute, connection, outbox, fault)
                handler = _RequestHandler(venue, session, request, fault)
                if not handler.begin():
                    continue
                if fault is not None and fault.kind == "late":
                    nursery.start_soon(handler.finish_later, _seconds(fault, _LATE))
                else:
                    handler.finish()
                if fault is not None and fault.kind == "disconnect":
                    nursery.start_soon(_cancel_after, nursery.cancel_scope, _seconds(fault, 0))
    finally:
        venue.users.remove(outbox)


async def _cancel_after(scope: trio.CancelScope, seconds: float) -> None:
    await trio.sleep(seconds)
    scope.cancel()


async def mute(
    connection: WebSocket,
    outbox: Outbox,
    fault: Fault | None,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Stall a connection for the seconds of its fault: no frame is sent, no ping is answered."""
    seconds = _seconds(fault, _SILENCE)
    outbox.pause(seconds)
    await connection.mute(seconds, task_status=task_status)


def _take_fault(venue: Venue, request: Request) -> Fault | None:
    symbol = request.params.get("symbol")
    venue.faults.act(request.name, symbol, venue.act)
    return venue.faults.take(REQUEST, method=request.name, symbol=symbol)


def _seconds(fault: Fault | None, usual: float) -> float:
    return usual if fault is None or fault.seconds is None else fault.seconds


class _RequestHandler:
    """Handles one request: ``begin`` on its arrival, ``finish`` when it reaches the engine."""

    def __init__(self, venue: Venue, session: Session, request: Request, fault: Fault | None) -> None:
        self._venue = venue
        self._session = session
        self._request = request
        self._fault = fault
        self._method: Method | None = METHODS.get(request.name)

    def begin(self) -> bool:
        """Count its weight, check key, signature and time; False if it was refused, and so answered."""
        venue, params = self._venue, self._request.params
        try:
            if self._method is None:
                raise _unsupported()
            venue.limits.take_weight(self._method.weight(params), venue.clock())
            self._method.check_names(params)
            if self._method.signed:
                check_time(params, venue.clock())
                if self._session.api_key is None or "apiKey" in params or "signature" in params:
                    venue.key.check(params)
            if self._fault is not None and self._fault.kind in ("error", "balance"):
                raise failure(self._fault, venue.limits, venue.clock())
        except Exception as error:
            self._refuse(error)
            return False
        return True

    def finish(self) -> None:
        """Check the time again, run the method and answer. After a tail it runs even if its connection closed."""
        venue, params = self._venue, self._request.params
        assert self._method is not None
        try:
            if self._method.signed:
                check_time(params, venue.clock())
        except Exception as error:
            self._refuse(error)
            return
        tail = venue.tail(self._request.name)
        if tail:
            venue.later(tail, self._run)
        else:
            self._run()

    def _run(self) -> None:
        venue, params, fault = self._venue, self._request.params, self._fault
        assert self._method is not None
        try:
            result = self._method.run(venue, self._session, params)
            if self._method.free:
                venue.limits.count_weight(-self._method.weight(params), venue.clock())
            if fault is not None and fault.kind == "not_found_lag":
                venue.hide(result["symbol"], result["orderId"], fault.seconds)
                if self._request.name != PLACE:
                    result = self._method.run(venue, self._session, params)  # the hidden order is not found now
            if fault is not None and fault.kind == "error_after":
                raise failure(fault, venue.limits, venue.clock())
            body: dict[str, Any] = {"status": 200, "result": result}
        except Exception as error:
            self._refuse(error)
        else:
            self._send(body)
        try:
            venue.faults.act(None, None, venue.act)
        except Exception:  # the request that let the armed action happen was answered already
            _log.exception("an armed action failed", after=self._request.name)

    async def finish_later(self, seconds: float) -> None:
        await trio.sleep(seconds)
        self.finish()

    def _refuse(self, error: Exception) -> None:
        self._send(_refusal(_as_refusal(error, self._request.name)))

    def _send(self, body: Mapping[str, Any]) -> None:
        # As at the exchange, the answer about a revoked key has no request id.
        number = None if body["status"] == _REVOKED else self._request.id
        if self._wants_limits():
            orders = self._method is not None and self._method.orders
            kinds = ("ORDERS", "REQUEST_WEIGHT") if orders else ("REQUEST_WEIGHT",)
            body = {**body, "rateLimits": self._venue.limits.rows(self._venue.clock(), kinds=kinds)}
        self._deliver(_frame(number, body, micro=self._session.micro))

    def _deliver(self, frame: str) -> None:
        fault, outbox = self._fault, self._session.outbox
        match fault.kind if fault else None:
            case "disconnect":
                return
            case "reply_lost" if fault is not None:
                if fault.seconds is not None:
                    self._venue.later(fault.seconds, lambda: outbox.send(frame))
            case _:
                outbox.send(frame)

    def _wants_limits(self) -> bool:
        wanted = self._request.params.get("returnRateLimits")
        return self._session.return_rate_limits if wanted is None else wanted != "false"


def _run_sim(venue: Venue, session: Session, request: Request) -> str:
    """Run a ``sim.*`` request; returns the answer's frame."""
    hand = STEERING.get(request.name)
    try:
        if hand is None:
            raise _unsupported()
        hand.check_names(request.params)
        body = {"status": 200, "result": hand.run(venue, request.params)}
    except Exception as error:
        body = _refusal(_as_refusal(error, request.name))
    return _frame(request.id, body, micro=session.micro)


def _as_refusal(error: Exception, name: str) -> ApiError:
    """What answers a request that failed: a fault of ours ends this request alone, and is logged."""
    if isinstance(error, ApiError):
        return error
    _log.error("a request failed", method=name, exc_info=error)
    return ApiError(-1000, "An unknown error occurred while processing the request.", _INTERNAL)


def _unsupported() -> ApiError:
    return ApiError(-1020, "This operation is not supported.")


def refused(error: ApiError) -> str:
    """The frame that refuses a whole connection."""
    return _frame(None, _refusal(error))


def _refusal(error: ApiError) -> dict[str, Any]:
    described: dict[str, Any] = {"code": error.code, "msg": error.message}
    if error.data is not None:
        described["data"] = error.data
    return {"status": error.status, "error": described}


def _frame(number: Any, body: Mapping[str, Any], *, micro: bool = False) -> str:
    body = in_microseconds(body) if micro else body
    return msgspec.json.encode({"id": number, **body}).decode()


def _parse(text: str, outbox: Outbox) -> Request | None:
    """The request in a frame; None if the frame is invalid, and then the error was sent."""
    number: Any = None
    try:
        frame = _decoder.decode(text)
        if not isinstance(frame, dict) or not isinstance(frame.get("method"), str):
            raise ApiError(-1135, "Invalid JSON Request")
        number, params = frame.get("id"), frame.get("params")
        if not legal_id(number):
            number = None
            raise ApiError(
                -1135,
                "Invalid 'id' in JSON request; expected an integer, a string matching "
                "'^[a-zA-Z0-9-_]{1,36}$', or null.",
            )
        if not isinstance(params, dict | None):
            raise ApiError(-1135, "Invalid JSON Request; 'params' must be an object")
        return Request(number, frame["method"].removeprefix("v3/"), flat(params or {}))
    except (msgspec.DecodeError, RecursionError):
        error = ApiError(-1135, "Invalid JSON Request")
    except ApiError as refused:
        error = refused
    outbox.send(_frame(number, _refusal(error)))
    return None
