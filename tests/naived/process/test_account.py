import os
import resource
import stat
from pathlib import Path

import pytest

from naived.process.account import KnownAccount


def test_an_account_is_known_to_the_same_home_exchange_and_key_alone(tmp_path: Path) -> None:
    known = KnownAccount(tmp_path, "testnet", "", "key")
    assert known.uid is None
    known.remember("354937868")
    assert KnownAccount(tmp_path, "testnet", "", "key").uid == "354937868"
    for other in (("binance", "", "key"), ("testnet", "", "other"), ("testnet", "key", "")):
        assert KnownAccount(tmp_path, *other).uid is None
    known.remember("7")
    assert known.uid == "7"
    assert os.listdir(tmp_path) == ["naived.account"]


def test_the_file_is_private_and_does_not_hold_the_key(tmp_path: Path) -> None:
    KnownAccount(tmp_path, "testnet", "", "canary-key").remember("1")
    file = tmp_path / "naived.account"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "canary" not in file.read_text()


@pytest.mark.parametrize("content", ["notes\n", "0" * 64 + " 7", "0" * 64 + " 7\nmore\n"])
def test_a_file_of_another_program_is_not_believed_and_stays_as_it_is(tmp_path: Path, content: str) -> None:
    file = tmp_path / "naived.account"
    file.write_text(content)
    known = KnownAccount(tmp_path, "testnet")
    assert known.uid is None
    known.remember("1")
    assert file.read_text() == content


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    KnownAccount(tmp_path, "testnet").remember("1")
    (tmp_path / "naived.account").rename(target)
    (tmp_path / "naived.account").symlink_to(target)
    known = KnownAccount(tmp_path, "testnet")
    assert known.uid is None
    known.remember("2")
    assert (tmp_path / "naived.account").is_symlink()


def test_without_room_for_the_file_nothing_fails(tmp_path: Path) -> None:
    KnownAccount(tmp_path / "absent", "testnet").remember("1")


def test_it_is_written_again_once_the_disk_has_room(tmp_path: Path) -> None:
    known = KnownAccount(tmp_path, "testnet")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # as on a full disk: it is made, and stays empty
    try:
        known.remember("1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == []
    known.remember("1")
    assert known.uid == "1"


def test_what_a_death_or_a_power_failure_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / f"naived.account.{os.getpid()}").write_bytes(b"")
    (tmp_path / "naived.account").write_bytes(b"")
    known = KnownAccount(tmp_path, "testnet")
    known.remember("1")
    assert (known.uid, os.listdir(tmp_path)) == ("1", ["naived.account"])


def test_its_bytes_are_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    replace = Path.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: done.append("synced"))
    monkeypatch.setattr(Path, "replace", lambda self, target: (done.append("renamed"), replace(self, target))[1])
    KnownAccount(tmp_path, "testnet").remember("1")
    assert done == ["synced", "renamed"]
