"""The control socket in the file system, and the identity of a client that connects to it."""

import os
import socket
import stat
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from naived.control.protocol import MAX_PATH

if TYPE_CHECKING:  # the socket is made before trio is imported, which takes a quarter of a second
    import trio

_BACKLOG = 512  # connections that wait for accept while the loop is busy; more get EAGAIN
_UMASK = 0o177  # so that the socket is created with mode 0600


class EndpointError(Exception):
    """The socket cannot be made at the requested path; the message says why."""


class Peer(NamedTuple):
    pid: int
    uid: int


def peer_of(connection: "trio.socket.SocketType") -> Peer:
    """Who connected, from the kernel. Outside Linux it is unknown; only the directory's mode protects us there."""
    if sys.platform == "linux":
        pid, uid, _gid = struct.unpack("iII", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return Peer(pid, uid)
    return Peer(0, os.geteuid())


class Endpoint:
    """The socket at ``path``, which listens from now on until `close`; raises EndpointError.

    A stale socket is replaced, but not one on which another naived listens. The socket is renamed to ``path`` only
    once it listens, so no client finds it unfinished. Clients that connect while no server runs wait.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket, self._ours = _listening(path)

    @property
    def listener(self) -> "trio.SocketListener":
        """A listener of its own at this socket: when it is closed, the socket listens on."""
        import trio

        return trio.SocketListener(trio.socket.from_stdlib_socket(self._socket.dup()))

    def restore(self) -> bool:
        """Listen at a socket made anew if somebody removed ours; was that so? Raises EndpointError.

        Whoever connected before stays connected. What somebody else put in its place stays there.
        """
        if os.path.lexists(self._path):
            return False
        removed = self._socket
        self._socket, self._ours = _listening(self._path)
        removed.close()
        return True

    def close(self) -> None:
        """Remove the socket; a second call does nothing."""
        self._socket.close()
        with suppress(FileNotFoundError):
            # By now the path may have the socket of another daemon.
            if _identity(self._path) == self._ours:
                self._path.unlink()


def _listening(path: Path) -> tuple[socket.socket, tuple[int, int]]:
    """A socket that listens at this path, and what tells it from others; raises EndpointError."""
    check_free(path)
    temporary = _temporary(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        mask = os.umask(_UMASK)
        try:
            _discard_socket(temporary)
            listener.bind(os.fspath(temporary))
        finally:
            os.umask(mask)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
        ours = _identity(temporary)
        temporary.rename(path)
    except OSError as error:
        listener.close()
        raise EndpointError(f"cannot make the control socket {path}: {error.strerror}") from error
    return listener, ours


def _temporary(path: Path) -> Path:
    return path.with_name(f".{os.getpid()}")


def _discard_socket(path: Path) -> None:
    """Remove what a killed process with our pid left there; a file that is no socket is not ours."""
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()


def _identity(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino


def check_path(path: Path) -> None:
    """Raise EndpointError unless a socket can have this path: its name and its length."""
    if not path.name:
        raise EndpointError(f"{path} is no file: name the control socket itself with --socket")
    length = max(len(os.fsencode(name)) for name in (path, _temporary(path)))
    if length > MAX_PATH:
        raise EndpointError(
            f"the path of the control socket is {length} bytes long, the system allows {MAX_PATH}: {path}; "
            "give a shorter one with --socket"
        )


def check_place(path: Path) -> None:
    """``check_path``, and that the directory is there and nobody else could replace the socket in it."""
    check_path(path)
    directory = path.parent
    try:
        status = directory.lstat()
    except OSError as error:
        raise EndpointError(f"no directory for the control socket: {directory}: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise EndpointError(f"{directory} must be a directory itself, not a link or a file")
    if status.st_uid != os.geteuid():
        raise EndpointError(
            f"{directory} belongs to another user: whoever owns it could replace the control socket"
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise EndpointError(
            f"others may write to {directory} and replace the control socket; mend it with: chmod go-w {directory}"
        )


def check_free(path: Path) -> None:
    """``check_place``, and that no process has the socket at this path, nor anything else is there."""
    check_place(path)
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise EndpointError(f"cannot look for the control socket {path}: {error.strerror}") from error
    if not stat.S_ISSOCK(mode):
        raise EndpointError(
            f"{path} is there already and is not a socket. Move it away, or choose another --socket"
        )
    try:
        taken = _listened_at(path)
    except PermissionError as error:
        raise EndpointError(
            f"we may not connect to {path}, so whether another naived listens there is not known. "
            "Remove it if none does, or choose another --socket"
        ) from error
    if taken:
        raise EndpointError(f"another naived listens at {path}. Stop it, or choose another --socket")


def _listened_at(path: Path) -> bool:
    """Is the socket at this path a process's? Only one that nobody has any more refuses. Raises PermissionError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except PermissionError:
            raise
        except OSError:  # its backlog is full, it takes another kind of connection, or none of ours
            return True
        return True
