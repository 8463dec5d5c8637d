import trio

from naived.control.caller import Caller


async def test_a_wait_ends_at_its_deadline_or_when_its_caller_leaves(autojump_clock):
    caller = Caller()
    began = trio.current_time()
    with caller.waiting(began + 5):
        await trio.sleep_forever()
    assert trio.current_time() == began + 5
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(_wait, caller)
        await trio.sleep(3)
        caller.leave()
    assert trio.current_time() == began + 8


async def test_who_left_waits_for_nothing_any_more():
    caller = Caller()
    caller.leave()
    with caller.waiting():
        await trio.sleep_forever()


async def _wait(caller):
    with caller.waiting():
        await trio.sleep_forever()
