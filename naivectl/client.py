"""The client of the control socket: blocking, standard library only; every wait is bounded by default."""

import _signal  # type: ignore[import-not-found]  # `signal` without its enums
import _socket  # what `socket` is made of, without its enums and selectors, which take milliseconds of each verb
import json
import os
import select
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

from naivectl.shapes import SHAPES, fits
from naived.control.protocol import LOCK, MAX_ANSWER, MAX_PATH, PROTO, Code, encode_request

SILENCE = 10.0  # seconds: a daemon that does not hang answers `hello` in milliseconds
_STREAM_SILENCE = 40.0  # seconds: more than two heartbeats
_RECV_TIMEOUT = 0.5  # seconds: Python handles a signal that comes right before a system call only after it
_POLL = 0.05  # seconds between two looks for a daemon that starts or suspends
_CHUNK = 256 * 1024  # bytes

_HELLO = 0
_CALL = 1

TYPE_CHECKING = False  # see `main`
if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]
else:
    Document = dict


class Failure(Exception):
    """An error: its message, a hint what to do, and the exit code for scripts."""

    def __init__(self, kind: str, message: str, hint: str | None, exit: int) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.hint = hint
        self.exit = exit

    def document(self) -> Document:
        """What ``--json`` prints."""
        return {"v": 1, "error": {"kind": self.kind, "message": self.message, "hint": self.hint}}


class LostError(Failure):
    """The connection ended before the answer: the request may have been done or not."""

    def __init__(
        self, message: str = "naived went away before it answered; what was asked may be done or not"
    ) -> None:
        super().__init__(
            "connection_lost",
            message,
            "see: naivectl status",
            7,
        )


class UnheardError(LostError):
    """The connection ended before the daemon had begun with the request: nothing was done."""


def about(symbol: object, message: object) -> str:
    """A message that names its symbol, if it has one."""
    return f"{symbol}: {message}" if symbol else str(message)


def garbled(why: str) -> Failure:
    """An answer that naivectl cannot read: from another program, or another version of naived."""
    return Failure("protocol", f"naivectl cannot read the answer: {why}", "is it naived that listens there?", 76)


def decoded(line: bytes) -> Document:
    """A line of the daemon's as the object it must be; raises Failure."""
    try:
        frame = json.loads(line, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        raise garbled("it is not JSON") from None
    if not isinstance(frame, dict):
        raise garbled("it is not an object")
    return frame


def result_of(frame: Document, request_id: int) -> Document:
    """The result of a request; raises Failure."""
    error = frame.get("error")
    if isinstance(error, dict) and frame.get("id") in (request_id, None):
        data = error.get("data")
        known = data if isinstance(data, dict) else {}
        kind, hint = known.get("kind", "error"), known.get("hint")
        message = about(known.get("symbol"), error.get("message", "?"))
        raise Failure(str(kind), message, None if hint is None else str(hint), exit_code(error.get("code")))
    if frame.get("id") != request_id or type(frame["id"]) is not int:
        raise Failure("protocol", "naived answered something that was not asked", None, 76)
    result = frame.get("result")
    if not isinstance(result, dict):
        raise garbled("it has no result")
    return result


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large")
    return number


def exit_code(code: object) -> int:
    """The exit code for an error code of the protocol; 1 for any other code."""
    return next((known.exit for known in Code if known == code), 1)


def call(
    sockets: Sequence[str],
    method: str,
    params: Mapping[str, object],
    patience: float | None = SILENCE,
    door: float | None = SILENCE,
) -> Document:
    """The result of one request; both times are in seconds, None without end. Raises Failure.

    ``door`` bounds the wait for a daemon that starts or suspends, ``patience`` the wait for its answer. A change
    has a ``request_id``: if the connection is lost it is sent once more, and performed only once.
    """
    try:
        return _call(sockets, method, params, patience, door)
    except LostError as lost:
        if "request_id" not in params:  # it changes nothing
            raise (
                lost if isinstance(lost, UnheardError) else LostError("naived went away before it answered")
            ) from None
        try:
            return _call(sockets, method, params, patience, door)
        except Failure as failure:
            raise (lost if failure.exit == 7 else failure) from None


def _call(
    sockets: Sequence[str],
    method: str,
    params: Mapping[str, object],
    patience: float | None,
    door: float | None,
) -> Document:
    with _begun(sockets, method, params, door) as connection:
        return fitting(method, connection.answer(_CALL, patience))


def stream(sockets: Sequence[str], method: str, params: Mapping[str, object]) -> Iterator[Document]:
    """The items of a stream without its heartbeats, until the caller has enough; raises Failure."""
    with _begun(sockets, method, params, SILENCE) as connection:
        connection.idle = _end_unread
        while True:
            try:
                item = connection.answer(_CALL, _STREAM_SILENCE)
            except LostError:
                raise LostError("naived went away") from None
            if "heartbeat" not in item:
                yield fitting("status" if method == "watch" else "event", item)


def _end_unread() -> None:
    """End as at a write if nobody can read what we print any more: the next item may be hours away."""
    watch = select.poll()
    watch.register(1, 0)  # of stdout; an error is always told
    if watch.poll(0):
        os.kill(os.getpid(), _signal.SIGPIPE)


def _begun(sockets: Sequence[str], method: str, params: Mapping[str, object], door: float | None) -> "_Connection":
    """A connection to a daemon that works on this request; may wait for one that starts. Raises Failure."""
    _check(params)
    deadline = float("inf") if door is None else time.monotonic() + door
    patience = None if door is None else max(SILENCE, door)
    for last in (False, True):
        connection = _Connection(sockets, deadline)
        try:
            connection.request(method, params, patience)
            return connection
        except UnheardError:
            connection.close()
            if last or time.monotonic() > deadline:
                raise
            time.sleep(_POLL)
        except BaseException:
            connection.close()
            raise
    raise AssertionError("unreachable")


def _check(params: Mapping[str, object]) -> None:
    """Raise Failure for what was typed in another encoding than the locale's: JSON cannot say it."""
    for value in params.values():
        for text in value if isinstance(value, list | tuple) else (value,):
            try:
                str(text).encode()
            except UnicodeEncodeError:
                wrong = f"{ascii(text)[:80]} is not in the encoding of the locale ({sys.getfilesystemencoding()})"
                raise Failure("usage", wrong, None, 2) from None


def fitting(shape: str, document: Document) -> Document:
    """The document, if it has all that is read from it without a check; else raises Failure."""
    if not fits(document, SHAPES.get(shape, {})):
        raise garbled("naived does not answer so")
    return document


class _Connection:
    def __init__(self, sockets: Sequence[str], deadline: float) -> None:
        self._socket = _connect(sockets, deadline)
        self._buffer = bytearray()
        self.idle: Callable[[], None] = lambda: None  # called again and again while nothing comes

    def __enter__(self) -> "_Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def request(self, method: str, params: Mapping[str, object], patience: float | None) -> None:
        """Send `hello` and the request; the answer to `hello` shows that the daemon does not hang. Raises Failure.

        A daemon of another version answers only `hello`, and does not perform the request.
        """
        frames = encode_request(_HELLO, "hello", {"proto": PROTO, "client": "naivectl"})
        frames += encode_request(_CALL, method, params)
        self._socket.settimeout(SILENCE)
        with suppress(ConnectionError):  # naived closed the connection: its reason can still be read
            try:
                # SIGPIPE is to end us if the reader of our output closes, but not if the daemon does.
                self._socket.sendall(frames, getattr(_socket, "MSG_NOSIGNAL", 0))
            except TimeoutError:
                raise self._silent() from None
        try:
            self.answer(_HELLO, patience)
        except LostError:
            raise UnheardError("naived went away before it took the request; nothing was done") from None

    def answer(self, request_id: int, patience: float | None) -> Document:
        """The result of a request; raises Failure."""
        return result_of(decoded(self._line(patience)), request_id)

    def _line(self, patience: float | None) -> bytes:
        scanned = 0
        deadline = float("inf") if patience is None else time.monotonic() + patience
        while (end := self._buffer.find(b"\n", scanned)) < 0:
            scanned = len(self._buffer)
            if scanned > 2 * MAX_ANSWER:
                raise Failure("protocol", "naived's answer does not end", None, 76)
            self._buffer += self._receive(deadline)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _receive(self, deadline: float) -> bytes:
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(min(_RECV_TIMEOUT, left))
            try:
                chunk = self._socket.recv(_CHUNK)
            except TimeoutError:
                self.idle()
                continue
            except ConnectionError:
                raise LostError() from None
            if not chunk:
                raise LostError()
            return chunk
        raise self._silent()

    def _silent(self) -> Failure:
        who = "naived"
        if sys.platform == "linux":
            import struct  # deferred: nearly every daemon answers

            pid = struct.unpack("iII", self._socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12))[0]
            who = f"naived (pid {pid})"
        return Failure("silent", f"{who} is alive but does not answer", "look at its log, or try again", 75)


def _connect(sockets: Sequence[str], deadline: float) -> _socket.socket:
    """Connect to the first socket with a listener; wait while a daemon starts or suspends. Raises Failure."""
    while True:
        failure: Failure | None = None
        for path in sockets:
            try:
                return connected(path)
            except (FileNotFoundError, NotADirectoryError):
                pass
            except ConnectionRefusedError:
                failure = failure or _refused(path)
        if failure is not None and failure.kind == "unreachable":
            raise failure  # a file or a directory never becomes a socket, whatever starts beside it
        busy = next((path for path in sockets if _is_held(os.path.join(os.path.dirname(path), LOCK))), None)
        if busy is None:
            raise failure or Failure(
                "not_running", f"naived is not running (no socket at {sockets[0]})", "Start it with: naived", 7
            )
        if time.monotonic() > deadline:
            raise Failure(
                "busy",
                f"naived starts or suspends, and takes no connections at {busy}",
                "try again in a moment; if its socket is in another place, name it with --socket",
                75,
            )
        time.sleep(_POLL)


def connected(path: str) -> _socket.socket:
    """A connection to this socket; raises OSError if nobody listens there, Failure."""
    connection = _socket.socket(_socket.AF_UNIX)
    try:
        connection.settimeout(SILENCE)
        connection.connect(path)
        return connection
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        connection.close()
        raise
    except OSError as error:
        connection.close()
        raise _unreachable(path, error) from error


def _is_held(lock: str) -> bool:
    """Does a process hold the lock of a home? No, if we may not look."""
    import fcntl  # deferred: nearly every call finds its daemon

    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def _refused(path: str) -> Failure:
    """The failure for a path without a listener, which may be a file or a directory instead of a socket."""
    with suppress(OSError):
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            hint = "give naived's control socket with --socket, or its home with --home"
            return Failure("unreachable", f"{path} is not a socket", hint, 7)
    message = f"naived is not running (it left a dead socket at {path})"
    return Failure("not_running", message, "Start it with: naived", 7)


def _unreachable(path: str, error: OSError) -> Failure:
    if isinstance(error, PermissionError):
        return Failure("permission", f"no permission for {path}{_owner(path)}", "run naivectl as the same user", 77)
    if isinstance(error, BlockingIOError | TimeoutError):
        return Failure("busy", f"naived does not take connections at {path}", "try again in a moment", 75)
    if len(os.fsencode(path)) > MAX_PATH:
        message = f"the path of the socket is longer than the {MAX_PATH} bytes the system allows: {path}"
        return Failure("unreachable", message, "give a shorter one with --socket", 7)
    return Failure("unreachable", f"cannot connect to {path}: {error.strerror or error}", None, 7)


def _owner(path: str) -> str:
    """Owner and mode of what denies access: the socket, or the first directory that we may not enter."""
    parent = path
    while parent != "/":
        with suppress(OSError):
            status = os.stat(parent)
            mode = stat.S_IMODE(status.st_mode)
            return f": {parent} belongs to uid {status.st_uid}, mode {mode:04o}, you are uid {os.geteuid()}"
        parent = os.path.dirname(parent) or "/"
    return ""
