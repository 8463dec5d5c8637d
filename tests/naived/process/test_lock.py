import errno
import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from naived.process.config import ConfigError
from naived.process.lock import LockedError, followed, ledger_locked, locked


def test_a_second_holder_is_told_who_has_the_home(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(LockedError, match=rf"pid {os.getpid()}\) has the home {tmp_path}"):
        locked(tmp_path).__enter__()


def test_a_ledger_has_one_simulator_by_whatever_name_it_is_called(tmp_path: Path) -> None:
    ledger, link = tmp_path / "ledger.db", tmp_path / "link.db"
    link.symlink_to(ledger)
    taken = rf"\(pid {os.getpid()}\) has the ledger {ledger}; stop it"
    with ledger_locked(ledger), ledger_locked(tmp_path / "other.db"), pytest.raises(LockedError, match=taken):
        ledger_locked(link).__enter__()
    with ledger_locked(None), ledger_locked(None):
        pass


def test_a_lock_is_taken_in_the_directory_that_has_the_path_by_now(tmp_path: Path) -> None:
    home, moved = tmp_path / "home", tmp_path / "moved"
    home.mkdir()
    with followed(home, "a.lock", "taken") as follow:
        follow()
        home.rename(moved)
        with pytest.raises(ConfigError, match="No such file"):
            follow()
        home.mkdir()
        with locked(home, "a.lock"), pytest.raises(LockedError, match="taken"):
            follow()
        follow()
        for each in (home, moved):
            with pytest.raises(LockedError):
                locked(each, "a.lock").__enter__()
    for each in (home, moved):
        with locked(each, "a.lock"):
            pass


def test_the_file_stays_with_the_pid_of_its_last_holder_and_nobody_trusts_it(tmp_path: Path) -> None:
    file = tmp_path / "naived.lock"
    file.write_text(f"{os.getpid()}\n")
    for _ in range(2):
        with locked(tmp_path):
            assert file.read_text() == f"{os.getpid()}\n"
    assert file.read_text() == f"{os.getpid()}\n"


def test_others_cannot_read_it(tmp_path: Path) -> None:
    with locked(tmp_path):
        assert (tmp_path / "naived.lock").stat().st_mode & 0o777 == 0o600


def test_a_holder_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib, naived.process.lock\n"
        "with naived.process.lock.locked(pathlib.Path(sys.argv[1])):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockedError, match=f"pid {holder.pid}"):
            locked(tmp_path).__enter__()
        holder.kill()
        holder.wait()
    with locked(tmp_path):
        pass


def test_a_child_does_not_inherit_the_lock(tmp_path: Path) -> None:
    sleeper = [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()"]
    with locked(tmp_path):
        child = subprocess.Popen(sleeper, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False)
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
    with child, locked(tmp_path):
        pass


def test_a_file_that_another_program_wrote_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "naived.lock"
    file.write_text("7 things to remember\n")
    file.chmod(0o644)
    with pytest.raises(ConfigError, match=r"naived\.lock holds something else than the pid of a naived"):
        locked(tmp_path).__enter__()
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("7 things to remember\n", 0o644)


def test_a_link_is_not_followed_nor_its_target_made(tmp_path: Path) -> None:
    (tmp_path / "naived.lock").symlink_to(tmp_path / "target")
    with pytest.raises(ConfigError, match=r"naived\.lock: it is a link"):
        locked(tmp_path).__enter__()
    assert not (tmp_path / "target").exists()


def test_what_is_no_file_is_no_lock(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "naived.lock")
    with pytest.raises(ConfigError, match="is not a file of ours"):
        locked(tmp_path).__enter__()


def test_a_look_at_the_lock_does_not_turn_a_naived_away(tmp_path: Path) -> None:
    (tmp_path / "naived.lock").touch()
    looking = os.open(tmp_path / "naived.lock", os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    threading.Timer(0.03, os.close, [looking]).start()
    with locked(tmp_path):
        pass


def test_a_full_disk_is_no_wrong_configuration_and_another_start_may_succeed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(ConfigError, match=r"cannot take the lock .*: No space left on device\. Free some") as info:
        locked(tmp_path).__enter__()
    assert info.value.exit_code == 75


def test_a_home_that_we_may_not_look_into_is_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    for name in ("open", "lstat", "stat"):  # root may look into any directory
        monkeypatch.setattr(os, name, refused)
    with pytest.raises(ConfigError, match=r"cannot open the lock .*: Permission denied"):
        locked(tmp_path).__enter__()


def test_where_there_can_be_no_lock_the_configuration_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "naived.lock").mkdir()
    with pytest.raises(ConfigError, match=r"cannot open the lock .*naived\.lock: Is a directory"):
        locked(tmp_path).__enter__()
