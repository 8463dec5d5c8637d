"""The two streams of the control socket: statuses (`watch`) and events (`events` with ``follow``).

A stream owns its connection and ends when the client closes it. Each item is a result with the request's id. So
that neither looks hung, `watch` sends ``{"v": 1, "heartbeat": TIME}`` every second, `events` when nothing happens.
"""

import json
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import trio

from naived.control.channel import Channel
from naived.control.events import RING, EventLog
from naived.control.protocol import Code, ControlError, encode_body, encode_result, format_time, result_parts

TICK = 0.5  # seconds between snapshots: as fast as a person can read
HEARTBEAT = 1.0  # seconds, whole ticks: a live view says after two that it heard nothing
QUIET = 15.0  # seconds without an event before a follower is told that nothing happened
QUEUE = 256  # events in one write, and the most that may happen during it

_BEAT = round(HEARTBEAT / TICK)  # ticks


def _tick() -> int:
    return math.floor(trio.current_time() / TICK)


def _heartbeat() -> bytes:
    return encode_body({"v": 1, "heartbeat": format_time(time.time_ns() // 1_000_000)})


@dataclass(frozen=True, slots=True)
class Taken:
    """One look at what is watched: the encoded ``daemon``, and the encoded entries of ``status`` by symbol.

    ``marker`` is what of ``daemon`` counts as a change: its uptime does not.
    """

    daemon: bytes
    marker: object
    entries: Mapping[str, bytes]


class Snapshot:
    """What all watchers of the same symbols get; taken once a tick for all of them.

    ``rev`` rises with each look that found a change. A body for a watcher who was sent ``rev`` before has only the
    symbols that changed since, and ``gone``: the names of those that were forgotten since.
    """

    def __init__(self, take: Callable[[], Awaitable[Taken]]) -> None:
        self._take = take
        self._taking = trio.Lock()
        self._tick = -1
        self._taken = Taken(b"", None, {})
        self._changed: dict[str, int] = {}  # the ``rev`` at which each entry changed last
        self._removed: dict[str, int] = {}  # the ``rev`` at which each symbol went that is not there any more
        self._bodies: dict[int, bytes] = {}  # of this ``rev``, by the one that was sent before
        self.watchers = 0
        self.rev = 0

    async def refresh(self) -> None:
        """Take the snapshot of this tick, unless it was taken."""
        async with self._taking:
            tick = _tick()
            if tick == self._tick:
                return
            taken = await self._take()
            self._tick = tick
            before, self._taken = self._taken, taken
            changed = [name for name, body in taken.entries.items() if before.entries.get(name) != body]
            removed = before.entries.keys() - taken.entries.keys()
            if self.rev and not changed and not removed and taken.marker == before.marker:
                return
            self.rev += 1
            self._changed |= dict.fromkeys(changed, self.rev)
            self._removed |= dict.fromkeys(removed, self.rev)
            for name in taken.entries.keys() & self._removed.keys():
                del self._removed[name]
            self._bodies.clear()

    def body(self, sent: int) -> bytes:
        """The document for a watcher who was sent ``sent`` last; 0: it gets everything."""
        if sent not in self._bodies:
            entries = (body for name, body in self._taken.entries.items() if self._changed[name] > sent)
            removed = [name for name, rev in self._removed.items() if rev > sent] if sent else []
            gone = b',"gone":%b' % json.dumps(sorted(removed)).encode("ascii") if removed else b""
            document = b'{"v":1,"daemon":%b,"symbols":[%b]%b,"rev":%d}'
            self._bodies[sent] = document % (self._taken.daemon, b",".join(entries), gone, self.rev)
        return self._bodies[sent]


class Snapshots:
    """The snapshots that are being watched, by the symbols in them."""

    def __init__(self) -> None:
        self._shared: dict[tuple[str, ...], Snapshot] = {}

    @contextmanager
    def watching(self, symbols: tuple[str, ...], take: Callable[[], Awaitable[Taken]]) -> Iterator[Snapshot]:
        snapshot = self._shared.setdefault(symbols, Snapshot(take))
        snapshot.watchers += 1
        try:
            yield snapshot
        finally:
            snapshot.watchers -= 1
            if not snapshot.watchers:
                del self._shared[symbols]


async def watch(channel: Channel, request_id: int | str, snapshot: Snapshot) -> NoReturn:
    """Send all symbols at once, then at most one document each tick with those that changed, and heartbeats.

    With many trades there is one each tick, as prices change. Runs until cancelled; raises ControlError if a symbol
    is not known (any more), GoneError.
    """
    sent_rev, tick = 0, _tick()
    beat = tick + _BEAT  # counted in ticks: the time of a look would make each beat a tick late
    while True:
        await snapshot.refresh()
        if snapshot.rev != sent_rev:
            body, sent_rev = snapshot.body(sent_rev), snapshot.rev
            await channel.send(*result_parts(request_id, body))
        if tick >= beat:
            beat = tick + _BEAT
            await channel.send(encode_result(request_id, _heartbeat()))
        await trio.sleep_until((_tick() + 1) * TICK)
        tick = _tick()


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
        with trio.move_on_at(sent_at + QUIET) as quiet:
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
