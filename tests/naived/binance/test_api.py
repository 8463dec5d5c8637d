import json

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from naived.binance.api import ApiConnection, NoAnswer
from naived.binance.codec import Shutdown


class Socket:
    """The sending half of a socket; the test is the peer and calls ``api.take``."""

    def __init__(self):
        self.sent = []
        self.closed = False

    async def send(self, text):
        await trio.lowlevel.checkpoint()
        self.sent.append(json.loads(text))


class Told:
    def __init__(self):
        self.answers, self.events, self.unclaimed, self.garbled = [], [], [], []

    def api(self, socket):
        return ApiConnection(
            socket,
            on_answer=lambda answer, asked_at: self.answers.append((answer.id, asked_at)),
            on_event=self.events.append,
            on_unclaimed=lambda method, answer: self.unclaimed.append((method, answer.id)),
            on_garbled=lambda kind, why: self.garbled.append((kind, why)),
        )


@pytest.fixture
def socket():
    return Socket()


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def api(socket, told):
    return told.api(socket)


def answer(number, value):
    return json.dumps({"id": number, "status": 200, "result": value})


async def test_answers_find_their_requests_in_any_order(api, socket):
    results = {}

    async def ask(name):
        results[name] = bytes((await api.request(name, {}, 10)).result)

    async with trio.open_nursery() as nursery:
        for name in ("a", "b", "c"):
            nursery.start_soon(ask, name)
        await wait_all_tasks_blocked()
        numbers = {each["method"]: each["id"] for each in socket.sent}
        for name in ("c", "a", "b"):
            api.take(answer(numbers[name], name))
    assert results == {name: json.dumps(name).encode() for name in ("a", "b", "c")}


async def test_a_late_answer_is_reported_once(autojump_clock, api, told, socket):
    with pytest.raises(NoAnswer, match="no answer within 10 s"):
        await api.request("order.place", {}, 10)
    number = socket.sent[0]["id"]
    api.take(answer(number, None))
    api.take(answer(number, None))
    assert told.unclaimed == [("order.place", number)]


async def test_an_answer_is_reported_with_the_time_of_its_request_before_its_caller_wakes(
    autojump_clock, api, told, socket
):
    async def ask():
        await api.request("time", {}, 10)
        told.answers.append("awake")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        asked_at = trio.current_time()
        await trio.sleep(3)
        number = socket.sent[0]["id"]
        api.take(answer(number, None))
        assert told.answers == [(number, asked_at)]
    assert told.answers == [(number, asked_at), "awake"]


async def test_the_answer_to_a_cancelled_caller_is_reported(api, told, socket):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(api.request, "order.place", {}, 10)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    api.take(answer(socket.sent[0]["id"], None))
    assert told.unclaimed == [("order.place", socket.sent[0]["id"])]


async def test_an_answer_that_comes_before_a_cancelled_caller_ran_is_reported(api, told, socket):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(api.request, "order.place", {}, 10)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
        api.take(answer(socket.sent[0]["id"], None))
    assert told.unclaimed == [("order.place", socket.sent[0]["id"])]


async def test_a_lost_connection_leaves_everything_in_flight_unanswered(api):
    failures = []

    async def ask():
        try:
            await api.request("order.place", {}, 10)
        except NoAnswer as error:
            failures.append(str(error))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        api.lose("reset")
    assert failures == ["reset", "reset"]
    assert api.closed


async def test_an_answer_to_no_request_and_an_event_are_reported_apart(api, told):
    api.take('{"id":null,"status":401,"error":{"code":-2015,"msg":"revoked"}}')
    api.take('{"event":{"e":"serverShutdown","E":1}}')
    api.take(answer(99, None))
    api.take("garbage")
    assert told.answers == [(None, None), (99, None)]
    assert told.unclaimed == [(None, None)]
    assert told.events == [Shutdown()]


async def test_draining_ends_when_the_last_answer_came(autojump_clock, api, socket):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(api.request, "time", {}, 10)
        await wait_all_tasks_blocked()
        began = trio.current_time()
        with trio.move_on_after(5) as scope:
            await api.drained(60)
        assert scope.cancelled_caught
        api.take(answer(socket.sent[0]["id"], None))
        await api.drained(60)
        assert trio.current_time() - began == pytest.approx(5)


async def test_draining_ends_in_time_without_an_answer(autojump_clock, api):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(api.request, "time", {}, 100)
        await wait_all_tasks_blocked()
        began = trio.current_time()
        await api.drained(15)
        assert trio.current_time() - began == pytest.approx(15)
        nursery.cancel_scope.cancel()
