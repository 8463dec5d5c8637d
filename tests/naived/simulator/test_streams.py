import json
from typing import Any

import pytest
import trio
import trio.testing

from naived.core.amount import parse_price, parse_quantity
from naived.simulator.order import BookTop, PublicTrade
from naived.simulator.streams import CAPACITY, Outbox, Streams, Subscriber, answer, method_of
from naived.websocket import Closed

SYMBOLS = {"ETHUSDT", "BTCUSDT"}


class Heard(Outbox):
    """An outbox that shows what was put in."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Any] = []

    def send(self, frame: str) -> None:
        self.frames.append(json.loads(frame))


def trade(number: int = 7) -> PublicTrade:
    return PublicTrade("ETHUSDT", number, parse_price("2683.80"), parse_quantity("0.002"), 1723161255611, True)


def listener(streams: Streams, *names: str, combined: bool = False) -> tuple[Subscriber, list[Any]]:
    outbox = Heard()
    subscriber = Subscriber(outbox, combined=combined)
    assert streams.subscribe(subscriber, names)
    return subscriber, outbox.frames


def test_each_listener_gets_its_streams_wrapped_as_it_wants() -> None:
    streams = Streams()
    _, raw = listener(streams, "ethusdt@trade")
    _, combined = listener(streams, "ethusdt@trade", "ethusdt@aggTrade", combined=True)
    _, other = listener(streams, "btcusdt@trade", "ETHUSDT@trade")
    streams.publish(trade())
    assert [list(frame) for frame in raw] == [["e", "E", "s", "t", "p", "q", "T", "m", "M"]]
    assert raw[0]["p"] == "2683.80000000"
    assert [frame["stream"] for frame in combined] == ["ethusdt@trade", "ethusdt@aggTrade"]
    assert combined[0]["data"] == raw[0]
    assert combined[1]["data"] == {
        "e": "aggTrade",
        "E": 1723161255611,
        "s": "ETHUSDT",
        "a": 7,
        "p": "2683.80000000",
        "q": "0.00200000",
        "f": 7,
        "l": 7,
        "T": 1723161255611,
        "m": True,
        "M": True,
    }
    assert other == []


def test_an_ended_subscription_is_silent() -> None:
    streams = Streams()
    subscriber, frames = listener(streams, "ethusdt@trade")
    streams.unsubscribe(subscriber, ["ethusdt@trade", "never@trade"])
    streams.publish(trade())
    assert frames == []


def test_subscribing_twice_is_one_subscription() -> None:
    streams = Streams()
    subscriber, frames = listener(streams, "ethusdt@trade", "ethusdt@trade")
    assert streams.subscribe(subscriber, ["ethusdt@trade"])
    streams.publish(trade())
    assert len(frames) == 1


def test_a_connection_has_1024_streams_and_not_one_more() -> None:
    streams = Streams()
    subscriber, _ = listener(streams, *(f"s{n}@trade" for n in range(1024)))
    assert not streams.subscribe(subscriber, ["another@trade"])
    assert streams.subscribe(subscriber, ["s1@trade"])
    assert len(subscriber.streams) == 1024


@pytest.mark.parametrize(
    ("request_text", "expected"),
    [
        (
            '{"method":"SUBSCRIBE","params":["btcusdt@trade","btcusdt@bookTicker"],"id":1}',
            {"result": None, "id": 1},
        ),
        ('{"method":"UNSUBSCRIBE","params":["btcusdt@trade"],"id":"a-b"}', {"result": None, "id": "a-b"}),
        ('{"method":"LIST_SUBSCRIPTIONS","id":3}', {"result": ["ethusdt@trade"], "id": 3}),
        ('{"method":"SET_PROPERTY","params":["combined",true],"id":5}', {"result": None, "id": 5}),
        ('{"method":"GET_PROPERTY","params":["combined"],"id":2}', {"result": False, "id": 2}),
        (
            '{"method":"SET_PROPERTY","params":["combined",1],"id":5}',
            {"code": 1, "msg": "Invalid value type: expected Boolean", "id": 5},
        ),
        (
            '{"method":"SET_PROPERTY","params":["colour",true],"id":5}',
            {"code": 0, "msg": "Unknown property", "id": 5},
        ),
        (
            '{"method":"SUBSCRIBE","params":["btcusdt"],"id":1}',
            {"code": 2, "msg": "Invalid request: invalid stream", "id": 1},
        ),
        (
            '{"method":"SUBSCRIBE","params":[],"id":null}',
            {"code": 2, "msg": "Invalid request: invalid stream", "id": None},
        ),
        *(
            (
                f'{{"method":"SUBSCRIBE","params":["ethusdt@trade","{never}"],"id":1}}',
                {"code": 2, "msg": "Invalid request: invalid stream", "id": 1},
            )
            for never in (
                "ethusdt@kline_1m",
                "ethusdt@depth",
                "ethusdt@depth@100ms",
                "ethusdt@",
                "nope@trade",
                "ETHUSDT@trade",
                "!ticker@arr",
                "@trade",
            )
        ),
        (
            '{"method":"DANCE","id":1}',
            {"code": 2, "msg": "Invalid request: unknown variant `DANCE`", "id": 1},
        ),
        ('{"id":1}', {"code": 2, "msg": "Invalid request: missing field `method`", "id": None}),
        (
            '{"method":"SUBSCRIBE","params":["a@trade"],"id":[1]}',
            {"code": 2, "msg": "Invalid request: request ID must be an unsigned integer", "id": None},
        ),
        (
            '{"method":"SUBSCRIBE","params":{},"id":1}',
            {"code": 2, "msg": "Invalid request: params must be a list", "id": 1},
        ),
    ],
)
def test_a_stream_request_is_answered(request_text: str, expected: dict[str, Any]) -> None:
    streams = Streams()
    subscriber, _ = listener(streams, "ethusdt@trade")
    assert json.loads(answer(streams, subscriber, request_text, SYMBOLS)) == expected


@pytest.mark.parametrize("garbage", ["", "{", "[" * 100_000, "[]", "7", '{"method":[],"id":1}'])
def test_garbage_on_a_stream_is_answered_with_an_error(garbage: str) -> None:
    streams = Streams()
    subscriber, _ = listener(streams, "ethusdt@trade")
    assert json.loads(answer(streams, subscriber, garbage, SYMBOLS))["code"] in (2, 3)
    assert method_of(garbage) is None


def test_a_request_names_its_method() -> None:
    assert method_of('{"method":"SUBSCRIBE","params":[]}') == "SUBSCRIBE"


async def test_a_reader_that_stays_crowded_is_dropped_and_the_tape_goes_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    streams = Streams()
    slow, fast = Outbox(), Outbox()
    streams.subscribe(Subscriber(slow, combined=False), ["ethusdt@trade"])
    streams.subscribe(Subscriber(fast, combined=False), ["btcusdt@trade"])
    for _ in range(CAPACITY // 2 + 1):
        streams.publish(trade())
    begun = trio.current_time()
    await streams.drain()
    assert trio.current_time() - begun >= 5
    with trio.fail_after(1):
        await slow.dropped()
    with trio.move_on_after(1) as scope:
        await fast.dropped()
    assert scope.cancelled_caught
    begun = trio.current_time()
    await streams.drain()
    assert trio.current_time() == begun


class Line:
    """A connection that takes frames, or is closed."""

    def __init__(self, *, closed: bool = False) -> None:
        self.closed = closed
        self.sent: list[tuple[float, str]] = []

    async def send(self, text: str) -> None:
        await trio.lowlevel.checkpoint()
        if self.closed:
            raise Closed("gone")
        self.sent.append((trio.current_time(), text))


async def dropped(outbox: Outbox) -> bool:
    with trio.move_on_after(1):
        await outbox.dropped()
        return True
    return False


async def test_frames_leave_in_order(autojump_clock: trio.testing.MockClock) -> None:
    outbox, line = Outbox(), Line()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox.run, line)
        for text in "abc":
            outbox.send(text)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert [text for _, text in line.sent] == ["a", "b", "c"]


async def test_a_pause_keeps_frames_and_loses_none(autojump_clock: trio.testing.MockClock) -> None:
    outbox, line = Outbox(), Line()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox.run, line)
        begun = trio.current_time()
        outbox.pause(30)
        outbox.send("a")
        outbox.send("b")
        await trio.sleep(40)
        nursery.cancel_scope.cancel()
    assert [(round(time - begun), text) for time, text in line.sent] == [(30, "a"), (30, "b")]


async def test_one_frame_too_many_drops_the_connection(autojump_clock: trio.testing.MockClock) -> None:
    outbox = Outbox()
    for _ in range(CAPACITY // 2):
        outbox.send("x")
    assert not outbox.crowded
    for _ in range(CAPACITY // 2):
        outbox.send("x")
    assert outbox.crowded
    assert not await dropped(outbox)
    outbox.send("x")
    assert await dropped(outbox)
    assert not outbox.crowded


async def test_a_lost_connection_drops_its_outbox(autojump_clock: trio.testing.MockClock) -> None:
    outbox = Outbox()
    outbox.send("x")
    await outbox.run(Line(closed=True))  # type: ignore[arg-type]
    assert await dropped(outbox)


def test_the_best_bid_and_ask_have_neither_type_nor_time_and_a_rising_number() -> None:
    streams = Streams()
    _, raw = listener(streams, "ethusdt@bookTicker")
    assert streams.quoted("ETHUSDT")
    assert not streams.quoted("BTCUSDT")
    for bid in ("2683.79", "2683.80"):
        top = BookTop(parse_price(bid), parse_quantity("1"), parse_price("2683.81"), parse_quantity("2"))
        streams.publish_quote("ETHUSDT", top)
    assert raw == [
        {"u": u, "s": "ETHUSDT", "b": b, "B": "1.00000000", "a": "2683.81000000", "A": "2.00000000"}
        for u, b in ((1, "2683.79000000"), (2, "2683.80000000"))
    ]


def test_each_listener_has_its_own_unit_of_time() -> None:
    streams = Streams()
    outbox = Heard()
    streams.subscribe(Subscriber(outbox, combined=True, micro=True), ["ethusdt@trade"])
    _, milli = listener(streams, "ethusdt@trade")
    streams.publish(trade())
    assert (outbox.frames[0]["data"]["T"], outbox.frames[0]["data"]["E"]) == (1723161255611000, 1723161255611000)
    assert milli[0]["T"] == 1723161255611


def test_a_delisted_symbol_loses_its_subscriptions() -> None:
    streams = Streams()
    subscriber, frames = listener(streams, "ethusdt@trade", "btcusdt@trade", "ethusdt@bookTicker")
    streams.forget("ETHUSDT")
    assert list(subscriber.streams) == ["btcusdt@trade"]
    streams.publish(trade())
    assert frames == []
