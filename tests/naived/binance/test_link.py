import pytest
import trio

from naived.binance.clock import ServerClock
from naived.binance.codec import ApiAnswer, ApiError, ErrorData
from naived.binance.limits import Use
from naived.binance.link import Link
from naived.binance.signing import credentials
from naived.ports import CredentialsError, ExchangeError


class Session:
    closed = False


@pytest.fixture
async def link():
    return Link(credentials("the-key", "the-secret"))


async def test_the_newest_session_is_used_and_the_loss_of_an_older_one_is_no_news(link):
    old, new = Session(), Session()
    link.adopt(old)
    link.adopt(new)
    assert not link.drop(old, "replaced", refused=False)
    assert link.session is new


async def test_a_failed_attempt_is_no_news_while_a_session_is_up(link):
    session = Session()
    link.adopt(session)
    assert not link.drop(None, "cannot connect", refused=False)
    assert link.session is session


async def test_a_loss_is_news_once_and_says_why(link):
    session = Session()
    link.adopt(session)
    assert link.drop(session, "reset", refused=False)
    assert not link.drop(None, "reset", refused=False)
    assert link.drop(None, "bad key", refused=True)
    with pytest.raises(CredentialsError, match="bad key"):
        await link.ask_signed("account.status", {}, 20)


async def test_a_closed_session_is_none_before_anybody_noticed(link):
    session = Session()
    link.adopt(session)
    session.closed = True
    assert link.session is None
    with pytest.raises(ExchangeError):
        await link.send("order.place", {}, 15)


async def test_after_a_loss_the_next_session_is_waited_for(autojump_clock, link):
    first = Session()
    link.adopt(first)
    await link.up()
    link.drop(first, "reset", refused=False)
    with trio.move_on_after(5) as scope:
        await link.up()
    assert scope.cancelled_caught
    link.adopt(Session())
    await link.up()


async def test_a_closed_session_is_not_up_before_anybody_noticed(autojump_clock, link):
    """Found by simulation: whoever waited for a session to place an order span until the loss was told."""
    lost = Session()
    link.adopt(lost)
    lost.closed = True
    with trio.move_on_after(5) as scope:
        await link.up()
    assert scope.cancelled_caught
    link.drop(lost, "reset", refused=False)
    link.adopt(Session())
    with trio.fail_after(5):
        await link.up()


async def test_questions_wait_for_their_turn_but_not_through_a_ban(autojump_clock, link):
    link.clock.received(1_700_000_000_000, trio.current_time())
    link.limits.halt(link.clock.now() + 50_000)
    with trio.fail_after(55):
        await link.slot(Use.QUERY, 1)
    link.limits.halt(link.clock.now() + 3_600_000)
    with pytest.raises(ExchangeError, match="for 3"):
        await link.slot(Use.QUERY, 1)


async def test_who_is_refused_before_the_first_contact_waits_as_told_though_the_own_clock_is_an_hour_late(
    autojump_clock,
):
    """Found by simulation: a 429 to the very first request kept a machine with a late clock away for an hour."""
    there = 1_700_000_000_000
    link = Link(credentials("the-key", "the-secret"), ServerClock(wall=lambda: there / 1000 - 3600))
    busy = ErrorData(server_time=there, retry_after=there + 1000)

    class Refusing(Session):
        async def request(self, method, params, within):
            return ApiAnswer(429, 1, error=ApiError(-1003, "Too much request weight used.", busy))

    with pytest.raises(ExchangeError):
        await link.read_time(Refusing())

    with trio.fail_after(2):
        await link.slot(Use.CANCEL, 1)


async def test_who_asks_next_waits_though_whoever_was_told_to_wait_has_not_woken_yet(autojump_clock, link):
    # Found by a simulated seed: both woke at the same moment, and the other one asked first.
    there = 1_700_000_000_000
    link.clock.received(there, trio.current_time())
    link.heed(ApiAnswer(429, 1, error=ApiError(-1015, "Too many new orders.", ErrorData(there, there + 60_000))))
    with trio.move_on_after(59) as scope:
        await link.slot(Use.QUERY, 1)
    assert scope.cancelled_caught
