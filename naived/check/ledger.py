"""Looks at the ledger of the exchange inside naived: can it be opened, and is its account that of the journal?"""

import sqlite3
from contextlib import closing
from pathlib import Path

from naived.check.disk import check_file, held
from naived.check.rows import Row, ok, refused, skipped
from naived.database.deployment import check_account
from naived.database.sqlite_file import connect_to_read
from naived.ports import DeploymentError
from naived.process.config import Config, ConfigError
from naived.simulator.errors import SimulatorError
from naived.simulator.ledger import account_in, check_log

_MEND = "put a copy in its place, or move it and its database away"


def ledger(config: Config, account_uid: str | None, *, runs: bool = False) -> list[Row]:
    """A row, none where naived opens no ledger. ``account_uid`` is the journal's, None before the first start.

    ``runs``: a naived of this home uses it.
    """
    path = config.ledger
    if path is None:
        return []
    try:
        check_file(path, config.home)
        found = _account(path)
        if not runs and (why := held(path)):
            raise ConfigError(why)
        if found is not None and account_uid is not None:
            check_account(account_uid, found, str(config.exchange))
    except (ConfigError, DeploymentError, SimulatorError) as error:
        return [refused("ledger", error, _MEND)]
    except sqlite3.Error as error:
        return [refused("ledger", ConfigError(f"ledger {path}: {error}"), _MEND)]
    if found is not None:
        return [ok("ledger", f"{path.name}, account {found}")]
    if account_uid is not None:
        gone = ConfigError(f"there is no {path}, but its account {account_uid} is that of the database")
        return [refused("ledger", gone, "put it back, or move the database away too")]
    return [skipped("ledger", "there is no file yet", "naived makes it at its first start")]


def _account(path: Path) -> str | None:
    """The account in a ledger, None where there is none yet; raises SimulatorError, sqlite3.Error."""
    check_log(path)
    if not path.exists() or not path.stat().st_size:
        return None
    with closing(connect_to_read(path)) as connection:
        uid = account_in(connection, path)
        return None if uid is None else str(uid)
