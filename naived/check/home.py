"""Looks at the home: its directory, lock and socket, and the daemon that may hold it. Changes nothing there."""

import fcntl
import json
import os
import pwd
import shlex
import socket
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naived.check.disk import check_room, is_there
from naived.check.rows import Row, failed, ok, refused, skipped, warned
from naived.control.endpoint import EndpointError, check_free, check_path, check_place
from naived.control.protocol import LOCK, MAX_ANSWER, encode_request
from naived.process.config import ConfigError
from naived.process.home import check_home
from naived.process.lock import lock_file

_SILENCE = 5.0  # seconds for a daemon's answer: one that does not hang needs milliseconds


@dataclass(frozen=True, slots=True)
class Daemon:
    """The naived that holds the home; ``pid`` None: it wrote none. ``status`` is its answer, if it answers."""

    pid: int | None
    status: dict[str, Any] | None = None


def home(path: Path) -> Row:
    """The directory: naived makes one that is missing, and uses only one that no other user can write to."""
    mend = f"chmod 700 {shlex.quote(str(path))}"
    todo = f"as root: install -d -m 0700 -o {_user(os.geteuid())} {path}"
    try:
        if not is_there(path):
            parent = next((each for each in path.parents if is_there(each)), Path("/"))
            check_room(parent, path)
            later = "naived makes it at its first start; if it was there: find it"
            return warned("home", f"there is no {path} yet", later)
        status = check_home(path)
        todo = f"{mend}, mount it so that it can be written to, or choose another --home"
        check_room(path, path)
    except ConfigError as error:
        return refused("home", error, todo)
    mode = f"{stat.S_IMODE(status.st_mode):04o}"
    if status.st_mode & 0o055:
        return warned("home", f"{path} (mode {mode}) can be read by others", mend)
    return ok("home", f"{path}, {_user(status.st_uid)}, mode {mode}")


def lock(path: Path) -> tuple[Row, Daemon | None]:
    """Who holds the home's lock. It is asked for, shared, for microseconds; a naived that starts tries again."""
    file = path / LOCK
    if not os.path.lexists(file):
        return ok("lock", "free: no naived was ever started in this home"), None
    try:
        with lock_file(file) as (descriptor, pid):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return ok("lock", f"held by pid {pid or 'unknown'}: naived runs"), Daemon(pid)
            return ok("lock", "free: no naived runs in this home"), None
    except ConfigError as error:
        return refused("lock", error, f"chmod 600 {file}, or move it away: mv {file} {file}.old"), None
    except OSError as error:
        todo = "see that its file system can lock files"
        return failed("lock", f"{file}: {error.strerror}", todo, unusable=True), None


def control_socket(path: Path, home: Path, daemon: Daemon | None) -> tuple[Row, Daemon | None]:
    """Does the daemon answer at its socket? Returns it with what it said."""
    try:
        check_path(path)
        if not check_room(path.parent, home):
            return skipped("socket", f"no directory for {path} yet"), daemon
        check_place(path)
    except (EndpointError, ConfigError) as error:
        return refused("socket", error, "give the directory to this user, with mode 0700"), daemon
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
            f"{path}: naived runs and tells no status: {why}",
            "see the row key, and the log of naived",
        )
    try:
        check_free(path)
    except EndpointError as error:
        return refused("socket", error, "choose another --socket")
    if not os.path.lexists(path):
        return skipped("socket", "naived does not run", "start it with: naived")
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
    if isinstance(said, dict) and isinstance(said.get("error"), dict):
        raise ValueError(str(said["error"].get("message")))
    try:
        result: dict[str, Any] = said["result"]
        _ = [
            str(result["daemon"][key]) for key in ("version", "pid", "state", "reason", "exchange", "exchange_url")
        ]
    except (KeyError, TypeError) as error:
        raise ValueError("what answers there is no naived of this version") from error
    return result


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
