"""What a server says of the history of commits that it continues."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from naived.database.engine import Role, open_engine, parse_url
from naived.database.server import HISTORY, history
from tests.support.postgres import Server, execute

_PATIENCE = 60  # seconds


def test_a_user_without_privileges_can_ask_for_it(postgres_url: str) -> None:
    execute(postgres_url, "DROP ROLE IF EXISTS naived_plain", "CREATE ROLE naived_plain")
    with closing(psycopg.connect(postgres_url, autocommit=True)) as connection:
        (plain,) = connection.execute(f"SELECT {HISTORY}").fetchone() or ("",)
        connection.execute("SET ROLE naived_plain")
        assert connection.execute(f"SELECT {HISTORY}").fetchone() == (plain,)
        connection.execute("RESET ROLE")
        connection.execute("DROP ROLE naived_plain")
    system, _, timeline = plain.partition("/")
    assert (system.isdigit(), timeline) == (True, "00000001")


def test_a_file_has_one(sqlite_url: str) -> None:
    engine = open_engine(parse_url(sqlite_url), Role.READ)
    with engine.connect() as connection:
        assert history(connection) == history(connection) == "file"
    engine.dispose()


@pytest.fixture
def standby(postgres_server: Server) -> Iterator[str]:
    """The URL of a copy of the server that follows it, and is promoted by nobody."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs or postgres_server.data is None:
        pytest.skip("no pg_basebackup on this machine, or a server that is not ours")
    directory = Path(tempfile.mkdtemp(prefix="naived-standby-"))
    owner = pwd.getpwuid(postgres_server.data.stat().st_uid)
    os.chown(directory, owner.pw_uid, owner.pw_gid)
    drop = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    source, data = str(postgres_server.admin.query["host"]), directory / "data"
    copy = [programs[-1] / "pg_basebackup", "-h", source, "-U", "postgres", "-D", data, "-R", "-X", "stream"]
    subprocess.run(copy, check=True, capture_output=True, cwd=directory, **drop)
    command = [programs[-1] / "postgres", "-D", data, "-k", directory, "-c", "listen_addresses=", "-c", "fsync=off"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=directory, **drop)
    url = f"postgresql://postgres@/postgres?host={directory}"
    try:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                execute(url, "SELECT 1")
                break
            except psycopg.OperationalError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(_PATIENCE)
        shutil.rmtree(directory, ignore_errors=True)


def test_a_promoted_standby_has_another_one_at_once(postgres_server: Server, standby: str) -> None:
    def asked(url: sa.URL) -> str:
        engine = open_engine(url, Role.WRITE)
        try:
            with engine.connect() as connection:
                return history(connection)
        finally:
            engine.dispose()

    before = asked(postgres_server.admin.set(drivername="postgresql"))
    execute(standby, "SELECT pg_promote(true)")
    after = asked(parse_url(standby))
    assert (before.partition("/")[0], before[-8:]) == (after.partition("/")[0], "00000001")
    assert after[-8:] == "00000002"
