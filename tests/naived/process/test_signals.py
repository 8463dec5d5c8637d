import os
import signal
import threading
from collections.abc import Iterator
from functools import partial

import pytest
import structlog
import trio

from naived.process import signals
from naived.process.opening import SUSPENDING
from naived.process.signals import suspendable

ARRIVAL = 5  # seconds a signal may take to arrive
PATIENCE = 60  # seconds, more than any of these takes


class LeftError(Exception):
    """The process would be gone; its exit code."""


@pytest.fixture(autouse=True)
def _leaving(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(code: int) -> None:
        raise LeftError(code)

    monkeypatch.setattr(os, "_exit", leave)


@pytest.fixture(autouse=True)
def _hangup_by_default() -> Iterator[None]:
    """Whoever runs the tests may have them ignore it, with nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def hangup_ignored(_hangup_by_default: None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_the_first_signal_asks_for_a_suspend(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with structlog.testing.capture_logs() as records:
        async with suspendable(PATIENCE) as suspend:
            assert not suspend.is_set()
            send(number)
            with trio.fail_after(ARRIVAL):
                await suspend.wait()
    assert [(each["event"], each["signal"]) for each in records] == [("suspending", number.name)]
    assert signal.getsignal(number) == before


async def test_a_signal_that_comes_before_anybody_waits_for_it_counts() -> None:
    async with suspendable(PATIENCE) as suspend:
        send(signal.SIGTERM)
        await trio.testing.wait_all_tasks_blocked()
        assert suspend.is_set()


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_the_process_at_once(
    second: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "_ONCE", 0)
    with pytest.RaisesGroup(pytest.RaisesExc(LeftError, match="^1$")):
        async with suspendable(PATIENCE) as suspend:
            send(signal.SIGTERM)
            await suspend.wait()
            send(second)
            with trio.fail_after(ARRIVAL):
                await trio.sleep_forever()


async def test_what_signals_a_process_and_its_group_at_once_asks_once() -> None:
    async with suspendable(PATIENCE) as suspend:
        send(signal.SIGTERM)
        await suspend.wait()
        send(signal.SIGTERM)
        await trio.testing.wait_all_tasks_blocked()


async def test_a_terminal_may_hang_up_twice() -> None:
    async with suspendable(PATIENCE) as suspend:
        send(signal.SIGHUP)
        await suspend.wait()
        send(signal.SIGHUP)
        await trio.testing.wait_all_tasks_blocked(0.01)


async def test_what_hangs_is_left_when_patience_ends_as_a_crash_would(
    autojump_clock: trio.testing.MockClock,
) -> None:
    with (
        structlog.testing.capture_logs() as records,
        pytest.RaisesGroup(pytest.RaisesExc(LeftError, match="^1$")),
    ):
        async with suspendable(PATIENCE) as suspend:
            send(signal.SIGTERM)
            await suspend.wait()
            asked = trio.current_time()
            try:
                await trio.sleep_forever()
            finally:
                assert trio.current_time() - asked == pytest.approx(PATIENCE)
    assert [each["log_level"] for each in records] == ["info", "warning"]


@pytest.mark.usefixtures("hangup_ignored")
async def test_nohup_is_respected() -> None:
    async with suspendable(PATIENCE) as suspend:
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        send(signal.SIGHUP)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert not suspend.is_set()


@pytest.mark.usefixtures("hangup_ignored")
async def test_one_without_a_terminal_reads_again_also_under_nohup() -> None:
    read = trio.Event()

    async def again() -> None:
        read.set()

    async with suspendable(PATIENCE, again) as suspend:
        send(signal.SIGHUP)
        with trio.fail_after(ARRIVAL):
            await read.wait()
        assert not suspend.is_set()


async def test_a_hangup_that_means_something_else_does_that_as_often_as_it_comes() -> None:
    hangup, heard = trio.open_memory_channel[None](3)
    async with suspendable(PATIENCE, partial(hangup.send, None)) as suspend:
        for _ in range(2):
            send(signal.SIGHUP)
            with trio.fail_after(ARRIVAL):
                await heard.receive()
        assert not suspend.is_set()
        send(signal.SIGTERM)
        with trio.fail_after(ARRIVAL):
            await suspend.wait()
        send(signal.SIGHUP)  # a suspend goes on
        await trio.testing.wait_all_tasks_blocked(0.01)
    assert heard.statistics().current_buffer_used == 0


async def test_a_signal_that_was_held_back_asks_for_a_suspend() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, SUSPENDING)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)  # the tests' other threads would not hold it back
    async with suspendable(PATIENCE) as suspend:
        with trio.fail_after(ARRIVAL):
            await suspend.wait()
