import os
import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from naived.process.systemd import notify, ready, reloading, stopping, tend, watchdog


@pytest.fixture
def inbox(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The manager's end, at a path or in the abstract namespace."""
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        address = f"{directory}/notify"
        manager.bind("\0" + address if request.param == "abstract" else address)
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + address if request.param == "abstract" else address)
        yield manager


@pytest.mark.parametrize("inbox", ["path", "abstract"], indirect=True)
def test_the_manager_hears_a_state_as_one_datagram(inbox: socket.socket) -> None:
    notify("READY=1")
    notify("STOPPING=1")
    assert [inbox.recv(100), inbox.recv(100)] == [b"READY=1", b"STOPPING=1"]


@pytest.mark.parametrize("address", [None, "", "/nonexistent/notify", "@nobody-listens-here"])
def test_without_a_manager_that_listens_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("READY=1")


@pytest.mark.parametrize("inbox", ["path"], indirect=True)
def test_a_manager_that_does_not_read_holds_nobody_up(inbox: socket.socket) -> None:
    for _ in range(10_000):
        notify("READY=1")
    assert inbox.recv(100) == b"READY=1"


def test_the_path_is_not_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    notify("READY=1")
    assert not (tmp_path / "notify").exists()


def heard(inbox: socket.socket) -> list[str]:
    """All that the manager has not read yet."""
    inbox.setblocking(False)
    said = []
    while True:
        try:
            said.append(inbox.recv(1000).decode())
        except BlockingIOError:
            return said


@pytest.mark.parametrize("inbox", ["path", "abstract"], indirect=True)
def test_a_reload_and_a_suspend_are_told_with_their_times(inbox: socket.socket) -> None:
    ready()
    reloading()
    stopping(9.5, "suspending: orders rest")
    first, reload, stop = heard(inbox)
    assert first == "READY=1"
    kind, moment = reload.split("\n")
    assert (kind, moment.partition("=")[0]) == ("RELOADING=1", "MONOTONIC_USEC")
    assert int(moment.partition("=")[2]) > 0
    assert stop.split("\n") == ["STOPPING=1", "EXTEND_TIMEOUT_USEC=9500000", "STATUS=suspending: orders rest"]


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_that_of_this_process(environ: dict[str, str], seconds: float | None) -> None:
    assert watchdog(environ) == seconds


class Journal:
    """Answers at once, unless it hangs until a time (trio's)."""

    def __init__(self) -> None:
        self.hangs_until = 0.0

    async def ask(self) -> None:
        await trio.sleep_until(self.hangs_until)


async def fed(
    inbox: socket.socket, clock: MockClock, journal: Journal, seconds: float
) -> tuple[list[float], list[str]]:
    """When the watchdog was fed in so many seconds, and the status lines."""
    times, lines = [], []
    for _ in range(int(seconds * 10)):
        await trio.testing.wait_all_tasks_blocked()
        for said in heard(inbox):
            if said == "WATCHDOG=1":
                times.append(trio.current_time())
            else:
                lines.append(said)
        clock.jump(0.1)
    return times, lines


@pytest.fixture
def watched(inbox: socket.socket, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    return inbox


@pytest.mark.parametrize("inbox", ["path", "abstract"], indirect=True)
async def test_the_watchdog_is_fed_several_times_in_its_time(watched: socket.socket, mock_clock: MockClock) -> None:
    journal = Journal()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tend, lambda: "ready:\n2 trading\n", journal.ask)
        times, lines = await fed(watched, mock_clock, journal, 60)
        nursery.cancel_scope.cancel()
    assert lines == ["STATUS=ready: 2 trading"]
    assert max(later - earlier for earlier, later in pairwise(times)) <= 30 / 4 + 0.2


@pytest.mark.parametrize("inbox", ["path"], indirect=True)
@pytest.mark.parametrize("begins", [0.2, 3.0, 7.3, 7.6])
async def test_a_writer_that_hangs_is_not_punished_before_the_time_is_over(
    watched: socket.socket, mock_clock: MockClock, begins: float
) -> None:
    journal = Journal()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tend, lambda: "ready", journal.ask)
        before, _ = await fed(watched, mock_clock, journal, begins)
        hung_at = trio.current_time()
        journal.hangs_until = hung_at + 200
        times, _ = await fed(watched, mock_clock, journal, 100)
        bitten_at = max([*before, *times]) + 30
        assert hung_at + 30 <= bitten_at <= hung_at + 45 + 0.2
        journal.hangs_until = trio.current_time()  # it answers again, and is asked as before
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("inbox", ["path"], indirect=True)
async def test_a_writer_that_answers_just_in_time_lives(watched: socket.socket, mock_clock: MockClock) -> None:
    journal = Journal()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tend, lambda: "ready", journal.ask)
        await fed(watched, mock_clock, journal, 1)
        journal.hangs_until = trio.current_time() + 29.5
        times, _ = await fed(watched, mock_clock, journal, 60)
        nursery.cancel_scope.cancel()
    assert max(later - earlier for earlier, later in pairwise(times)) < 30


@pytest.mark.parametrize("inbox", ["path"], indirect=True)
async def test_the_status_line_is_sent_when_it_changes(
    inbox: socket.socket, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    lines = iter(["starting", "starting", *["ready"] * 100])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tend, lambda: next(lines), Journal().ask)
        times, said = await fed(inbox, mock_clock, Journal(), 5)
        nursery.cancel_scope.cancel()
    assert (times, said) == ([], ["STATUS=starting", "STATUS=ready"])


async def test_without_a_manager_there_is_nothing_to_tend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    ask: Callable[[], Awaitable[object]] = Journal().ask
    await tend(lambda: pytest.fail("nobody looks"), ask)
