"""Looks at the home: its directory, lock and disk, and the daemon that may hold it. Changes nothing that stays."""

import errno
import fcntl
import json
import os
import pwd
import re
import shlex
import socket
import stat
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naived.check.rows import Row, failed, ok, skipped, told, warned
from naived.control.endpoint import EndpointError, check_place
from naived.control.protocol import LOCK, MAX_ANSWER, encode_request

_SILENCE = 5.0  # seconds for a daemon's answer: one that does not hang needs milliseconds
_WRITES = 5  # of which the middle one counts
_SLOW_SYNC = 0.1  # seconds: each order waits for one
_LEAST_SPACE = 64 * 2**20  # bytes
_LITTLE_SPACE = 2**30  # bytes
_LEAST_INODES = 100
_PID = re.compile(rb"[0-9]{1,20}\n?")


@dataclass(frozen=True, slots=True)
class Daemon:
    """The naived that holds the home; ``pid`` None: it wrote none. ``status`` is its answer, if it answers."""

    pid: int | None
    status: dict[str, Any] | None = None


def home(path: Path) -> Row:
    """The directory: naived makes one that is missing, and uses only one that no other user can write to."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return _missing(path)
    except OSError as error:
        return failed(
            "home", f"{path}: {error.strerror}", "let this user look into it, or name another --home", unusable=True
        )
    mode = f"{stat.S_IMODE(status.st_mode):04o}"
    if not stat.S_ISDIR(status.st_mode):
        return failed("home", f"{path} is a link or a file", "name the directory itself with --home", unusable=True)
    if status.st_uid != os.geteuid():
        owner = _user(status.st_uid)
        todo = f"run this as {owner}, or choose another --home"
        return failed("home", f"{path} belongs to {owner}, not to {_user(os.geteuid())}", todo, unusable=True)
    mend = f"chmod 700 {shlex.quote(str(path))}"
    if status.st_mode & 0o022:
        return failed("home", f"{path} (mode {mode}) can be written by others", mend, unusable=True)
    if status.st_mode & 0o055:
        return warned("home", f"{path} (mode {mode}) can be read by others", mend)
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        todo = "mount it so that it can be written to, or choose another --home"
        return failed("home", f"{path} is on a file system that is read-only", todo, unusable=True)
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return failed("home", f"{path} (mode {mode}) cannot be written to", mend, unusable=True)
    return ok("home", f"{path}, {_user(status.st_uid)}, mode {mode}")


def _missing(path: Path) -> Row:
    parent = next((each for each in path.parents if os.path.lexists(each)), Path("/"))
    if not (os.path.isdir(parent) and os.access(parent, os.W_OK | os.X_OK)):
        todo = f"as root: install -d -m 0700 -o {_user(os.geteuid())} {path}"
        return failed("home", f"there is no {path}, and {parent} is not ours to write to", todo, unusable=True)
    return warned("home", f"there is no {path} yet", "naived makes it at its first start; if it was there: find it")


def lock(path: Path) -> tuple[Row, Daemon | None]:
    """Who holds the home's lock. It is asked for, shared, for microseconds; a naived that starts tries again."""
    file = path / LOCK
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return ok("lock", "free: no naived was ever started in this home"), None
    except OSError as error:
        why = "it is a link" if error.errno == errno.ELOOP else error.strerror
        todo = f"chmod 600 {file}" if error.errno == errno.EACCES else f"move it away: mv {file} {file}.old"
        return failed("lock", f"{file}: {why}", todo, unusable=True), None
    try:
        status = os.fstat(descriptor)
        written = os.pread(descriptor, 32, 0)
        if (
            not stat.S_ISREG(status.st_mode)
            or status.st_uid != os.geteuid()
            or (written and not _PID.fullmatch(written))
        ):
            todo = f"move it away: mv {file} {file}.old"
            return failed("lock", f"{file} is not the lock of a naived of ours", todo, unusable=True), None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = int(written) if written.strip() else None
            return ok("lock", f"held by pid {pid or 'unknown'}: naived runs"), Daemon(pid)
        return ok("lock", "free: no naived runs in this home"), None
    except OSError as error:
        return failed("lock", f"{file}: {error.strerror}", "see that its file system can lock files"), None
    finally:
        os.close(descriptor)


def control_socket(path: Path, daemon: Daemon | None) -> tuple[Row, Daemon | None]:
    """Does the daemon answer at its socket? Returns it with what it said."""
    try:
        check_place(path)
    except EndpointError as error:
        if os.path.lexists(path.parent):
            found, todo = told(error, "give the directory to this user, with mode 0700")
            return failed("socket", found, todo, unusable=True), daemon
        return skipped("socket", f"no directory for {path} yet"), daemon
    began = time.monotonic()
    try:
        said = _ask(path)
    except PermissionError as error:
        todo = "run this as the user that naived runs as"
        return failed("socket", f"{path}: {error.strerror}", todo, unusable=True), daemon
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        return _unanswered(path, daemon, why), daemon
    taken = (time.monotonic() - began) * 1000
    who = said["daemon"]
    text = f"answers in {taken:.0f} ms: naived {who['version']}, pid {who['pid']}, {who['state']}"
    if daemon is None:
        todo = "stop it, or choose another --socket"
        row = failed("socket", f"{path}: another naived {text}, but does not hold this home", todo, unusable=True)
        return row, None
    answering = Daemon(who["pid"], said)
    if who["state"] == "degraded":
        return warned("socket", f"{text}: {who['reason']}", "naivectl status"), answering
    return ok("socket", text), answering


def _unanswered(path: Path, daemon: Daemon | None, why: str) -> Row:
    if daemon is not None:
        return failed(
            "socket",
            f"{path}: naived runs and does not answer: {why}",
            f"see its log, and: kill {daemon.pid or 'PID'}",
        )
    if not os.path.lexists(path):
        return skipped("socket", "naived does not run", "start it with: naived")
    if not path.is_socket():
        return failed(
            "socket", f"{path} is there and is not a socket", f"move it away: mv {path} {path}.old", unusable=True
        )
    return ok("socket", f"{path} is left over from a naived that was killed: the next start replaces it")


def _ask(path: Path) -> dict[str, Any]:
    """The daemon's status; raises OSError, ValueError."""
    deadline = time.monotonic() + _SILENCE
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_SILENCE)
        client.connect(os.fspath(path))
        client.sendall(encode_request(1, "status", {}))
        answer = bytearray()
        while not answer.endswith(b"\n"):
            client.settimeout(max(0.01, deadline - time.monotonic()))
            piece = client.recv(2**18)
            answer += piece
            if not piece or len(answer) > MAX_ANSWER:
                raise ValueError("the connection ended before the answer")
    said: Any = json.loads(answer)
    try:
        result: dict[str, Any] = said["result"]
        _ = [
            str(result["daemon"][key]) for key in ("version", "pid", "state", "reason", "exchange", "exchange_url")
        ]
    except (KeyError, TypeError) as error:
        raise ValueError("what answers there is no naived of this version") from error
    return result


def disk(path: Path) -> list[Row]:
    """Room on the home's disk, and how long it takes to make a write durable. Needs an existing directory."""
    try:
        space = os.statvfs(path)
    except OSError as error:
        return [failed("disk space", f"{path}: {error.strerror}", "see that the disk is there")]
    free, inodes = space.f_bavail * space.f_frsize, space.f_favail
    text = f"{free / 2**30:.1f} GiB free"
    todo = f"free some of the disk of {path}"
    if free < _LEAST_SPACE or (space.f_files and inodes < _LEAST_INODES):
        rows = [failed("disk space", f"{text}, {inodes} inodes", todo)]
    else:
        rows = [warned("disk space", text, todo) if free < _LITTLE_SPACE else ok("disk space", text)]
    return [*rows, _sync(path)]


def _sync(path: Path) -> Row:
    try:
        taken = sync_time(path)
    except OSError as error:
        return failed("disk writes", f"{path}: {error.strerror}", f"see that {path} can be written to")
    text = f"a write is durable after {taken * 1000:.1f} ms"
    if taken > _SLOW_SYNC:
        return warned("disk writes", text, "each order waits for one: use a faster disk")
    return ok("disk writes", text)


def sync_time(path: Path) -> float:
    """Seconds that a page takes to the disk. The file has no name, or loses it at once; raises OSError."""
    try:
        # Outside Linux there is no such flag, and a directory cannot be opened to write.
        descriptor = os.open(path, getattr(os, "O_TMPFILE", 0) | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL):
            raise
        descriptor, name = tempfile.mkstemp(prefix=".naived-check-", dir=path)
        with suppress(FileNotFoundError):
            os.unlink(name)
    try:
        taken = []
        for number in range(_WRITES):
            began = time.perf_counter()
            os.pwrite(descriptor, b"\0" * 4096, number * 4096)
            os.fsync(descriptor)
            taken.append(time.perf_counter() - began)
        return sorted(taken)[_WRITES // 2]
    finally:
        os.close(descriptor)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
