import json

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from naived.binance.api import NoAnswer, Session
from naived.binance.codec import Shutdown


class Line:
    """The sending half of a connection; the test plays the peer by ``session.take``."""

    def __init__(self):
        self.sent = []
        self.closed = False

    async def send(self, text):
        await trio.lowlevel.checkpoint()
        self.sent.append(json.loads(text))


class Told:
    def __init__(self):
        self.answers, self.events, self.late, self.unnamed = [], [], [], []

    def session(self, line):
        return Session(
            line,
            on_answer=lambda answer: self.answers.append(answer.id),
            on_event=self.events.append,
            on_late=lambda method, answer: self.late.append((method, answer.id)),
            on_unnamed=self.unnamed.append,
        )


@pytest.fixture
def line():
    return Line()


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def session(line, told):
    return told.session(line)


def answer(number, value):
    return json.dumps({"id": number, "status": 200, "result": value})


async def test_answers_find_their_requests_in_any_order(session, line):
    results = {}

    async def ask(name):
        results[name] = bytes((await session.request(name, {}, 10)).result)

    async with trio.open_nursery() as nursery:
        for name in ("a", "b", "c"):
            nursery.start_soon(ask, name)
        await wait_all_tasks_blocked()
        numbers = {each["method"]: each["id"] for each in line.sent}
        for name in ("c", "a", "b"):
            session.take(answer(numbers[name], name))
    assert results == {name: json.dumps(name).encode() for name in ("a", "b", "c")}


async def test_a_late_answer_is_handed_on_once(autojump_clock, session, told, line):
    with pytest.raises(NoAnswer, match="no answer within 10 s"):
        await session.request("order.place", {}, 10)
    number = line.sent[0]["id"]
    session.take(answer(number, None))
    session.take(answer(number, None))
    assert told.late == [("order.place", number)]


async def test_every_answer_is_told_before_its_caller_wakes(session, told, line):
    async def ask():
        await session.request("time", {}, 10)
        told.answers.append("awake")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        number = line.sent[0]["id"]
        session.take(answer(number, None))
        assert told.answers == [number]
    assert told.answers == [number, "awake"]


async def test_the_answer_to_a_cancelled_caller_is_handed_on(session, told, line):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(session.request, "order.place", {}, 10)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    session.take(answer(line.sent[0]["id"], None))
    assert told.late == [("order.place", line.sent[0]["id"])]


async def test_an_answer_in_the_very_moment_of_a_cancellation_is_handed_on(session, told, line):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(session.request, "order.place", {}, 10)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
        session.take(answer(line.sent[0]["id"], None))
    assert told.late == [("order.place", line.sent[0]["id"])]


async def test_a_lost_connection_leaves_everything_in_flight_unanswered(session):
    failures = []

    async def ask():
        try:
            await session.request("order.place", {}, 10)
        except NoAnswer as error:
            failures.append(str(error))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        session.lose("reset")
    assert failures == ["reset", "reset"]
    assert session.closed


async def test_what_names_no_request_goes_apart(session, told):
    session.take('{"id":null,"status":401,"error":{"code":-2015,"msg":"revoked"}}')
    session.take('{"event":{"e":"serverShutdown","E":1}}')
    session.take(answer(99, None))
    session.take("garbage")
    assert [each.status for each in told.unnamed] == [401]
    assert told.events == [Shutdown()]
    assert told.late == []


async def test_drained_is_reached_when_the_last_answer_came(autojump_clock, session, line):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(session.request, "time", {}, 10)
        await wait_all_tasks_blocked()
        began = trio.current_time()
        with trio.move_on_after(5) as scope:
            await session.drained(60)
        assert scope.cancelled_caught
        session.take(answer(line.sent[0]["id"], None))
        await session.drained(60)
        assert trio.current_time() - began == pytest.approx(5)


async def test_draining_ends_in_time_without_an_answer(autojump_clock, session):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(session.request, "time", {}, 100)
        await wait_all_tasks_blocked()
        began = trio.current_time()
        await session.drained(15)
        assert trio.current_time() - began == pytest.approx(15)
        nursery.cancel_scope.cancel()
