"""Sees that a connection to PostgreSQL is a session, and that its database can hold every text.

A session brings nobody else's settings and locks. A pooler in transaction mode gives one to whoever has a
transaction just now. Then the lock of a migration stays with a session that nobody ends, and the writer meets a
session that a reader has made read-only.
"""

import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from naived.database.engine import ConfigurationError, cause, describe, open_bare
from naived.ports import JournalError

_ROUNDS = 5  # another client of the pooler may take, or free, a session between two questions
_ENCODINGS = ("UTF8", "SQL_ASCII")  # the second keeps bytes as they are, and ours are UTF-8
_SESSION = sa.text("SELECT pg_backend_pid()")
_NO_TRANSACTIONS = "statement pooling mode"  # what PgBouncer says to BEGIN in that mode


def check_sessions(address: URL) -> None:
    """Raises ConfigurationError if connections share sessions, or texts would be refused; SQLAlchemyError.

    Raises JournalError while they may only read. Changes nothing.
    """
    if address.get_backend_name() == "sqlite":
        return
    engine = open_bare(address)
    try:
        with engine.connect() as one, engine.connect() as other:
            if not all(_are_sessions(one, other) for _ in range(_ROUNDS)):
                raise _pooled(address)
            if (encoding := one.scalar(sa.text("SHOW server_encoding"))) not in _ENCODINGS:
                raise _narrow(address, encoding)
            if one.scalar(sa.text("SHOW default_transaction_read_only")) == "on":
                raise JournalError(
                    f"{describe(address)} cannot be used now: default_transaction_read_only is on for us. "
                    "Set it to off for our user and this database, then start naived again"
                )
    except SQLAlchemyError as error:
        if _NO_TRANSACTIONS in cause(error):
            raise _pooled(address) from error
        raise
    finally:
        engine.dispose()


def _are_sessions(one: sa.Connection, other: sa.Connection) -> bool:
    """Is each its own session, also behind a transaction of the other?"""
    before = one.scalar(_SESSION)
    one.rollback()
    taken = other.scalar(_SESSION)  # its transaction goes on: a session that is passed on is this one's now
    after = one.scalar(_SESSION)
    one.rollback()
    other.rollback()
    return bool(before == after != taken)


def _narrow(address: URL, encoding: str) -> ConfigurationError:
    return ConfigurationError(
        f"{describe(address)} cannot hold every text: its encoding is {encoding}. Copy it into one made with "
        "CREATE DATABASE NAME ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0, and name that with --database"
    )


def _pooled(address: URL) -> ConfigurationError:
    return ConfigurationError(
        f"{describe(address)} is behind a pooler that passes one session from client to client, with its settings "
        "and locks. Set its pool_mode to session for naived's user, or name the server itself in --database"
    )
