from itertools import pairwise

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from naived.binance import streams as streams_module
from naived.binance.refusals import Refusals
from naived.binance.streams import Streams
from naived.core.amount import parse_price

URL = "memory://streams"
STREAMS = "memory://tape"
EPOCH = 1_700_000_000_000  # ms, the peer's clock at trio's time 0


def trade(symbol, number, price="2683.80000000"):
    data = {"e": "trade", "E": 2, "s": symbol, "t": number, "p": price, "q": "0.00200000", "T": EPOCH, "m": True}
    return {"stream": f"{symbol.lower()}@trade", "data": data}


@pytest.fixture
async def streams(peer, sink, nursery):
    made = Streams(URL, peer.connect, lambda: 0.0, Refusals(peer.now), lambda: EPOCH + 60_000)
    nursery.start_soon(made.run, sink)
    return made


def open_sockets(peer):
    return [each for each in peer.sockets if each.open]


def subscribed(peer):
    return [name for each in peer.asked("SUBSCRIBE") for name in each["params"]]


async def test_nothing_is_connected_before_something_is_watched(autojump_clock, streams, peer):
    await trio.sleep(100)
    assert peer.attempts == []


async def test_the_trades_of_a_watched_symbol_are_reported(autojump_clock, streams, peer, sink):
    await streams.watch("ETHUSDT")
    assert subscribed(peer) == ["ethusdt@trade"]
    peer.streams.push(trade("ETHUSDT", 5))
    await sink.until(lambda: sink.trades)
    assert sink.trades == [("ETHUSDT", 5, parse_price("2683.8"), "0.00200000", EPOCH)]


async def test_watching_twice_subscribes_once_and_returns_at_once(autojump_clock, streams, peer):
    await streams.watch("ETHUSDT")
    began = trio.current_time()
    await streams.watch("ETHUSDT")
    assert trio.current_time() == began
    assert subscribed(peer) == ["ethusdt@trade"]


async def test_many_symbols_share_a_connection_and_few_requests(autojump_clock, streams, peer):
    names = [f"S{number}" for number in range(450)]
    async with trio.open_nursery() as nursery:
        for name in names:
            nursery.start_soon(streams.watch, name)
    assert len(open_sockets(peer)) == 1
    assert sorted(subscribed(peer)) == sorted(f"{name.lower()}@trade" for name in names)
    assert all(len(each["params"]) <= 200 for each in peer.asked("SUBSCRIBE"))


class CountedSet(set):
    """A set that counts the elements that are looked at, compared or copied."""

    work = 0

    def __contains__(self, element):
        CountedSet.work += 1
        return super().__contains__(element)

    def __iter__(self):
        CountedSet.work += len(self)
        return super().__iter__()

    def __or__(self, other):
        CountedSet.work += len(self) + len(other)
        return super().__or__(other)


@pytest.mark.parametrize("count", [500, 1000])
async def test_each_request_costs_work_in_proportion_to_the_symbols(
    autojump_clock, streams, peer, monkeypatch, count
):
    monkeypatch.setattr(streams_module, "set", CountedSet, raising=False)
    monkeypatch.setattr(CountedSet, "work", 0)
    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(streams.watch, f"S{number}")
    assert len(set(subscribed(peer))) == count
    assert 0 < CountedSet.work <= 5 * count * len(peer.requests)


async def test_at_most_a_few_requests_a_second_are_made(autojump_clock, streams, peer):
    moments = []

    def answer(request):
        moments.append(trio.current_time())
        return {"result": None}

    peer.script["SUBSCRIBE"] = answer
    for number in range(20):
        await streams.watch(f"S{number}")
    assert all(later - earlier >= 0.5 for earlier, later in pairwise(moments))


async def test_more_symbols_than_a_connection_carries_take_another_one(autojump_clock, streams, peer):
    async with trio.open_nursery() as nursery:
        for number in range(1030):
            nursery.start_soon(streams.watch, f"S{number}")
    assert len(open_sockets(peer)) == 2
    assert len(set(subscribed(peer))) == 1030
    await streams.watch("S1029")
    assert len(open_sockets(peer)) == 2


async def test_it_is_told_at_both_ends_that_trades_were_missed(autojump_clock, streams, peer, sink):
    await streams.watch("ETHUSDT")
    assert sink.missed == ["ETHUSDT"]
    peer.refuses_connections = True
    peer.streams.drop()
    await trio.sleep(5)
    assert len(sink.missed) == 2
    assert sink.cut["ETHUSDT"] is not None
    assert "refused" in sink.cut["ETHUSDT"]
    peer.refuses_connections = False
    await streams.watch("ETHUSDT")
    assert len(sink.missed) == 3
    assert sink.cut["ETHUSDT"] is None
    streams.unwatch("ETHUSDT")
    await trio.sleep(60)
    await streams.watch("ETHUSDT")
    await streams.watch("ETHUSDT")
    assert sink.missed == ["ETHUSDT"] * 4


async def test_a_connection_that_ends_before_it_carries_anything_says_why(autojump_clock, streams, peer, sink):
    peer.script["SUBSCRIBE"] = lambda _: peer.streams.drop()
    streams.want("ETHUSDT")
    await trio.sleep(3)
    assert sink.cut["ETHUSDT"]
    assert sink.trades == []


async def test_a_connection_that_is_being_made_is_not_replaced(autojump_clock, streams, peer):
    await streams.watch("ETHUSDT")
    await trio.sleep(5)
    peer.script["SUBSCRIBE"] = lambda _: None
    for _ in range(5):
        streams.renew("ETHUSDT", "nothing comes")
        await trio.sleep(1)
    assert len(peer.attempts) == 2
    peer.script["SUBSCRIBE"] = lambda _: {"result": None}


async def test_what_was_refused_is_asked_for_again_and_keeps_its_reason(autojump_clock, streams, peer, sink):
    def answer(request):
        return (
            {"error": {"code": 2, "msg": "unknown stream"}}
            if "badusdt@trade" in request["params"]
            else {"result": None}
        )

    peer.script["SUBSCRIBE"] = answer
    await streams.watch("ETHUSDT")
    streams.want("BADUSDT")
    for _ in range(3):
        await trio.sleep(3_500)
        assert "refuses its stream" in sink.cut["BADUSDT"]
    peer.script["SUBSCRIBE"] = lambda _: {"result": None}
    await trio.sleep(70)
    assert sink.cut["BADUSDT"] is None


async def test_after_a_loss_everything_is_subscribed_again_and_watching_waits_for_it(
    autojump_clock, streams, peer, sink
):
    await streams.watch("ETHUSDT")
    await streams.watch("BTCUSDT")
    peer.refuses_connections = True
    peer.streams.drop()
    await trio.sleep(5)
    with trio.move_on_after(30) as scope:
        await streams.watch("ETHUSDT")
    assert scope.cancelled_caught
    peer.refuses_connections = False
    await streams.watch("ETHUSDT")
    assert sorted(peer.asked("SUBSCRIBE")[-1]["params"]) == ["btcusdt@trade", "ethusdt@trade"]
    peer.streams.push(trade("ETHUSDT", 5))
    await sink.until(lambda: sink.trades)


async def test_a_connection_without_pongs_is_replaced(autojump_clock, streams, peer):
    await streams.watch("ETHUSDT")
    peer.streams.client.silent = True
    await trio.sleep(40)
    assert len(peer.asked("SUBSCRIBE")) == 2


async def test_a_connection_that_carries_no_trade_any_more_is_replaced_and_nothing_is_lost(
    autojump_clock, streams, peer, sink
):
    await streams.watch("ETHUSDT")
    for number in range(60):
        await trio.sleep(100)
        peer.streams.push(trade("ETHUSDT", number))
    assert len(peer.sockets) == 1
    ended = trio.current_time()
    await trio.sleep(20_000)
    assert len(open_sockets(peer)) == 1
    pauses = [after - before for before, after in pairwise([ended, *peer.attempts[1:]])]
    assert pauses == pytest.approx([600, 1200, 2400, 3600, 3600, 3600, 3600], abs=601)
    assert sink.missed == ["ETHUSDT"]
    peer.streams.push(trade("ETHUSDT", 60))
    await sink.until(lambda: sink.trades[-1][1] == 60)
    seen = len(peer.sockets)
    await trio.sleep(3600 + 600 + 1200)
    assert len(peer.sockets) >= seen + 2  # again soon


async def test_a_connection_without_any_symbol_is_left_alone(autojump_clock, streams, peer):
    await streams.watch("ETHUSDT")
    streams.unwatch("ETHUSDT")
    await trio.sleep(5000)
    assert len(peer.sockets) == 1


async def test_at_a_shutdown_the_old_connection_stays_until_everything_is_subscribed_on_the_new_one(
    autojump_clock, streams, peer, sink
):
    await streams.watch("ETHUSDT")
    old = peer.streams
    peer.ignore("SUBSCRIBE")
    old.push({"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": 1}})
    await trio.sleep(5)
    new = peer.streams
    assert new is not old
    assert old.open
    old.push(trade("ETHUSDT", 5))
    await sink.until(lambda: len(sink.trades) == 1)
    new.push({"result": None, "id": peer.asked("SUBSCRIBE")[-1]["id"]})
    await trio.sleep(1)
    assert not old.open
    assert new.open


async def test_while_two_connections_are_up_each_trade_is_reported_once(autojump_clock, streams, peer, sink):
    await streams.watch("ETHUSDT")
    await streams.watch("BTCUSDT")
    old = peer.streams
    peer.ignore("SUBSCRIBE")
    old.push({"e": "serverShutdown", "E": 1})
    await trio.sleep(5)
    new = peer.streams
    for socket, number in ((old, 5), (new, 5), (new, 6), (old, 6), (old, 7), (new, 7)):
        socket.push(trade("ETHUSDT", number))
        await wait_all_tasks_blocked()
    new.push(trade("BTCUSDT", 5))
    await sink.until(lambda: len(sink.trades) >= 4)
    assert [(symbol, number) for symbol, number, *_ in sink.trades] == [
        ("ETHUSDT", 5),
        ("ETHUSDT", 6),
        ("ETHUSDT", 7),
        ("BTCUSDT", 5),
    ]


async def test_after_a_reset_of_the_exchange_small_trade_ids_are_new(autojump_clock, streams, peer, sink):
    await streams.watch("ETHUSDT")
    peer.streams.push(trade("ETHUSDT", 1_000_000))
    await sink.until(lambda: sink.trades)
    peer.streams.drop()
    await trio.sleep(5)
    peer.streams.push(trade("ETHUSDT", 1))
    await sink.until(lambda: len(sink.trades) == 2)


async def test_unreadable_frames_do_not_stop_the_trades(autojump_clock, streams, peer, sink):
    await streams.watch("ETHUSDT")
    peer.streams.push("garbage")
    peer.streams.push({"stream": "x@depth", "data": {"e": "depthUpdate"}})
    peer.streams.push(trade("ETHUSDT", 5, price="1e5"))
    peer.streams.push(trade("ETHUSDT", 6))
    await sink.until(lambda: sink.trades)
    assert [number for _, number, *_ in sink.trades] == [6]
    assert len(peer.sockets) == 1


async def test_unwatching_and_watching_again_at_once_keeps_the_subscription(autojump_clock, streams, peer):
    await streams.watch("ETHUSDT")
    streams.unwatch("ETHUSDT")
    with trio.fail_after(1):
        await streams.watch("ETHUSDT")
    assert peer.asked("UNSUBSCRIBE") == []


async def test_an_unwatched_symbol_is_unsubscribed_and_not_subscribed_again(autojump_clock, streams, peer):
    await streams.watch("ETHUSDT")
    await streams.watch("BTCUSDT")
    streams.unwatch("ETHUSDT")
    streams.unwatch("NEVERWATCHED")
    await trio.sleep(2)
    assert [each["params"] for each in peer.asked("UNSUBSCRIBE")] == [["ethusdt@trade"]]
    peer.streams.drop()
    await trio.sleep(5)
    assert peer.asked("SUBSCRIBE")[-1]["params"] == ["btcusdt@trade"]


async def test_one_refused_symbol_does_not_keep_the_others_from_being_subscribed(autojump_clock, streams, peer):
    def answer(request):
        if "bad@trade" in request["params"]:
            return {"error": {"code": 2, "msg": "Invalid request: invalid stream"}}
        return {"result": None}

    peer.script["SUBSCRIBE"] = answer
    async with trio.open_nursery() as nursery:
        nursery.start_soon(streams.watch, "BAD")
        nursery.start_soon(streams.watch, "ETHUSDT")
        nursery.start_soon(streams.watch, "BTCUSDT")
        with trio.fail_after(60):
            await streams.watch("ETHUSDT")
            await streams.watch("BTCUSDT")
        nursery.cancel_scope.cancel()
    assert len(peer.sockets) == 1


async def test_a_connection_that_does_not_answer_a_subscription_is_replaced(autojump_clock, streams, peer, nursery):
    peer.ignore("SUBSCRIBE")
    nursery.start_soon(streams.watch, "ETHUSDT")
    await trio.sleep(15)
    assert len(peer.sockets) == 2
    assert not peer.sockets[0].open


async def test_requests_have_the_documented_form(autojump_clock, streams, peer):
    await streams.watch("ETHUSDT")
    [request] = peer.requests
    assert msgspec.json.encode(request) == b'{"id":1,"method":"SUBSCRIBE","params":["ethusdt@trade"]}'


class Tape:
    """A ``streams.Tape``."""

    def __init__(self):
        self.trades = []
        self.lost_symbols = []

    def trade(self, trade, price):
        self.trades.append((trade.symbol, trade.id, price, trade.quantity, trade.time, trade.buyer_is_maker))

    def lost(self, symbol):
        self.lost_symbols.append(symbol)


MICRO = EPOCH * 1000 + 123


def whole(number, maker=True, time=MICRO):
    frame = trade("ETHUSDT", number)
    frame["data"] |= {"T": time, "m": maker}
    return frame


@pytest.fixture
async def tape(peer, nursery):
    tape = Tape()
    made = Streams(STREAMS, peer.connect, lambda: 0.0, Refusals(peer.now), lambda: MICRO, tape)
    nursery.start_soon(made.run, None)
    await made.watch("ETHUSDT")
    return tape


async def test_a_tape_hears_microseconds_and_whose_order_rested(autojump_clock, peer, tape):
    peer.sockets[-1].push(whole(5))
    peer.sockets[-1].push(whole(6, maker=False))
    await wait_all_tasks_blocked()
    price = parse_price("2683.8")
    assert tape.trades == [
        ("ETHUSDT", 5, price, "0.00200000", MICRO, True),
        ("ETHUSDT", 6, price, "0.00200000", MICRO, False),
    ]


@pytest.mark.parametrize(
    "frame", [whole(5, time=EPOCH), whole(5, time=MICRO + 1), whole(5, maker=None), trade("ETHUSDT", 5)]
)
async def test_a_tape_gets_no_trade_that_is_not_whole(autojump_clock, peer, tape, frame):
    peer.sockets[-1].push(frame)
    peer.sockets[-1].push(whole(6))
    await wait_all_tasks_blocked()
    assert [each[1] for each in tape.trades] == [6]


async def test_a_tape_is_told_once_when_no_connection_carries_a_symbol(autojump_clock, peer, tape):
    peer.sockets[-1].push(whole(5))
    await wait_all_tasks_blocked()
    assert tape.lost_symbols == []
    peer.sockets[-1].drop()
    await trio.sleep(30)
    assert tape.lost_symbols == ["ETHUSDT"]
    assert len(peer.asked("SUBSCRIBE")) == 2


async def test_a_tape_does_not_hear_of_a_connection_that_is_replaced_in_time(autojump_clock, peer, tape):
    await trio.sleep(24 * 3600)
    assert len(peer.asked("SUBSCRIBE")) >= 2
    assert tape.lost_symbols == []
