"""The adapter for Binance spot of the port ``Exchange``: two sockets, one clock, one set of rate limits.

It is the same for production, the testnets and a local simulator; only the ``Endpoint`` differs.
"""

import random
from collections.abc import Callable

import trio

from naived.binance.answers import cancelled, placed
from naived.binance.api import NoAnswer
from naived.binance.clock import ServerClock
from naived.binance.connection import Connect, keep_connected
from naived.binance.endpoint import Endpoint
from naived.binance.limits import Limits, Use
from naived.binance.queries import Queries
from naived.binance.refusals import Refusals
from naived.binance.session import PLACE, ApiClient, UserSession
from naived.binance.signing import Credentials, Param
from naived.binance.streams import Streams
from naived.core.amount import format_wire
from naived.core.orders.intent import Side
from naived.core.orders.report import Answer, CancelAnswer, Unknown, Unsent
from naived.ports import ExchangeError, OrderRequest, Remarks, Sink
from naived.websocket import connect as connect_websocket

_ANSWER_TIMEOUT = 15  # seconds; the exchange itself gives up on its engine after 10, and answers that
# recvWindows of an order: after them it cannot be accepted any more, and a query gives the same information.
_ANSWER_WINDOWS = 3
_ORDER_WEIGHT = 1  # of an order or a cancel; the exchange gives it back on success

_MAX_MARGIN = 1000  # ms of a request's window, kept for clock drift and sending
_MARGIN_DIVISOR = 5  # or a fifth of the window, if that is less


class BinanceExchange(Queries):
    """Implements ``Exchange``; the queries are inherited.

    ``jitter`` gives numbers in [0, 1). ``clock`` is this machine's clock until the server's time was read.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: Credentials,
        *,
        connect: Connect = connect_websocket,
        jitter: Callable[[], float] = random.random,
        clock: ServerClock | None = None,
    ) -> None:
        self._clock = clock or ServerClock()
        self._limits = Limits(self._clock.now, self._clock.monotonic)
        self.sharers = 1
        self._refusals = Refusals(self._clock.now)
        super().__init__(ApiClient(credentials, self._clock, self._limits, self._refusals))
        self._api_url = endpoint.api_url
        self._connect = connect
        self._jitter = jitter
        self._streams = Streams(
            endpoint.stream_url, connect, jitter, self._refusals, lambda: self._clock.latest_time
        )

    async def run(self, sink: Sink) -> None:
        """See ``Exchange``."""
        session = UserSession(self._client, self._api_url, self._connect, sink)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_connected, "api", session.run_connection, self._jitter)
            nursery.start_soon(self._streams.run, sink)

    def renew(self, reason: str, symbol: str | None = None) -> None:
        """See ``Exchange``."""
        if symbol is None:
            self._client.renew(reason)
        else:
            self._streams.renew(symbol, reason)

    @property
    def remarks(self) -> Remarks:
        """See ``Exchange``."""
        limits = self._limits
        limited, of_buys = (limits.reached(use, self.sharers) for use in (Use.SELL, Use.BUY))
        return Remarks(limited, self._refusals.recent, limits.weight, self._clock.wrong, of_buys)

    def now(self) -> int:
        """See ``Exchange``."""
        return self._clock.now()

    def latest(self) -> int:
        """See ``Exchange``."""
        return self._clock.latest()

    def admit(self, side: Side) -> int | None:
        """See ``Exchange``."""
        now = self.now()
        return now if self.connected and self._limits.take(_use(side), _ORDER_WEIGHT, self.sharers) else None

    async def admission(self, side: Side) -> bool:
        """See ``Exchange``."""
        if not self.connected:  # else nobody runs between two sleeps of a sell, so no buy goes before it
            await self._client.wait_connected()
        await self._limits.sleep(_use(side), _ORDER_WEIGHT, self.sharers)
        return not self._limits.delay(_use(side), _ORDER_WEIGHT, self.sharers)

    async def place(self, request: OrderRequest) -> Answer:
        """See ``Exchange``. ``admit`` has already counted it."""
        if not self.connected:
            return Unsent("not connected")
        margin = min(_MAX_MARGIN, request.recv_window // _MARGIN_DIVISOR)
        if self.latest() >= request.timestamp + request.recv_window - margin:
            return Unsent("too late to send")
        if self._limits.halted:  # it may have been halted since ``admit``
            return Unsent("the exchange told us to wait")
        within = min(_ANSWER_TIMEOUT, _ANSWER_WINDOWS * request.recv_window / 1000)
        try:
            answer = await self._client.send(PLACE, _place_params(request), within)
            return placed(answer, self.now(), self._clock.latest_time)
        except NoAnswer as error:
            return Unknown(str(error))

    async def cancel(
        self, symbol: str, order_id: int, cancel_id: str, wanted: Callable[[], bool] = lambda: True
    ) -> CancelAnswer:
        """See ``Exchange``."""
        params: dict[str, Param] = {"symbol": symbol, "orderId": order_id, "newClientOrderId": cancel_id}
        try:
            await self._limits.wait(Use.CANCEL, _ORDER_WEIGHT)
            params["timestamp"] = self._clock.now()  # before the question: a pause behind it makes it too old
            if not wanted():
                return Unsent("its cancel is not ours to send any more")
            answer = await self._client.send("order.cancel", params, _ANSWER_TIMEOUT)
            return cancelled(answer, self._clock.latest_time)
        except NoAnswer as error:
            return Unknown(str(error))
        except ExchangeError as error:
            return Unsent(str(error))

    async def watch(self, symbol: str) -> None:
        """See ``Exchange``."""
        await self._streams.watch(symbol)

    async def unwatch(self, symbol: str) -> None:
        """See ``Exchange``."""
        self._streams.unwatch(symbol)


def _use(side: Side) -> Use:
    return Use.BUY if side is Side.BUY else Use.SELL


def _place_params(request: OrderRequest) -> dict[str, Param]:
    params: dict[str, Param] = {
        "symbol": request.symbol,
        "side": request.side.upper(),
        "type": "LIMIT",
        "timeInForce": "IOC" if request.ioc else "GTC",
        "price": format_wire(request.price),
        "quantity": format_wire(request.quantity),
        "newClientOrderId": request.client_order_id,
        "newOrderRespType": "FULL",
        "timestamp": request.timestamp,
        "recvWindow": request.recv_window,
    }
    if request.stp_mode is not None:
        params["selfTradePreventionMode"] = request.stp_mode
    return params
