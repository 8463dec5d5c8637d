import trio
import trio.testing

from naived.control.events import RING, EventLog


def test_the_ring_keeps_the_newest_and_counts_on():
    log = EventLog(1)
    for number in range(RING + 1):
        log.publish(number, None, "kind", "")
    assert log.last == RING + 1
    assert log.after(0, 1)[0]["seq"] == 2
    assert log.after(log.last, 10) == []


async def test_news_wait_for_an_event_behind_the_number(autojump_clock):
    log = EventLog(5)
    with trio.move_on_after(1) as waited:
        await log.news(log.last)
    assert waited.cancelled_caught
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.news, 6)
        for number in (5, 6, 7):
            await trio.testing.wait_all_tasks_blocked()
            log.publish(number, None, "kind", "")
    with trio.fail_after(1):
        await log.news(6)
