"""A real PgBouncer before a server of the test run's own, in the mode that a test wants."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from tests.support.postgres import Server, execute

_PORT = 6432  # of the name of its socket; nothing listens on it
_START = 30  # s
_POLL = 0.02  # s


class NoPoolerError(Exception):
    """Nothing here can run a PgBouncer."""


@contextlib.contextmanager
def pooled(server: Server, database: str, mode: str, size: int = 20) -> Iterator[str]:
    """The URL of this database behind a pooler with at most ``size`` sessions; raises NoPoolerError."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None or server.data is None:
        raise NoPoolerError("no pgbouncer on this machine, or a server that is not ours")
    directory = Path(tempfile.mkdtemp(prefix="naived-pooler-"))
    owner = pwd.getpwuid(server.data.stat().st_uid)
    os.chown(directory, owner.pw_uid, owner.pw_gid)
    there = make_url(database)
    settings = {
        "unix_socket_dir": directory,
        "listen_port": _PORT,
        "auth_type": "any",
        "pool_mode": mode,
        "default_pool_size": size,
        "logfile": directory / "log",
    }
    where = f"{there.database} = host={server.admin.query['host']} dbname={there.database} user={there.username}"
    lines = ["[databases]", where, "[pgbouncer]", *(f"{name} = {value}" for name, value in settings.items())]
    (directory / "ini").write_text("\n".join(lines) + "\n")
    os.chown(directory / "ini", owner.pw_uid, owner.pw_gid)  # whatever the umask of the test run
    drop = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    with (directory / "stderr").open("wb") as stderr:
        process = subprocess.Popen([program, "-q", directory / "ini"], cwd=directory, stderr=stderr, **drop)
    url = there.set(port=_PORT, query={"host": str(directory)}).render_as_string(hide_password=False)
    try:
        deadline = time.monotonic() + _START
        while not _answers(url):
            assert process.poll() is None, (directory / "stderr").read_text()
            assert time.monotonic() < deadline
            time.sleep(_POLL)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=_START)
        shutil.rmtree(directory, ignore_errors=True)


def _answers(url: str) -> bool:
    try:
        execute(url, "SELECT 1")
    except psycopg.OperationalError:
        return False
    return True
