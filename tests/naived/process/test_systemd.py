import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from naived.process.systemd import notify


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
