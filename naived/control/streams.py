"""The two streams of the control socket: statuses (`watch`) and events (`events` with ``follow``).

A stream owns its connection and ends when the client closes it. Each item is a result with the request's id. A
stream without items sends ``{"v": 1, "heartbeat": TIME}``, so that it does not look hung.
"""

import math
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import trio

from naived.control.channel import Channel
from naived.control.events import RING, EventLog
from naived.control.protocol import Code, ControlError, encode_body, encode_result, format_time, result_parts

TICK = 0.5  # seconds between snapshots: as fast as a person can read
HEARTBEAT = 15.0  # seconds
QUEUE = 256  # events in one write, and the most that may happen during it


def _heartbeat() -> bytes:
    return encode_body({"v": 1, "heartbeat": format_time(time.time_ns() // 1_000_000)})


class Snapshot:
    """What all watchers of the same symbols get; taken and encoded once a tick for all of them."""

    def __init__(self, take: Callable[[], Awaitable[bytes]]) -> None:
        self._take = take
        self._taking = trio.Lock()
        self._tick = -1
        self._taken = b""
        self.watchers = 0
        self.rev = 0
        self.body = b""

    async def refresh(self) -> None:
        """Take the snapshot of this tick, unless it was taken; ``rev`` rises if something changed."""
        async with self._taking:
            tick = math.floor(trio.current_time() / TICK)
            if tick == self._tick:
                return
            taken = await self._take()
            self._tick = tick
            if taken != self._taken:
                self._taken = taken
                self.rev += 1
                self.body = b'%b,"rev":%d}' % (taken[:-1], self.rev)


class Snapshots:
    """The snapshots that are being watched, by the symbols in them."""

    def __init__(self) -> None:
        self._shared: dict[tuple[str, ...], Snapshot] = {}

    @contextmanager
    def watching(self, symbols: tuple[str, ...], take: Callable[[], Awaitable[bytes]]) -> Iterator[Snapshot]:
        snapshot = self._shared.setdefault(symbols, Snapshot(take))
        snapshot.watchers += 1
        try:
            yield snapshot
        finally:
            snapshot.watchers -= 1
            if not snapshot.watchers:
                del self._shared[symbols]


async def watch(channel: Channel, request_id: int | str, snapshot: Snapshot) -> NoReturn:
    """Send a complete snapshot at once and after every change, at most one each tick.

    It includes prices, so with many trades there is one each tick. Runs until cancelled; raises ControlError if a
    symbol is not known (any more), GoneError.
    """
    sent_rev, sent_at = 0, trio.current_time()
    while True:
        await snapshot.refresh()
        now = trio.current_time()
        if snapshot.rev != sent_rev:
            sent_rev, sent_at = snapshot.rev, now
            await channel.send(*result_parts(request_id, snapshot.body))
        elif now - sent_at >= HEARTBEAT:
            sent_at = now
            await channel.send(encode_result(request_id, _heartbeat()))
        await trio.sleep_until((math.floor(trio.current_time() / TICK) + 1) * TICK)


async def follow(channel: Channel, request_id: int | str, log: EventLog, params: dict[str, Any]) -> NoReturn:
    """Send events as they happen; before them those after ``after_seq``, or the newest ``limit``.

    A ``gap`` item tells which events are not kept any more. There is no queue per client: a client is too slow if
    more than QUEUE events happen during one write. Runs until cancelled; raises ControlError (slow consumer),
    GoneError.
    """
    symbols = frozenset(params["symbols"])

    def frames(events: Sequence[dict[str, Any]]) -> bytes:
        return b"".join(
            encode_result(request_id, encode_body({"v": 1, **event}))
            for event in events
            if not symbols or event["symbol"] in symbols
        )

    position = log.last
    frame = b""
    if params["after_seq"] is not None:
        position = min(position, params["after_seq"])
    elif params["limit"] is not None:
        wanted = [event for event in log.after(0, RING) if not symbols or event["symbol"] in symbols]
        frame = frames(wanted[-params["limit"] :])
    sent_at = trio.current_time()
    while True:
        if frame:
            before, sent_at = log.last, trio.current_time()
            await channel.send(frame)
            if log.last - before > QUEUE:
                raise ControlError(
                    Code.SLOW_CONSUMER,
                    f"slow consumer: more than {QUEUE} events came in during one write",
                    hint=f"follow again with after_seq {position}",
                )
        frame = b""
        with trio.move_on_at(sent_at + HEARTBEAT) as quiet:
            await log.news(position)
        if quiet.cancelled_caught:
            frame = encode_result(request_id, _heartbeat())
            continue
        events = log.after(position, QUEUE)
        # Right after a restart no event is kept, and a follower may ask with an old number.
        first, last = (events[0]["seq"], events[-1]["seq"]) if events else (log.last + 1, log.last)
        if first > position + 1:
            gap = {"v": 1, "gap": {"from": position + 1, "to": first - 1}}
            frame = encode_result(request_id, encode_body(gap))
        frame += frames(events)
        position = last
