"""Keeps one kind of connection up: replaces the current connection when it ends or is 23 h old.

    connecting ──> up ──> ending ──> replaced ──> closed
        │                    │
        │                    └ 23 h old, or the exchange announced a shutdown: the next connection is made
        │                      while this one is still used; this one closes when the next one is up
        └ failed or lost: the next connection is made after a pause

Binance closes every connection after 24 h, and announces a shutdown on the connection itself. Nothing is lost if
the next connection is up, and subscribed, before the old one closes.
"""

import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import structlog
import trio

from naived.websocket import Closed, ConnectError, WebSocket

_log = structlog.get_logger(__name__)

Connect: TypeAlias = Callable[[str], AbstractAsyncContextManager[WebSocket]]

_PING_EVERY = 20  # seconds: a market without trades sends nothing, so only a missing pong shows a dead connection
_PONG_TIMEOUT = 10  # seconds
_MAX_AGE = 23 * 3600  # seconds: an hour before the exchange closes it
_FIRST_PAUSE = 1  # seconds after the first failure, doubled after each further one
_LONGEST_PAUSE = 15  # seconds: we are back within 30 s of an outage's end; 300 attempts in 5 minutes are allowed
# How long no further attempt is made after one that was answered with this status: seconds, the shortest and the
# longest that is believed of its Retry-After.
_BARRED = {429: (10, 60), 418: (120, 3 * 86_400)}
_MEANINGS = {
    403: "it blocks this address",
    418: "it has banned this address for a while",
    429: "it had too many requests from this address",
    451: "it does not serve this address's region",
}
_STABLE_AFTER = 60  # seconds: the loss of a connection that was up this long is not counted as a failure


class Connection:
    """The state of one connection, created before it connects. Its runner sets it, ``keep_connected`` reads it."""

    def __init__(self, previous: "Connection | None" = None) -> None:
        self.ending = trio.Event()  # the next connection is needed
        self.replaced = trio.Event()  # the next connection is up: this one may close
        self.reason = ""
        self.pause = 0.0  # seconds: the least wait before the next connection
        self.up_at: float | None = None  # trio's time
        self.scope = trio.CancelScope()
        self._previous = previous

    def mark_up(self) -> None:
        """This connection is in use: the previous one may close."""
        self.up_at = trio.current_time()
        if self._previous is not None:
            self._previous.replaced.set()
            self._previous = None

    def fail(self, error: ConnectError) -> None:
        """It was not made: ask for the next one, but not before the exchange wants to see it."""
        self.end(said(error), barred(error))

    def end(self, reason: str, pause: float = 0.0) -> None:
        """Ask for the next connection; only the first reason counts."""
        if not self.ending.is_set():
            self.reason, self.pause = reason, pause
            self.ending.set()

    async def wait_replaced(self) -> None:
        """Return when the next connection is up; asks for one when this one is too old."""
        with trio.move_on_after(_MAX_AGE):
            await self.ending.wait()
        self.end("a day old")
        await self.replaced.wait()


async def keep_connected(
    name: str, run: Callable[[Connection], Awaitable[None]], jitter: Callable[[], float] = random.random
) -> None:
    """Run one connection after the other until cancelled; ``name`` is for the log.

    ``run`` connects, calls ``mark_up``, and returns when the connection is over; it may raise ConnectError.
    ``jitter`` gives a number in [0, 1) that shortens a pause by up to half, so that not all clients return at once.
    """
    failures = 0
    last_up: Connection | None = None
    async with trio.open_nursery() as nursery:
        while True:
            connection = Connection(last_up)
            nursery.start_soon(_run, run, connection)
            await connection.ending.wait()
            if connection.up_at is None:
                # If it came up later, nothing would ever replace it.
                connection.scope.cancel()
                failures += 1
            else:
                last_up = connection
                failures = 0 if trio.current_time() - connection.up_at >= _STABLE_AFTER else failures + 1
            was_up = connection.up_at is not None
            _log.info("connection ends", connection=name, reason=connection.reason, was_up=was_up)
            await trio.sleep(max(connection.pause, _back_off(failures) * (1 - jitter() / 2)))


def said(error: ConnectError) -> str:
    """Why no connection was made, with what the exchange means by its status."""
    meaning = _MEANINGS.get(error.status or 0)
    return str(error) if meaning is None else f"{error}: {meaning}"


def barred(error: ConnectError) -> float:
    """Seconds for which the exchange wants no further attempt: each one during a ban may prolong it."""
    shortest, longest = _BARRED.get(error.status or 0, (0, 0))
    return float(min(max(error.retry_after or shortest, shortest), longest))


def _back_off(failures: int) -> float:
    """Seconds to wait after this many failures in a row."""
    if failures == 0:
        return 0
    return float(min(_LONGEST_PAUSE, _FIRST_PAUSE << min(failures - 1, 4)))


async def _run(run: Callable[[Connection], Awaitable[None]], connection: Connection) -> None:
    try:
        with connection.scope:
            await run(connection)
    except ConnectError as error:
        connection.fail(error)
    finally:
        connection.end("closed")


async def read_frames(socket: WebSocket, take: Callable[[str], None]) -> Closed:
    """Call ``take`` with every frame, and ping; returns why the connection ended.

    ``take`` may raise Closed to end it.
    """
    end = Closed(f"silent: no answer to our ping within {_PONG_TIMEOUT} s")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_cancel_without_pong, socket, nursery.cancel_scope)
        try:
            while True:
                take(await socket.receive())
        except Closed as error:
            end = error
        nursery.cancel_scope.cancel()
    return end


async def _cancel_without_pong(socket: WebSocket, scope: trio.CancelScope) -> None:
    try:
        while True:
            await trio.sleep(_PING_EVERY)
            with trio.fail_after(_PONG_TIMEOUT):
                await socket.ping()
    except (Closed, trio.TooSlowError):
        scope.cancel()
