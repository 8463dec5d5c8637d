import json

import pytest
import trio

from naived.control import server as server_module
from naived.control.events import RING
from naived.control.protocol import Code
from naived.control.streams import HEARTBEAT, QUEUE, QUIET, TICK, Snapshot, Taken


async def test_a_watcher_gets_everything_at_once_and_then_what_changed(connect, service):
    client = await connect()
    first = (await client.ask("watch"))["result"]
    service.price = "2684"
    second = (await client.answer())["result"]
    assert (first["rev"], first["symbols"][0]["last_price"]) == (1, "2683.8")
    assert (second["rev"], second["symbols"][0]["last_price"]) == (2, "2684")


class TwoSymbols:
    """What is watched: two symbols, of which a test changes what it wants."""

    def __init__(self) -> None:
        self.daemon: tuple[bytes, object] = (b'{"uptime_s":0}', "ready")
        self.entries = {"A": b'"a1"', "B": b'"b1"'}

    async def take(self) -> Taken:
        await trio.lowlevel.checkpoint()
        return Taken(*self.daemon, dict(self.entries))


async def test_a_watcher_that_was_slow_gets_all_that_changed_since_it_was_told(autojump_clock):
    watched = TwoSymbols()
    snapshot = Snapshot(watched.take)
    await snapshot.refresh()
    assert json.loads(snapshot.body(0)) == {"v": 1, "daemon": {"uptime_s": 0}, "symbols": ["a1", "b1"], "rev": 1}
    for change in ({"A": b'"a2"'}, {"B": b'"b2"'}):
        watched.entries |= change
        await trio.sleep(TICK)
        await snapshot.refresh()
    assert json.loads(snapshot.body(1))["symbols"] == ["a2", "b2"]
    assert json.loads(snapshot.body(2))["symbols"] == ["b2"]
    assert json.loads(snapshot.body(0))["symbols"] == ["a2", "b2"]


async def test_a_symbol_that_went_is_named_until_it_comes_back(autojump_clock):
    watched = TwoSymbols()
    snapshot = Snapshot(watched.take)
    await snapshot.refresh()
    body = watched.entries.pop("A")
    await trio.sleep(TICK)
    await snapshot.refresh()
    assert (snapshot.rev, json.loads(snapshot.body(1))["gone"]) == (2, ["A"])
    assert "gone" not in json.loads(snapshot.body(0))
    watched.entries["A"] = body
    await trio.sleep(TICK)
    await snapshot.refresh()
    assert json.loads(snapshot.body(1)) == {"v": 1, "daemon": {"uptime_s": 0}, "symbols": ["a1"], "rev": 3}


async def test_a_daemon_that_changed_is_told_without_symbols_and_its_uptime_is_no_change(autojump_clock):
    watched = TwoSymbols()
    snapshot = Snapshot(watched.take)
    await snapshot.refresh()
    for daemon, rev in (((b'{"uptime_s":1}', "ready"), 1), ((b'{"uptime_s":2}', "degraded"), 2)):
        watched.daemon = daemon
        await trio.sleep(TICK)
        await snapshot.refresh()
        assert snapshot.rev == rev
    assert json.loads(snapshot.body(1)) == {"v": 1, "daemon": {"uptime_s": 2}, "symbols": [], "rev": 2}


async def test_a_watcher_sees_only_the_newest_of_many_changes(connect, service, autojump_clock):
    client = await connect()
    await client.ask("watch")
    for price in range(1_000):
        service.price = str(price)
        await trio.sleep(TICK / 10_000)
    assert (await client.answer())["result"]["symbols"][0]["last_price"] == "999"


async def test_a_watch_beats_every_second(connect, autojump_clock):
    client = await connect()
    await client.ask("watch")
    assert "heartbeat" in (await client.answer())["result"]
    for _ in range(3):
        start = trio.current_time()
        assert "heartbeat" in (await client.answer())["result"]
        assert trio.current_time() - start == pytest.approx(HEARTBEAT, abs=TICK / 5)


async def test_one_slow_look_does_not_make_the_next_beat_a_tick_late(autojump_clock, connect, service):
    service.look_takes = TICK / 10
    client = await connect()
    await client.ask("watch")
    assert "heartbeat" in (await client.answer())["result"]
    start, service.look_takes = trio.current_time(), 0.0
    assert "heartbeat" in (await client.answer())["result"]
    assert trio.current_time() - start == pytest.approx(HEARTBEAT, abs=TICK / 5)


async def test_many_watchers_share_one_snapshot_a_tick(connect, service, autojump_clock):
    for _ in range(10):
        await (await connect()).ask("watch")
    service.taken = 0
    await trio.sleep(10 * TICK)
    assert 9 <= service.taken <= 11


async def test_a_watch_of_an_unknown_symbol_ends_with_an_error(connect):
    client = await connect()
    assert (await client.ask("watch", symbols=["NOPE"]))["error"]["code"] == Code.UNKNOWN_SYMBOL
    assert await client.line() == b""


async def test_a_watcher_beyond_the_limit_is_told_so(connect, monkeypatch):
    monkeypatch.setattr(server_module, "_STREAMS", 1)
    first = await connect()
    await first.ask("watch")
    late = await connect()
    assert (await late.ask("events", follow=True))["error"]["code"] == Code.BUSY
    assert await late.line() == b""


async def test_a_follower_gets_what_happens_from_now_on_of_its_symbols(connect, service):
    service.events.publish(1, "ETHUSDT", "started", "before")
    client = await connect()
    await client.say("events", follow=True, symbols=["ethusdt"])
    await _settle(connect)
    service.events.publish(1_000, "BTCUSDT", "started", "of another symbol")
    service.events.publish(2_000, "ETHUSDT", "started", "after")
    assert (await client.answer())["result"] == {
        "v": 1,
        "seq": 1_002,
        "at": "1970-01-01T00:00:02.000Z",
        "symbol": "ETHUSDT",
        "kind": "started",
        "message": "after",
    }


async def test_a_follower_of_an_unknown_symbol_is_told_so(connect):
    client = await connect()
    answer = await client.ask("events", follow=True, symbols=["ETHUSDT", "NOPE"])
    assert answer["error"]["code"] == Code.UNKNOWN_SYMBOL
    assert answer["error"]["data"]["symbol"] == "NOPE"
    assert await client.line() == b""


async def test_a_follower_may_ask_for_the_newest_first(connect, service):
    for number in range(10):
        service.events.publish(number, "ETHUSDT", "kind", str(number))
    client = await connect()
    await client.say("events", follow=True, limit=2)
    assert [(await client.answer())["result"]["message"] for _ in range(2)] == ["8", "9"]
    service.events.publish(10, None, "kind", "10")
    assert (await client.answer())["result"]["message"] == "10"


async def test_a_follower_that_comes_back_misses_nothing_that_is_kept(connect, service):
    for number in range(600):
        service.events.publish(number, None, "kind", str(number))
    client = await connect()
    await client.say("events", follow=True, after_seq=1_099)
    assert [(await client.answer())["result"]["seq"] for _ in range(500)] == list(range(1_100, 1_600))


async def test_a_follower_that_comes_back_too_late_is_told_what_is_gone(connect, service):
    for number in range(RING + 5):
        service.events.publish(number, None, "kind", "")
    client = await connect()
    await client.say("events", follow=True, after_seq=999)
    assert (await client.answer())["result"]["gap"] == {"from": 1_000, "to": 1_004}
    assert (await client.answer())["result"]["seq"] == 1_005


async def test_a_follower_that_comes_back_before_anything_happened_is_told_what_is_gone(connect, service):
    client = await connect()
    await client.say("events", follow=True, after_seq=7)
    assert (await client.answer())["result"]["gap"] == {"from": 8, "to": 999}
    service.events.publish(0, None, "kind", "")
    assert (await client.answer())["result"]["seq"] == 1_000


async def test_a_quiet_follower_gets_heartbeats(connect, autojump_clock):
    client = await connect()
    await client.say("events", follow=True)
    start = trio.current_time()
    assert "heartbeat" in (await client.answer())["result"]
    assert trio.current_time() - start == pytest.approx(QUIET, abs=1)


async def test_a_slow_follower_gets_one_terminal_error_and_the_place_to_go_on_from(connect, service):
    client = await connect()
    await client.say("events", follow=True)
    await _settle(connect)
    # Until the kernel's buffer is full the server writes at once; then more comes in than it may owe.
    for _ in range(200):
        for _ in range(50):
            service.events.publish(0, None, "kind", "x" * 200)
        await trio.lowlevel.checkpoint()
    seqs = []
    while "result" in (answer := await client.answer()):
        seqs.append(answer["result"]["seq"])
    assert answer["error"]["code"] == Code.SLOW_CONSUMER
    assert answer["error"]["data"]["hint"] == f"follow again with after_seq {seqs[-1]}"
    assert seqs == list(range(1_000, 1_000 + len(seqs)))
    assert await client.line() == b""


async def test_a_burst_larger_than_the_queue_is_no_fault_of_the_follower(connect, service):
    client = await connect()
    await client.say("events", follow=True)
    await _settle(connect)
    for _ in range(3 * QUEUE):
        service.events.publish(0, None, "kind", "")
    assert [(await client.answer())["result"]["seq"] for _ in range(3 * QUEUE)] == list(
        range(1_000, 1_000 + 3 * QUEUE)
    )


async def _settle(connect):
    """The server has taken up every earlier request once it answers a later one."""
    for _ in range(3):
        await (await connect()).ask("status")
