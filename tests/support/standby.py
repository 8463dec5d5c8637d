"""A second PostgreSQL server that follows the first one, and is promoted without the first one's last commits."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import URL

from tests.support.postgres import NoPostgresError, Server, execute

_PATIENCE = 60.0  # seconds
_POLL = 0.05  # seconds


class Standby:
    """Follows ``primary`` from ``start`` to ``stop``; what is committed after that is lost to it.

    ``admin`` is its maintenance database.
    """

    def __init__(self, primary: Server, directory: Path, programs: Path, drop: dict[str, Any]) -> None:
        self.admin = URL.create("postgresql", "postgres", database="postgres", query={"host": str(directory)})
        self._primary = primary
        self._directory = directory
        self._programs = programs
        self._drop = drop
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of its maintenance database."""
        return self.admin.render_as_string(hide_password=False)

    def copy(self) -> None:
        source, data = str(self._primary.admin.query["host"]), self._directory / "data"
        copy = [self._programs / "pg_basebackup", "-h", source, "-U", "postgres", "-D", data, "-R", "-X", "stream"]
        options = ["-c", "fast", "--no-sync"]
        made = subprocess.run(
            [*copy, *options], capture_output=True, text=True, cwd=self._directory, check=False, **self._drop
        )
        if made.returncode:
            raise NoPostgresError(f"pg_basebackup failed: {made.stderr}")

    def start(self) -> None:
        sockets = str(self.admin.query["host"])
        command = [self._programs / "postgres", "-D", self._directory / "data", "-k", sockets]
        options = ["-c", "listen_addresses=", "-c", "fsync=off"]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *options], stdout=log, stderr=log, cwd=self._directory, **self._drop
            )
        _until(self._answers)

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise NoPostgresError(f"the standby ended: {(self._directory / 'log').read_text()[-1000:]}")
        try:
            execute(self.url, "SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """Behind all that is committed now."""
        there = _told(self._primary.admin.render_as_string(hide_password=False), "SELECT pg_current_wal_lsn()")
        _until(lambda: _told(self.url, f"SELECT pg_last_wal_replay_lsn() >= '{there}'") == "True")
        self.end()

    def promote(self) -> None:
        execute(self.url, "SELECT pg_promote(true)")

    def take_over(self) -> Server:
        """Be promoted at the address of the primary, which was killed; returns what is a primary now."""
        self.admin = self._primary.admin
        self.start()
        self.promote()
        return Server(self.admin, self._directory / "data", self.start)

    def end(self) -> None:
        if self._process is not None:
            self._process.terminate()  # smart: nobody is connected
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(2)
            self._process.send_signal(2)  # fast: open sessions are ended
            self._process.wait(_PATIENCE)
            self._process = None


def _told(url: str, question: str) -> str:
    with contextlib.closing(psycopg.connect(url, autocommit=True)) as connection:
        (answer,) = connection.execute(question).fetchone() or ("",)
        return str(answer)


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not done():
        assert time.monotonic() < deadline
        time.sleep(_POLL)


@contextlib.contextmanager
def following(primary: Server) -> Iterator[Standby]:
    """A standby of this server; raises NoPostgresError without pg_basebackup, or if the server is not ours."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_basebackup"))
    if not programs or primary.data is None:
        raise NoPostgresError("no pg_basebackup on this machine, or a server that is not ours")
    directory = Path(tempfile.mkdtemp(prefix="naived-standby-"))
    owner = pwd.getpwuid(primary.data.stat().st_uid)
    os.chown(directory, owner.pw_uid, owner.pw_gid)
    drop = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    standby = Standby(primary, directory, programs[-1].parent, drop)
    try:
        standby.copy()
        standby.start()
        yield standby
    finally:
        standby.end()
        shutil.rmtree(directory, ignore_errors=True)
