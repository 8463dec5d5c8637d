"""Looks at the database: is it there, at the schema of this version, fast, whole, and the only one with its tag?"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio

from naived.check.disk import check_file, check_logs, check_room, held
from naived.check.rows import Row, failed, ok, refused, skipped, told, warned
from naived.database.engine import ConfigurationError, damaged, parse_url, told_of_file
from naived.database.inspection import Inspection, copies, inspect, orphaned_logs, without_owner
from naived.database.migrate import HEAD
from naived.database.sqlite_file import TooLargeError, damage
from naived.ports import DeploymentError, JournalError
from naived.process.config import Config, ConfigError

T = TypeVar("T")

_PATIENCE = 20.0  # seconds: a server that cannot be reached is given up after 5, a query after 10
_WHOLE = 10.0  # seconds to look at the whole file of an SQLite database: some 500 MB
_SLOW = 50.0  # ms


async def journal(config: Config, *, runs: bool = False) -> tuple[list[Row], Inspection | None]:
    """The rows, and what was read, None where nothing could be. ``runs``: a naived of this home uses it."""
    found: Inspection | None = None
    wrong: Exception | None = None
    row: Row | None = None
    try:
        found = await in_time(partial(inspect, config.database, str(config.exchange), config.node))
        await in_time(partial(_check_place, config, runs))
        row = None if found is None else await in_time(partial(_answers, config, found))
    except (ConfigError, DeploymentError, JournalError, trio.TooSlowError) as error:
        wrong = error
    return [row or _database(wrong), _schema(found), *_files(config, found)], found


async def in_time(look: Callable[[], T]) -> T:
    """What ``look`` returns, run in a thread; raises TooSlowError."""
    with trio.fail_after(_PATIENCE):
        return await trio.to_thread.run_sync(look, abandon_on_cancel=True)


def _check_place(config: Config, runs: bool) -> None:
    """Raise ConfigError unless an SQLite database can be made or written to, and JournalError if only not now."""
    path = _path(config)
    if path is None:
        return
    if path.exists() and path.stat().st_mode & 0o077:  # a start makes it ours alone, and then we may write
        check_room(path.parent, config.home)
        check_logs(path)
    else:
        check_file(path, config.home)
    if not runs and (why := held(path)):
        raise JournalError(why)


def _path(config: Config) -> Path | None:
    """The file of an SQLite database; raises ConfigurationError."""
    address = parse_url(config.database)
    return Path(address.database or "") if address.get_backend_name() == "sqlite" else None


def _answers(config: Config, found: Inspection) -> Row:
    """The row of one that can be used. What is broken may be where a start does not look. Raises JournalError."""
    address, path = parse_url(config.database), _path(config)
    text = f"{found.name} answers in {found.latency:.1f} ms"
    if path is not None:
        try:
            with told_of_file(address):
                broken = damage(path, _WHOLE)
        except TooLargeError:
            text = f"{text}; too large to look at all of it in {_WHOLE:.0f} s"
        else:
            if broken is not None:
                return failed("database", *told(damaged(address, broken), ""))
            text = f"{text}, and is whole"
    return warned("database", text, "each order waits for it") if found.latency > _SLOW else ok("database", text)


def _database(wrong: Exception | None) -> Row:
    if isinstance(wrong, trio.TooSlowError):
        todo = "see that its server runs, or its disk works"
        return failed("database", f"no answer within {_PATIENCE:.0f} s", todo)
    if isinstance(wrong, ConfigError | ConfigurationError | DeploymentError):
        return refused("database", wrong, "check the path and who owns it, or name another --database")
    if wrong is not None:
        return failed("database", *told(wrong, "try again"))
    return skipped("database", "there is no file yet", "naived makes it at its first start")


def _schema(found: Inspection | None) -> Row:
    if found is None:
        return skipped("schema", "the database was not read")
    if found.version is None:
        return skipped("schema", "the database is empty", "naived makes its tables at its first start")
    if not found.current:
        todo = "naived upgrades it at its next start: keep a copy of it before that"
        return warned("schema", f"version {found.version}, this naived uses {HEAD}", todo)
    symbols = len(found.records)
    return ok(
        "schema", f"version {found.version}, tag {found.tag}, {symbols} {'symbol' if symbols == 1 else 'symbols'}"
    )


def _files(config: Config, found: Inspection | None) -> list[Row]:
    """Files beside an SQLite database that should not be there; nothing for PostgreSQL."""
    try:
        path = _path(config)
    except ConfigurationError:
        return []
    if path is None:
        return []
    if logs := orphaned_logs(path.parent):
        todo = "put its database back beside it; without one, what it holds is lost"
        return [failed("other files", f"{_named(logs)} holds commits of a database that is gone", todo)]
    if found is not None and found.tag is not None and (twins := copies(path, found.tag)):
        todo = "move it elsewhere: a naived that is started with it sends orders that this one does not know"
        return [warned("other files", f"{_named(twins)} is a copy of the journal (tag {found.tag})", todo)]
    return [ok("other files", f"no copy and no orphaned log in {path.parent}")]


def _named(paths: list[Path]) -> str:
    return ", ".join(each.name for each in paths)


async def strays(config: Config, client_order_ids: list[str]) -> set[str]:
    """Those of the ids that the journal has no living order for; raises JournalError, TooSlowError."""
    return await in_time(partial(without_owner, config.database, client_order_ids))
