"""The session: a connection to the WebSocket API with a user data stream, and the requests that go over it.

`UserSession` runs the connection: it is up once the server's clock was read and the user data stream is subscribed.
The next connection is up before this one closes, and this one closes when no request is in flight on it.
`ApiClient` sends requests over the newest connection. Each request has its own signature, so that any kind of key
works and no logon has to be repeated.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import assert_never

import msgspec
import structlog
import trio
from msgspec.structs import replace

from naived.binance.answers import OK, described, halt, placed, refuses_credentials, rejected
from naived.binance.api import ApiConnection, NoAnswer
from naived.binance.border import in_time, read
from naived.binance.clock import ServerClock
from naived.binance.codec import (
    AccountPosition,
    ApiAnswer,
    ExecutionReport,
    OtherEvent,
    Shutdown,
    StreamTerminated,
    UserEvent,
    read_limits,
    read_result,
)
from naived.binance.connection import Connect, Connection, read_frames
from naived.binance.limits import Limits, Use
from naived.binance.mapping import PositionRow, ServerTime, balance_of, fill_of_event, report_of_event
from naived.binance.refusals import Refusals
from naived.binance.signing import Credentials, Params, signed
from naived.core.amount import SCALE, Rate
from naived.core.orders.intent import Side
from naived.core.orders.report import Accepted, OrderStatus
from naived.ports import CredentialsError, ExchangeError, RefusedError, Sink
from naived.websocket import Closed, ConnectError, WebSocket

_log = structlog.get_logger(__name__)

PLACE = "order.place"
_SUBSCRIBE = "userDataStream.subscribe.signature"

_QUERY_TIMEOUT = 10  # seconds, the time after which the exchange itself gives up
_OPEN_TIMEOUT = 10  # seconds for the subscription
_OPEN_WEIGHT = 5  # of a connection (2), the time (1) and the subscription (2)
_DRAIN_TIMEOUT = 15  # seconds; the exchange gives up a request after 10
_WINDOW = 5000  # ms, the recvWindow of requests without a timestamp of their own
_CLOSE_POLL = 0.1  # seconds: by then the reader of a closed connection has nearly always reported it
_TIME_EVERY = 20  # seconds between readings of the server's clock: drift stays far below a millisecond
_READINGS = 3  # of the clock in one go: two that agree are believed, wherever the clock was before
_COUNT_PAUSE = 10  # seconds between two requests for the account's count of orders
_COUNT_WEIGHT = 40
_TIME_FAILURES = 3  # in a row: a server that answers our pings may have lost its connection to the exchange
_REFUSED_PAUSE = 60  # seconds between attempts with a refused key: only a person can correct it

_BAD_REQUEST = 400
_REQUEST_CODES = -1100  # this code and lower ones concern the request; higher ones server, network, weight, clock


class RequestRefused(RefusedError):
    """The exchange refused one query because of its content; ``code`` is Binance's."""

    def __init__(self, why: str, code: int) -> None:
        super().__init__(why)
        self.code = code


class ApiClient:
    """Sends requests over the newest connection. `UserSession` calls ``adopt``, ``drop`` and ``learn``.

    ``refusals`` counts what could not be read. ``charged``: what a fill of a symbol costs at least, of what it
    brings. ``renew``, with the reason, asks for a connection that replaces the newest one.
    """

    def __init__(self, credentials: Credentials, clock: ServerClock, limits: Limits, refusals: Refusals) -> None:
        self.clock = clock
        self.limits = limits
        self.refusals = refusals
        self.charged: dict[str, Rate] = {}
        self.renew: Callable[[str], None] = lambda _: None
        self._credentials = credentials
        self._connection: ApiConnection | None = None
        self._up = trio.Event()
        self._not_connected = ExchangeError, "not connected yet"

    @property
    def connected(self) -> bool:
        return self._connection is not None and not self._connection.closed

    async def wait_connected(self) -> None:
        """Wait for a connection that is up."""
        await self._up.wait()
        while not self.connected:  # closed, but ``drop`` was not called yet
            await trio.sleep(_CLOSE_POLL)
            await self._up.wait()

    def adopt(self, connection: ApiConnection, renew: Callable[[str], None] = lambda _: None) -> None:
        """Send requests over this connection from now on."""
        self._connection, self.renew = connection, renew
        self._up.set()

    def drop(self, connection: ApiConnection | None, reason: str, *, refused: bool) -> bool:
        """Record that a connection, or an attempt to connect (None), ended.

        Returns True if no connection is left, and that or the reason is new.
        """
        if self._connection is not connection and self.connected:
            return False
        not_connected = (CredentialsError if refused else ExchangeError), reason
        if self._connection is None and self._not_connected == not_connected:
            return False
        self._connection, self._not_connected = None, not_connected
        if self._up.is_set():
            self._up = trio.Event()
        return True

    async def send(
        self, method: str, params: Params, within: float, connection: ApiConnection | None = None
    ) -> ApiAnswer:
        """Sign and send once, with the current time unless a ``timestamp`` is given.

        Raises NoAnswer, or ExchangeError without a connection.
        """
        params = signed(_with_timestamp(params, self.clock.now()), self._credentials)
        return await (connection or self._current()).request(method, params, within)

    async def ask(self, method: str, params: Mapping[str, object], weight: int) -> ApiAnswer:
        """The answer to an unsigned query, within the rate limits; raises ExchangeError, or RequestRefused."""
        await self.limits.wait(Use.QUERY, weight)
        return _require_ok(method, await self._answer(method, params))

    async def ask_signed(self, method: str, params: Params, weight: int) -> ApiAnswer:
        """As ``ask``, for a signed query."""
        await self.limits.wait(Use.QUERY, weight)
        params = signed(_with_timestamp(params, self.clock.now()), self._credentials)
        return _require_ok(method, await self._answer(method, params))

    async def read_time(self, connection: ApiConnection | None = None) -> int:
        """Read the server's clock (ms) over this connection or the newest; raises ExchangeError."""
        for _ in range(_READINGS):
            _check_halt(self.limits)
            asked_at = trio.current_time()
            answer = await self._answer("time", {}, connection)
            try:
                server_time = read_result(answer, ServerTime).server_time
            except ValueError as error:
                if answer.status == OK:
                    self.refusals.add("the time of the server", str(error))
                raise ExchangeError(f"time: {described(answer)}") from error
            if self.clock.received(server_time, asked_at):
                return server_time
            self.refusals.add("the time of the server", f"{server_time} is far from what the clock was")
        raise ExchangeError("time: the readings of the exchange's clock contradict each other")

    def learn(self, answer: ApiAnswer, asked_at: float | None) -> None:
        """Update clock and rate limits from an answer, before any other request can be sent."""
        for why in answer.refused:
            self.refusals.add("a side field of an answer", why)
        data = None if answer.error is None else answer.error.data
        if asked_at is not None and data is not None and data.server_time is not None:
            # Without this, ``retryAfter`` would be compared with this machine's clock before the first reading.
            self.clock.received(data.server_time, asked_at)
        self.limits.learn(answer.rate_limits)
        wait = halt(answer, self.clock.now())
        if wait is not None:
            _log.warning("rate limit exceeded, everything waits", seconds=wait / 1000, answer=described(answer))
            self.limits.halt(wait)

    def _current(self) -> ApiConnection:
        if self._connection is None or self._connection.closed:
            kind, reason = self._not_connected
            raise kind(reason)
        return self._connection

    async def _answer(
        self, method: str, params: Mapping[str, object], connection: ApiConnection | None = None
    ) -> ApiAnswer:
        try:
            return await (connection or self._current()).request(method, params, _QUERY_TIMEOUT)
        except NoAnswer as error:
            raise ExchangeError(f"{method}: {error}") from error


def _check_halt(limits: Limits) -> None:
    """Raise ExchangeError if the exchange told us to wait, over another connection perhaps, since we asked."""
    if limits.halted:
        raise ExchangeError("the exchange told us to wait")


async def _confirm_counts(client: ApiClient) -> None:
    """Ask how many orders the account has placed in each interval; raises ExchangeError."""
    answer = await client.ask_signed("account.rateLimits.orders", {}, _COUNT_WEIGHT)
    note = client.refusals.adder("a count of orders")
    try:
        rows = read_result(answer, tuple[msgspec.Raw, ...])
    except ValueError as error:
        note(str(error))
        raise ExchangeError(f"account.rateLimits.orders: {error}") from error
    client.limits.learn(read_limits(rows, note), confirmed=True)


def _with_timestamp(params: Params, now: int) -> Params:
    return params if "timestamp" in params else {**params, "timestamp": now, "recvWindow": _WINDOW}


def _require_ok(method: str, answer: ApiAnswer) -> ApiAnswer:
    if answer.status == OK:
        return answer
    code = answer.error.code if answer.error else None
    why = f"{method}: {described(answer)}"
    if refuses_credentials(answer):
        raise CredentialsError(why)
    if answer.status != _BAD_REQUEST or code is None or code > _REQUEST_CODES:
        raise ExchangeError(why)
    raise RequestRefused(why, code)


class _KeyRevoked(Closed):
    """An answer to no request refuses our key: the outcome of the requests in flight is unknown."""


@dataclass(frozen=True, slots=True)
class UserSession:
    """``keep_connected`` calls ``run_connection``, which returns when that connection has ended."""

    client: ApiClient
    url: str
    connect: Connect
    sink: Sink

    async def run_connection(self, connection: Connection) -> None:
        try:
            await self.client.limits.wait(Use.CANCEL, _OPEN_WEIGHT)
            async with self.connect(self.url) as socket, trio.open_nursery() as nursery:
                api = ApiConnection(
                    socket,
                    on_answer=self.client.learn,
                    on_event=partial(self._take_event, connection),
                    on_unclaimed=self._take_unclaimed,
                    on_garbled=self.client.refusals.add,
                )
                nursery.start_soon(self._read, socket, api, connection, nursery.cancel_scope)
                if await self._open(api, connection):
                    nursery.start_soon(self._keep_time, api, connection)
                    nursery.start_soon(self._confirm_counts)
                    await connection.wait_replaced()
                    await api.drained(_DRAIN_TIMEOUT)
                nursery.cancel_scope.cancel()
        except ConnectError as error:
            connection.fail(error)
            self._end(None, connection, connection.reason)
        except ExchangeError as error:
            self._end(None, connection, str(error))

    async def _open(self, api: ApiConnection, connection: Connection) -> bool:
        """Read the clock and subscribe to the user data stream; False if that failed."""
        try:
            await self.client.read_time(api)
            _check_halt(self.client.limits)
            answer = await self.client.send(_SUBSCRIBE, {}, _OPEN_TIMEOUT, api)
            if answer.status != OK:
                why = f"the exchange refuses a session: {described(answer)}"
                if refuses_credentials(answer):
                    raise CredentialsError(f"{why.rstrip('.')}. To see what is wrong with the key: naived check")
                raise ExchangeError(why)
        except (NoAnswer, ExchangeError) as error:
            refused = isinstance(error, CredentialsError)
            if refused or not api.closed:  # if it is closed, the reader reports why
                self._end(None, connection, str(error), refused=refused)
            return False
        self.client.adopt(api, connection.end)
        connection.mark_up()
        _log.info("session is up", url=self.url)
        self.sink.opened()
        return True

    async def _read(
        self, socket: WebSocket, api: ApiConnection, connection: Connection, scope: trio.CancelScope
    ) -> None:
        end = Closed("naived ends")
        try:
            end = await read_frames(socket, api.take)
        finally:
            api.lose(str(end))
        self._end(api, connection, str(end), refused=isinstance(end, _KeyRevoked))
        scope.cancel()

    async def _keep_time(self, api: ApiConnection, connection: Connection) -> None:
        failures = 0
        while True:
            await trio.sleep(_TIME_EVERY)
            try:
                await self.client.limits.wait(Use.QUERY, 1)
                await self.client.read_time(api)
                failures = 0
            except ExchangeError as error:
                _log.warning("the exchange's clock was not read", reason=str(error))
                failures += 1
                if failures == _TIME_FAILURES:
                    connection.end("pings are answered, requests are not")

    async def _confirm_counts(self) -> None:
        while True:
            await self.client.limits.doubtful()
            try:
                await _confirm_counts(self.client)
            except ExchangeError as error:
                _log.warning("a limit of orders seems reached and was not confirmed", reason=str(error))
            await trio.sleep(_COUNT_PAUSE)

    def _end(
        self, api: ApiConnection | None, connection: Connection, reason: str, *, refused: bool = False
    ) -> None:
        connection.end(reason, _REFUSED_PAUSE if refused else 0)
        if self.client.drop(api, reason, refused=refused):
            self.sink.closed(reason)

    def _take_event(self, connection: Connection, event: UserEvent) -> None:
        match event:
            case ExecutionReport():
                refusing = self.client.refusals.refusing("an execution report")
                with refusing if event.ours else suppress(ValueError):
                    self._take_report(event)
            case AccountPosition(time, rows):
                with self.client.refusals.refusing("balances"):
                    self._take_balances(rows, in_time(time, self.client.clock.latest_time))
            case Shutdown():
                connection.end("the server shuts down")
            case StreamTerminated():
                raise Closed("the user data stream was terminated")
            case OtherEvent(kind):
                _log.debug("user event", kind=kind)
            case _:
                assert_never(event)

    def _take_balances(self, rows: Sequence[msgspec.Raw], time: int) -> None:
        """Pass on those that can be read."""
        balances = {}
        for row in rows:
            with self.client.refusals.refusing("a balance"):
                asset, balance = balance_of(read(row, PositionRow, lambda _why: None))
                balances[asset] = balance
        self.sink.balances(balances, time)

    def _take_report(self, event: ExecutionReport) -> None:
        """Pass it on; without its fill if that cannot be read, so that it is asked for. Raises ValueError.

        A person's own orders have what ours never have: no price, no fee, no trade of their own.
        """
        until = self.client.clock.latest_time
        report = report_of_event(event, until)
        if report.status is OrderStatus.REJECTED:
            report = replace(report, refusal=rejected(event.reject_reason))
        refusing = self.client.refusals.refusing("the fill of an execution report")
        with refusing if event.ours else suppress(ValueError):
            fill = fill_of_event(event, until)
            if fill is not None:
                if fill.quantity > report.executed:
                    raise ValueError("one fill is more than all fills")
                buy, asset = report.side is Side.BUY, fill.fee_asset
                brought = fill.quantity if buy else fill.quote
                # In a third asset the fee of a small fill is less than its smallest part.
                own = fill.symbol.startswith(asset) if buy else fill.symbol.endswith(asset)
                if not fill.fee and own and brought * self.client.charged.get(fill.symbol, 0) >= SCALE:
                    raise ValueError("it cost no fee, and the account pays fees")
                report = replace(report, fills=(fill,))
        self.sink.report(report)

    def _take_unclaimed(self, method: str | None, answer: ApiAnswer) -> None:
        """Report an order that was accepted after its caller gave up; end the connection if our key was revoked."""
        if method == PLACE:
            outcome = placed(answer, self.client.clock.now(), self.client.clock.latest_time)
            if isinstance(outcome, Accepted):
                self.sink.report(outcome.report)
        elif method is None:
            if refuses_credentials(answer):
                raise _KeyRevoked(f"the exchange refuses our key from now on: {described(answer)}")
            _log.warning("answer to no request", answer=described(answer))
