import errno
import fcntl
import os
import shlex
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from naived.check import home
from naived.check.home import Daemon, control_socket, lock
from naived.check.rows import Status
from naived.control.endpoint import Endpoint
from naived.process.lock import locked
from tests.support.daemon import configured, naived


@pytest.fixture
def place(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


def test_a_home_of_ours_that_is_closed_to_others_is_good(place: Path) -> None:
    assert home.home(place).status is Status.OK


def test_a_home_that_is_missing_is_not_made(place: Path) -> None:
    row = home.home(place / "a" / "b")
    assert (row.status, row.unusable) == (Status.WARNED, False)
    assert not (place / "a").exists()


def test_a_home_of_which_the_name_is_too_long_is_refused(place: Path) -> None:
    row = home.home(place / ("x" * 256))
    assert (row.status, row.unusable, row.todo) == (Status.FAILED, True, "Name another path")
    assert row.found.endswith("File name too long")


@pytest.mark.parametrize(
    ("mode", "status", "unusable"),
    [(0o777, Status.FAILED, True), (0o720, Status.FAILED, True), (0o755, Status.WARNED, False)],
)
def test_a_home_that_is_open_to_others(place: Path, mode: int, status: Status, unusable: bool) -> None:
    place.chmod(mode)
    row = home.home(place)
    assert (row.status, row.unusable, row.todo) == (status, unusable, f"chmod 700 {place}")


def test_what_to_type_about_a_home_can_be_typed(place: Path) -> None:
    spaced = place / "a b'c"
    for mode in (0o777, 0o755):
        spaced.mkdir(exist_ok=True)
        spaced.chmod(mode)
        todo = home.home(spaced).todo
        assert todo is not None
        assert shlex.split(todo) == ["chmod", "700", str(spaced)]


def test_a_home_of_another_user_a_link_and_a_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "link").symlink_to(place)
    (place / "file").touch()
    for name in ("link", "file"):
        assert home.home(place / name).unusable
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    row = home.home(place)
    assert (row.unusable, "belongs to another user" in row.found) == (True, True)


@pytest.mark.parametrize(("number", "unusable"), [(errno.EACCES, True), (errno.EROFS, True), (errno.ENOSPC, False)])
def test_a_home_in_which_no_file_can_be_made(
    place: Path, monkeypatch: pytest.MonkeyPatch, number: int, unusable: bool
) -> None:
    def refused(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    place.chmod(0o755)  # what is no more than a warning hides nothing
    monkeypatch.setattr(os, "open", refused)
    for path in (place, place / "absent"):
        row = home.home(path)
        assert (row.status, row.unusable) == (Status.FAILED, unusable)
        assert f"no file can be made in {place}: {os.strerror(number)}" in row.found


def test_a_home_below_a_file(place: Path) -> None:
    assert home.home(Path("/dev/null/x")).unusable


def test_the_lock_is_free_or_held_and_stays_as_it_is(place: Path) -> None:
    assert lock(place)[1] is None
    assert not list(place.iterdir())
    with locked(place):
        row, daemon = lock(place)
        assert (row.status, daemon) == (Status.OK, Daemon(os.getpid()))
    row, daemon = lock(place)
    assert (row.status, daemon) == (Status.OK, None)
    with locked(place):
        pass  # the look at it left no lock


def test_what_is_no_lock_is_said(place: Path) -> None:
    path = place / "naived.lock"
    path.write_text("not a pid")
    assert lock(place)[0].unusable
    path.unlink()
    path.symlink_to("elsewhere")
    assert lock(place)[0].unusable
    path.unlink()
    path.mkdir()
    assert lock(place)[0].unusable


def test_a_lock_that_we_may_not_write_is_not_free(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "naived.lock").touch()
    real = os.open

    def only_read(path: str, flags: int, *mode: int) -> int:
        if flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, flags, *mode)

    monkeypatch.setattr(os, "open", only_read)  # root may write to a file of mode 0400
    row, _ = lock(place)
    assert (row.unusable, row.todo.split(",")[0]) == (True, f"chmod 600 {place / 'naived.lock'}")


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen()
        yield server


def test_a_socket_that_nobody_answers_at(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place / "control.sock"
    assert control_socket(path, place, None)[0].status is Status.SKIPPED
    assert control_socket(path, place, Daemon(7))[0].status is Status.FAILED
    endpoint = Endpoint(path)
    endpoint._socket.close()  # as after a kill
    assert control_socket(path, place, None)[0].status is Status.OK
    path.unlink()
    monkeypatch.setattr(home, "_SILENCE", 0.1)
    with listening(path):
        row, daemon = control_socket(path, place, Daemon(7))
        assert (row.status, daemon) == (Status.FAILED, Daemon(7))
        assert "tells no status: timed out" in row.found
        row, _ = control_socket(path, place, None)  # one that hangs, or is older, has no other answer
    assert (row.unusable, row.todo) == (True, "Stop it, or choose another --socket")
    path.unlink()
    path.touch()
    assert control_socket(path, place, None)[0].unusable
    place.chmod(0o777)
    assert control_socket(path, place, None)[0].unusable


@pytest.mark.parametrize(
    ("home", "path", "status"),
    [
        ("h", "h/x.sock", Status.SKIPPED),
        ("a/h", "a/x.sock", Status.SKIPPED),
        ("h", "absent/x.sock", Status.FAILED),
        ("h" * 100, f"{'h' * 100}/x.sock", Status.FAILED),
    ],
)
def test_a_socket_waits_for_the_home_alone_and_only_where_it_can_have_its_path(
    place: Path, home: str, path: str, status: Status
) -> None:
    row, _ = control_socket(place / path, place / home, None)
    assert (row.status, row.unusable) == (status, status is Status.FAILED)


async def test_a_daemon_answers_and_one_of_another_home_is_told_apart(place: Path) -> None:
    async with naived(configured(place)) as running:
        await running.ready()
        path = running.config.socket
        row, daemon = await trio.to_thread.run_sync(control_socket, path, place, Daemon(None))
        assert row.status is Status.OK
        assert daemon is not None
        assert daemon.pid == os.getpid()
        row, daemon = await trio.to_thread.run_sync(control_socket, path, place, None)
        assert (row.unusable, daemon) == (True, None)


def test_a_shared_look_does_not_keep_another_look_out(place: Path) -> None:
    with locked(place):
        pass
    with (place / "naived.lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        assert lock(place)[1] is None


def test_a_socket_that_we_may_not_use_is_another_users(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(home, "_ask", refused)
    row, daemon = control_socket(place / "control.sock", place, Daemon(7))
    assert (row.unusable, daemon) == (True, Daemon(7))
    assert "Permission denied" in row.found
