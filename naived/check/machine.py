"""Looks at what the system gives to naived: a port for metrics, memory, open files, and the unit that runs it."""

import os
import re
import resource
from pathlib import Path

from naived.check.rows import Row, ok, refused, skipped, warned
from naived.process.config import ConfigError
from naived.process.scrape import check_address

_FILES_WANTED = 2_048  # 1,024 control clients, and what else is open
_MEMORY_WANTED = 256 * 2**20  # bytes: a thousand symbols need less
_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")
_FILES = re.compile(r"^Max open files\s+\S+\s+(\S+)", re.MULTILINE)
_AVAILABLE = re.compile(r"^MemAvailable:\s+(\d+) kB", re.MULTILINE)
_UNITS = (Path("/etc/systemd/system"), Path("/usr/lib/systemd/system"), Path("~/.config/systemd/user"))


async def metrics(address: tuple[str, int] | None, *, runs: bool) -> list[Row]:
    """Can metrics be served at this address? No row for none. ``runs``: a naived does, and may have it already."""
    if address is None:
        return []
    if runs:
        return [skipped("metrics", "naived runs: the address is its own, if it was started with it")]
    try:
        await check_address(address)
    except ConfigError as error:
        return [refused("metrics", error, "choose another --metrics-listen")]
    return [ok("metrics", "can be served at {}:{}".format(*address))]


def files(pid: int | None) -> Row:
    """The most files that the daemon, or else this process, may open; naived raises its soft limit to the hard."""
    whose = "naived" if pid is not None else "a naived started here"
    match = _FILES.search(_read(_PROC / str(pid) / "limits")) if pid is not None else None
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1] if match is None else _number(match[1])
    if hard == resource.RLIM_INFINITY:
        return ok("open files", f"{whose} may open any number")
    if hard < _FILES_WANTED:
        todo = f"raise the hard limit: ulimit -Hn {_FILES_WANTED}, or LimitNOFILE= in its unit"
        return warned("open files", f"{whose} may open {hard}: fewer clients than it serves otherwise", todo)
    return ok("open files", f"{whose} may open {hard}")


def _number(text: str) -> int:
    return int(text) if text.isdigit() else resource.RLIM_INFINITY


def memory(pid: int | None) -> Row:
    """What is left on the machine, and the limits of the process and its control group."""
    match = _AVAILABLE.search(_read(_PROC / "meminfo"))
    left = [] if match is None else [(int(match[1]) * 1024, "is available")]
    limit = resource.getrlimit(resource.RLIMIT_AS)[1]
    if limit != resource.RLIM_INFINITY:
        left.append((limit, "is the limit of a process here"))
    group = _read(_CGROUPS / control_group(pid).lstrip("/") / "memory.max").strip()
    if group.isdigit():
        left.append((int(group), "is the limit of its control group"))
    if not left:
        return skipped("memory", "this system does not tell")
    least, what = min(left)
    text = f"{least / 2**20:.0f} MiB {what}"
    if least < _MEMORY_WANTED:
        return warned(
            "memory", text, f"naived may need {_MEMORY_WANTED // 2**20} MiB: free some, or raise the limit"
        )
    return ok("memory", text)


def control_group(pid: int | None) -> str:
    """The path of a process's control group (ours for None), as the kernel names it; empty if it does not."""
    lines = _read(_PROC / ("self" if pid is None else str(pid)) / "cgroup").splitlines()
    return next((line.split(":", 2)[2] for line in lines if line.startswith(("0::", "1:name=systemd:"))), "")


def unit(pid: int | None, *, serious: bool) -> Row:
    """Which unit of systemd runs the daemon. ``serious``: it is a fault if none does, because money is real."""
    found = installed()
    if pid is None:
        return skipped("unit", f"naived does not run; installed: {', '.join(found) or 'none'}")
    path = control_group(pid).rstrip("/").split("/")
    if path[-1].endswith(".service") and not re.fullmatch(r"user@\d+\.service", path[-1]):
        manager = "the user's systemd" if any(part.startswith("user@") for part in path) else "systemd"
        return ok("unit", f"{manager} runs it as {path[-1]}")
    text = "systemd does not run it: it does not start again by itself"
    todo = f"systemctl enable --now {found[0]}" if found else "install the unit, see docs/OPERATING.md"
    return warned("unit", text, todo) if serious else ok("unit", text, todo)


def installed() -> list[str]:
    """The names of units of ours."""
    return sorted(
        {each.name for where in _UNITS for each in Path(os.path.expanduser(where)).glob("naived*.service")}
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
