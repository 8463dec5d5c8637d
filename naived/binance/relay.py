"""Keep one kind of connection up for ever: a relay, in which the next leg runs before the last one rests.

    connect ──> up ──> ending ──> relieved ──> closed
       │                  │ old age, serverShutdown: the next leg starts, this one goes on meanwhile
       └ failed, lost ────┴─> after a pause, the next leg

Binance ends every connection after 24 h and announces a shutdown on the connection itself; nothing is lost
when the successor is up, and subscribed, before the predecessor leaves.
"""

import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import structlog
import trio

from naived.websocket import Closed, ConnectError, Connection

_log = structlog.get_logger(__name__)

Connect: TypeAlias = Callable[[str], AbstractAsyncContextManager[Connection]]

_PING_EVERY = 20  # seconds: a quiet market is not silence, a missing pong is
_PONG_WITHIN = 10  # seconds
_OLD_AGE = 23 * 3600  # seconds: an hour before the exchange would close it
_FIRST_PAUSE = 1  # seconds after the first failure, doubled with each one
_LONGEST_PAUSE = 15  # seconds: who returned is back at work in half a minute; 300 attempts in 5 minutes are allowed
_STEADY = 60  # seconds: a connection that lived this long is no failure when it is lost


class Leg:
    """One connection's part in the relay. Its runner tells how it goes; the relay reads it."""

    def __init__(self, predecessor: "Leg | None" = None) -> None:
        self.ending = trio.Event()  # the next leg is wanted
        self.relieved = trio.Event()  # the next leg is up: this one may leave
        self.reason = ""
        self.pause = 0.0  # seconds to wait at least before the next leg
        self.up_at: float | None = None
        self.scope = trio.CancelScope()
        self._predecessor = predecessor

    def take_over(self) -> None:
        """This leg is up: its predecessor may leave."""
        self.up_at = trio.current_time()
        if self._predecessor is not None:
            self._predecessor.relieved.set()
            self._predecessor = None

    def end(self, reason: str, pause: float = 0.0) -> None:
        """Ask for the next leg; only the first reason counts."""
        if not self.ending.is_set():
            self.reason, self.pause = reason, pause
            self.ending.set()

    async def serve(self) -> None:
        """Wait until the successor is up; it is asked for at old age, or by ``end``."""
        with trio.move_on_after(_OLD_AGE):
            await self.ending.wait()
        self.end("a day old")
        await self.relieved.wait()


async def relay(
    name: str, run: Callable[[Leg], Awaitable[None]], jitter: Callable[[], float] = random.random
) -> None:
    """Run legs until cancelled. ``run`` connects, takes over, and returns when its connection is over.

    ``jitter`` gives a number in [0, 1): up to half of a pause is cut off, lest many clients return at once.
    """
    failures = 0
    last: Leg | None = None
    async with trio.open_nursery() as nursery:
        while True:
            leg = Leg(last)
            nursery.start_soon(_walk, run, leg)
            await leg.ending.wait()
            if leg.up_at is None:
                # Its turn is over before it began; were it to come up now, nobody would relieve it.
                leg.scope.cancel()
                failures += 1
            else:
                last = leg
                failures = 0 if trio.current_time() - leg.up_at >= _STEADY else failures + 1
            _log.info("connection ends", connection=name, reason=leg.reason, was_up=leg.up_at is not None)
            await trio.sleep(max(leg.pause, _back_off(failures) * (1 - jitter() / 2)))


def _back_off(failures: int) -> float:
    """Seconds to wait after so many failures in a row."""
    if failures == 0:
        return 0
    return float(min(_LONGEST_PAUSE, _FIRST_PAUSE << min(failures - 1, 4)))


async def _walk(run: Callable[[Leg], Awaitable[None]], leg: Leg) -> None:
    try:
        with leg.scope:
            await run(leg)
    except ConnectError as error:
        leg.end(str(error))
    finally:
        leg.end("closed")


async def attend(connection: Connection, take: Callable[[str], None]) -> Closed:
    """Hand every frame to ``take`` and watch for silence; returns why it is over.

    ``take`` may raise Closed to end it.
    """
    end = Closed(f"silent: no answer to our ping within {_PONG_WITHIN} s")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_return_when_silent, connection, nursery.cancel_scope)
        try:
            while True:
                take(await connection.receive())
        except Closed as error:
            end = error
        nursery.cancel_scope.cancel()
    return end


async def _return_when_silent(connection: Connection, scope: trio.CancelScope) -> None:
    try:
        while True:
            await trio.sleep(_PING_EVERY)
            with trio.fail_after(_PONG_WITHIN):
                await connection.ping()
    except (Closed, trio.TooSlowError):
        scope.cancel()
