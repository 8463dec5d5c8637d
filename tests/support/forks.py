"""Programs that start fast: a fork of a process that has imported them already; a real start takes a second.

One helper process imports what `naived` and `naived simulate` import, others what `naivectl` and `naived backtest`
do: a fork costs by the size of what it is a fork of. They run none of it, have no threads and no event loop. For
each program they fork a child that becomes what a new process would be (arguments, environment, directory and
standard streams of the caller, no other descriptor, signals as Python begins with them), and that calls the
function of the console script: lock, control socket, configuration and exit are those of the program. The helper
does not touch a child that has ended until it is asked to: a process id is not used again before, as with any
child.

What a fork cannot prove is the start itself: the console script, the order of the imports, that each module
imports what it uses, the time that they take, during which a signal may come, and how Python takes a process apart
at its end. Tests of that are marked ``executed`` and start for real what they are about: a start or an end in
tests/acceptance/test_restarts.py, tests/field/test_door.py and tests/naived/cli. tests/test_demo.py, some of
tests/naivectl and tests/naived, and the scripts of tests/acceptance/test_docs.py start theirs without this module,
as do ``python -m tests.audit`` and ``python -m tests.fuzz``. ``pytest --exec`` starts every one for real.
"""

import atexit
import contextlib
import gc
import json
import os
import random
import select
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NoReturn

# Set before each test by tests/conftest.py: may its programs be forked, and those beside what it is about?
wanted = beside = False

_ROOT = Path(__file__).parents[2]
_BIN = Path(sys.executable).parent
_ENTRIES = {"naived": "naived.cli.main", "naivectl": "naivectl.main", "backtest": "naived.cli.main"}
_BACKTESTS = ("backtest", "sweep")  # commands of naived that want another helper than its others
# Some are imported only when they are needed, which would be in every child anew.
_ANY_IMPORTS = ("typer._click.decorators", "importlib.metadata", "encodings.ascii", "encodings.idna", "zoneinfo")
_IMPORTS = {
    "naived": (
        *("naived.cli.commands", "naived.cli.simulate", "naived.daemon", "naived.paper", "naived.cli.record"),
        *("alembic.command", "alembic.config", "alembic.ext.checkconstraint_byname", "sqlalchemy.ext.compiler"),
        *("sqlalchemy.dialects.sqlite.pysqlite", "sqlalchemy.dialects.postgresql.psycopg", "psycopg"),
    ),
    "naivectl": ("naivectl.app", "naivectl.completion", "naivectl.live", "naivectl.human"),
    "backtest": ("naived.cli.commands", "naived.cli.backtest", "naived.cli.sweep"),
}
# The programs read them when they run. Others may be read by a module that is imported.
_READ_LATE = {"HOME", "XDG_CACHE_HOME", "TMPDIR", "NOTIFY_SOCKET", "TERM", "COLUMNS", "LINES", "NO_COLOR"}
_READ_LATE_PREFIXES = ("NAIVED_", "PYTEST_")
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}  # for a helper: numpy begins threads, which no fork has
_LARGEST = 1 << 17  # bytes of a request: arguments and environment
_HELD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # by the helper, which ends with the tests


def start(
    program: str,
    *arguments: str,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    env: Mapping[str, str] | None = None,
    forked: bool | None = None,
) -> "Forked | subprocess.Popen[bytes]":
    """Start `naived` or `naivectl`, forked where that is wanted or as told; like Popen, without text."""
    environment = dict(os.environ if env is None else env)
    if (wanted if forked is None else forked) and (
        server := _server_for(program, arguments, environment)
    ) is not None:
        return Forked(server, program, arguments, stdin, stdout, stderr, environment)
    command = [_BIN / program, *arguments]
    return subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr, env=environment)


def run(program: str, *arguments: str, timeout: float, **how: Any) -> "subprocess.CompletedProcess[str]":
    """Run it to its end, and what it wrote."""
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
    with start(program, *arguments, **how) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    assert process.returncode is not None
    return subprocess.CompletedProcess(
        [program, *arguments], process.returncode, out.decode(), (err or b"").decode()
    )


class Forked:
    """The part of Popen that the tests use."""

    def __init__(
        self,
        server: "_Server",
        program: str,
        arguments: Sequence[str],
        stdin: int | None,
        stdout: int | None,
        stderr: int | None,
        environment: Mapping[str, str],
    ) -> None:
        self.returncode: int | None = None
        self.stdout: IO[bytes] | None = None
        self.stderr: IO[bytes] | None = None
        self._server = server
        self._lock = threading.Lock()
        with contextlib.ExitStack() as ours:

            def pipe() -> tuple[int, IO[bytes]]:
                reading, writing = os.pipe()
                ours.callback(os.close, writing)
                return writing, open(reading, "rb")

            given = [
                0 if stdin is None else stdin,
                1 if stdout is None else stdout,
                2 if stderr is None else stderr,
            ]
            if subprocess.DEVNULL in given:
                null = os.open(os.devnull, os.O_RDWR)
                ours.callback(os.close, null)
                given = [null if each == subprocess.DEVNULL else each for each in given]
            if given[1] == subprocess.PIPE:
                given[1], self.stdout = pipe()
            if given[2] == subprocess.PIPE:
                given[2], self.stderr = pipe()
            elif given[2] == subprocess.STDOUT:
                given[2] = given[1]
            mask = os.umask(0o077)  # it cannot be read without being set
            os.umask(mask)
            request = {
                "program": program,
                "arguments": [os.fspath(each) for each in arguments],
                "environment": dict(environment),
                "directory": os.getcwd(),
                "mask": mask,
            }
            self.pid, self._ended = server.fork(request, given)

    def __enter__(self) -> "Forked":
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        self.wait()

    def __del__(self) -> None:
        if getattr(self, "_ended", None) is not None and self.returncode is None:
            os.close(self._ended)

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        with self._lock:
            if self.returncode is None:
                # Readable as soon as it has ended.
                poll = select.poll()
                poll.register(self._ended, select.POLLIN)
                if not poll.poll(None if timeout is None else timeout * 1000):
                    raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
                self.returncode = self._server.reap(self.pid)
                os.close(self._ended)
            return self.returncode

    def send_signal(self, number: int) -> None:
        with self._lock:
            if self.returncode is None:
                signal.pidfd_send_signal(self._ended, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[bytes, bytes]:
        """What it writes until it has ended."""
        deadline = None if timeout is None else time.monotonic() + timeout
        written: dict[IO[bytes] | None, bytes] = {self.stdout: b"", self.stderr: b""}
        with selectors.DefaultSelector() as selector:
            for stream in written:
                if stream is not None and not stream.closed:
                    selector.register(stream, selectors.EVENT_READ, stream)
            while selector.get_map():
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                if not (ready := selector.select(left)):
                    raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
                for key, _ in ready:
                    if chunk := os.read(key.fd, 1 << 16):
                        written[key.data] += chunk
                    else:
                        selector.unregister(key.fileobj)
                        key.data.close()
        self.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        return (written[self.stdout] if self.stdout else b""), (written[self.stderr] if self.stderr else b"")


# The helper, from outside


class _Server:
    def __init__(self, forked: str) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        self._environment = _read_early(os.environ)
        with theirs:
            program = f"from tests.support.forks import serve; serve({theirs.fileno()}, {forked!r})"
            self._process = subprocess.Popen(
                [sys.executable, "-c", program],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd=_ROOT,
                env={name: value for name, value in os.environ.items() if not name.startswith("NAIVED_")}
                | _ONE_THREAD,
            )

    def serves(self, environment: Mapping[str, str]) -> bool:
        return _read_early(environment) == self._environment

    def fork(self, request: dict[str, Any], streams: Sequence[int]) -> tuple[int, int]:
        """The process id and a descriptor that is readable from its end on."""
        message = json.dumps(request).encode()
        assert len(message) <= _LARGEST
        with self._lock:
            socket.send_fds(self._socket, [message], streams)
            answer, descriptors, _, _ = socket.recv_fds(self._socket, 64, 1)
        assert answer, "the helper that forks has ended"
        return int(answer), descriptors[0]

    def reap(self, pid: int) -> int:
        with self._lock:
            self._socket.send(json.dumps(pid).encode())
            return int(self._socket.recv(64))

    def end(self) -> None:
        self._socket.close()
        self._process.wait()


_servers: dict[str, _Server] = {}  # by what they fork
_starting = threading.Lock()


def _server_for(program: str, arguments: Sequence[str], environment: Mapping[str, str]) -> _Server | None:
    """None where it cannot be, or could be another program than one that starts with this environment."""
    forked = "backtest" if program == "naived" and arguments and arguments[0] in _BACKTESTS else program
    with _starting:
        if forked not in _servers:
            try:
                os.close(os.pidfd_open(os.getpid()))
            except (AttributeError, OSError):  # not Linux, or an old one
                return None
            _servers[forked] = _Server(forked)
    server = _servers[forked]
    return server if server.serves(environment) else None


def end() -> None:
    """When the tests are over."""
    while _servers:
        _servers.popitem()[1].end()


def _read_early(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name not in _READ_LATE and not name.startswith(_READ_LATE_PREFIXES)
    }


# The helper, from inside


def serve(number: int, forked: str) -> NoReturn:
    """Fork for whoever asks at this socket; in a child, run the program."""
    atexit.register(_leave)  # the first is called last
    main = import_module(_ENTRIES[forked]).main
    for name in (*_ANY_IMPORTS, *_IMPORTS[forked]):
        import_module(name)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    with contextlib.suppress(FileNotFoundError):
        assert len(os.listdir("/proc/self/task")) == 1, "an import has begun a thread"
    gc.collect()
    gc.freeze()
    order = _ordered(socket.socket(fileno=number))
    request, streams = order
    _become(request, streams)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        sys.exit(main())
    except SystemExit as end:
        global _code
        _code = end.code
        raise


_code: object = "none yet"


def _leave() -> None:
    """End here, behind threads and exit functions: Python would take all modules apart, in pages that are shared.

    Only where no more than a number is left to be told; all else is Python's.
    """
    if _code is None or isinstance(_code, int):
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            return
        os._exit((_code or 0) & 0xFF)


def _ordered(ours: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Answer until there is nobody to ask; returns in each child, with what it is to be."""
    while True:
        message, streams, _, _ = socket.recv_fds(ours, _LARGEST, 3)
        if not message:
            os._exit(0)
        request = json.loads(message)
        if isinstance(request, int):
            ours.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(request, 0)[1]))
            continue
        pid = os.fork()
        if pid == 0:
            ours.detach()  # closed with all the others
            return request, streams
        for each in streams:
            os.close(each)
        ended = os.pidfd_open(pid)
        socket.send_fds(ours, [b"%d" % pid], [ended])
        os.close(ended)


def _become(request: dict[str, Any], streams: Sequence[int]) -> None:
    """What a process is at the start of the console script."""
    for place, stream in enumerate(streams):
        os.dup2(stream, place)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir(request["directory"])
    os.umask(request["mask"])
    os.environ.clear()
    os.environ.update(request["environment"])
    program = os.fspath(_BIN / request["program"])
    sys.argv = [program, *request["arguments"]]
    sys.path[0] = os.fspath(_BIN)
    for place, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        old = getattr(sys, name)
        how = {"encoding": old.encoding, "errors": old.errors, "closefd": False}  # on a terminal it goes by lines
        new = open(place, mode, **how)  # noqa: SIM115 - it stays open
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)
    sys.stderr.reconfigure(line_buffering=True)
    tempfile.tempdir = None  # it is looked for once
    _shuffle()


def _shuffle() -> None:
    """What the processes would have drawn each for itself (``random`` sees to its own generator)."""
    if (run := sys.modules.get("trio._core._run")) is not None:
        run._r = random.Random()  # type: ignore[attr-defined]
