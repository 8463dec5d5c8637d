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
from naived.check.home import Daemon, control_socket, disk, lock, sync_time
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
    assert row.unusable
    assert "not to user 4242" in row.found


def test_a_home_that_we_may_not_see_or_make(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert home.home(place).unusable
    assert home.home(place / "absent").unusable
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


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen()
        yield server


def test_a_socket_that_nobody_answers_at(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place / "control.sock"
    assert control_socket(path, None)[0].status is Status.SKIPPED
    assert control_socket(path, Daemon(7))[0].status is Status.FAILED
    endpoint = Endpoint(path)
    endpoint._socket.close()  # as after a kill
    assert control_socket(path, None)[0].status is Status.OK
    path.unlink()
    monkeypatch.setattr(home, "_SILENCE", 0.1)
    with listening(path):
        row, daemon = control_socket(path, Daemon(7))
    assert (row.status, daemon) == (Status.FAILED, Daemon(7))
    assert "does not answer: timed out" in row.found
    path.unlink()
    path.touch()
    assert control_socket(path, None)[0].unusable
    place.chmod(0o777)
    assert control_socket(path, None)[0].unusable


async def test_a_daemon_answers_and_one_of_another_home_is_told_apart(place: Path) -> None:
    async with naived(configured(place)) as running:
        await running.ready()
        path = running.config.socket
        row, daemon = await trio.to_thread.run_sync(control_socket, path, Daemon(None))
        assert row.status is Status.OK
        assert daemon is not None
        assert daemon.pid == os.getpid()
        row, daemon = await trio.to_thread.run_sync(control_socket, path, None)
        assert (row.unusable, daemon) == (True, None)


def test_the_disk_is_measured_and_nothing_stays(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [row.name for row in disk(place)] == ["disk space", "disk writes"]
    assert not list(place.iterdir())
    real = os.open

    def without_tmpfile(path: str, flags: int, *mode: int) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "not here")
        return real(path, flags, *mode)

    monkeypatch.setattr(os, "open", without_tmpfile)
    assert sync_time(place) > 0
    assert not list(place.iterdir())


def test_a_disk_that_is_full_slow_or_gone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = os.statvfs(place)
    for blocks, status in ((0, Status.FAILED), (200 * 2**20 // space.f_frsize, Status.WARNED)):
        fields = [*space]
        fields[4] = blocks  # f_bavail
        full = os.statvfs_result(fields)
        monkeypatch.setattr(os, "statvfs", lambda _path, full=full: full)
        assert disk(place)[0].status is status
    monkeypatch.setattr(home, "_SLOW_SYNC", 0.0)
    assert disk(place)[1].status is Status.WARNED
    assert disk(place / "absent")[1].status is Status.FAILED
    monkeypatch.undo()
    assert [row.status for row in disk(place / "absent")] == [Status.FAILED]


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
    row, daemon = control_socket(place / "control.sock", Daemon(7))
    assert (row.unusable, daemon) == (True, Daemon(7))
    assert "Permission denied" in row.found
