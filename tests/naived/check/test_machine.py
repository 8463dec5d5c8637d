from pathlib import Path

import pytest
import trio

from naived.check import machine
from naived.check.rows import Status

LIMITS = "Limit                     Soft Limit           Hard Limit           Units\nMax open files  {} {} files\n"


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /proc with the process 7, and an empty /sys/fs/cgroup."""
    (tmp_path / "proc" / "7").mkdir(parents=True)
    monkeypatch.setattr(machine, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(machine, "_UNITS", (tmp_path / "units",))
    return tmp_path / "proc"


@pytest.mark.parametrize(
    ("hard", "status"), [("1024", Status.WARNED), ("524288", Status.OK), ("unlimited", Status.OK)]
)
def test_open_files_are_those_of_the_daemon(proc: Path, hard: str, status: Status) -> None:
    (proc / "7" / "limits").write_text(LIMITS.format("1024", hard))
    assert machine.files(7).status is status


def test_without_a_daemon_or_its_limits_they_are_ours(proc: Path) -> None:
    assert machine.files(None).found.startswith("a naived started here may open")
    assert machine.files(7).found.startswith("naived may open")


def test_memory_is_the_least_of_what_bounds_it(proc: Path) -> None:
    assert machine.memory(None).status is Status.SKIPPED
    (proc / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    8388608 kB\n")
    assert machine.memory(7).found == "8192 MiB is available"
    (proc / "7" / "cgroup").write_text("0::/system.slice/naived.service\n")
    group = proc.parent / "groups" / "system.slice" / "naived.service"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max\n")
    assert machine.memory(7).status is Status.OK
    (group / "memory.max").write_text(f"{64 * 2**20}\n")
    row = machine.memory(7)
    assert (row.status, row.found) == (Status.WARNED, "64 MiB is the limit of its control group")


@pytest.mark.parametrize(
    ("group", "found"),
    [
        ("/system.slice/naived.service", "systemd runs it as naived.service"),
        ("/user.slice/user@1000.service/app.slice/naived.service", "the user's systemd runs it as naived.service"),
        ("/user.slice/user@1000.service", "systemd does not run it"),
        ("/user.slice/session-3.scope", "systemd does not run it"),
        ("/", "systemd does not run it"),
    ],
)
def test_the_unit_is_read_from_the_control_group(proc: Path, group: str, found: str) -> None:
    (proc / "7" / "cgroup").write_text(f"0::{group}\n")
    assert machine.unit(7, serious=False).status is Status.OK
    row = machine.unit(7, serious=True)
    assert row.found.startswith(found)
    assert (row.status is Status.WARNED) == found.endswith("not run it")


def test_units_that_are_installed_are_named(proc: Path) -> None:
    assert machine.unit(None, serious=True).found == "naived does not run; installed: none"
    units = proc.parent / "units"
    units.mkdir()
    (units / "naived.service").touch()
    assert machine.unit(None, serious=True).found.endswith("installed: naived.service")
    assert machine.unit(7, serious=True).todo == "systemctl enable --now naived.service"


async def test_metrics_need_a_port_that_nobody_has() -> None:
    assert await machine.metrics(None, runs=False) == []
    [taken] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    address = ("127.0.0.1", taken.socket.getsockname()[1])
    [row] = await machine.metrics(address, runs=False)
    assert (row.unusable, row.todo) == (True, "Choose another --metrics-listen")
    [row] = await machine.metrics(address, runs=True)  # its own, perhaps
    assert row.status is Status.SKIPPED
    await taken.aclose()
    for _ in range(2):
        [row] = await machine.metrics(address, runs=False)
        assert row.status is Status.OK
