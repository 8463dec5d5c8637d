"""Sees that a connection to PostgreSQL is a session: that nobody else's settings and locks come with it.

A pooler in transaction mode gives a session to whoever has a transaction just now. Then the lock of a migration
stays with a session that nobody ends, and the writer meets a session that a reader has made read-only.
"""

import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from naived.database.engine import ConfigurationError, cause, describe, open_bare

_ROUNDS = 5  # another client of the pooler may take, or free, a session between two questions
_SESSION = sa.text("SELECT pg_backend_pid()")
_NO_TRANSACTIONS = "statement pooling mode"  # what PgBouncer says to BEGIN in that mode


def check_sessions(address: URL) -> None:
    """Raises ConfigurationError if connections share sessions; SQLAlchemyError. Changes nothing."""
    if address.get_backend_name() == "sqlite":
        return
    engine = open_bare(address)
    try:
        with engine.connect() as one, engine.connect() as other:
            if not all(_are_sessions(one, other) for _ in range(_ROUNDS)):
                raise _pooled(address)
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


def _pooled(address: URL) -> ConfigurationError:
    return ConfigurationError(
        f"{describe(address)} is behind a pooler that passes one session from client to client, with its settings "
        "and locks. Set its pool_mode to session for naived's user, or name the server itself in --database"
    )
