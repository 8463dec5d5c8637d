"""What the journal holds of one symbol and a period of the past, for `naived replay`; it changes nothing."""

from dataclasses import dataclass

import sqlalchemy as sa

from naived.core.orders.state import OrderState
from naived.core.strategy.formulas import NO_COINS, Coins
from naived.core.strategy.lots import Lots
from naived.core.strategy.settings import DesiredState
from naived.database import queries
from naived.database.engine import parse_url
from naived.database.inspection import reading
from naived.database.migrate import HEAD, version_of
from naived.database.rows import desired_of, owed_of
from naived.database.schema import settings
from naived.ports import Event, JournalError

_LATE = 10_000  # ms: by so much later all that was decided on the period's last trades is in the journal


@dataclass(frozen=True, slots=True)
class History:
    """``desired``, ``lots`` and ``owed`` are those of now, ``everyone`` all traders that the symbol ever had.

    ``lives`` are those that lived in the period, ``orders`` all of theirs. ``events`` are the symbol's and the
    whole daemon's, up to the end of the period. ``asked``: when (ms) settings may have changed last; None
    if not after it began.
    """

    symbol: str
    desired: DesiredState
    lives: tuple[queries.Life, ...]
    orders: tuple[OrderState, ...]
    events: tuple[Event, ...]
    everyone: tuple[queries.Life, ...] = ()
    lots: Lots = ()
    owed: Coins = NO_COINS
    asked: int | None = None


def history(url: str, symbol: str, since: int, until: int) -> History | None:
    """The period from ``since`` to ``until`` (exchange ms); None if the symbol was never configured.

    What was decided on its last trades was written a little later, so a little more than the period is read.
    Raises ConfigurationError and JournalError.
    """
    until += _LATE
    address = parse_url(url)
    with reading(address) as connection:
        if connection is None:
            raise JournalError("there is no journal; --home, --exchange or --database name it")
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")  # one snapshot, also while a daemon writes
        version = version_of(connection, address)
        if version != HEAD:
            raise JournalError(f"the journal has schema {version}, this version knows {HEAD}; start naived once")
        row = connection.execute(sa.select(settings).where(settings.c.symbol == symbol)).mappings().first()
        if row is None:
            return None
        everyone = tuple(queries.lives_of(connection, symbol))
        lives = tuple(
            life
            for life in everyone
            if life.trader.started_at <= until and (life.ended is None or life.ended >= since)
        )
        return History(
            symbol,
            desired_of(row),
            lives,
            tuple(queries.orders_of(connection, symbol, [life.trader.number for life in lives], until)),
            tuple(queries.events_until(connection, symbol, until)),
            everyone,
            queries.lots_of(connection, symbol),
            owed_of(row),
            queries.asked_since(connection, symbol, since),
        )
