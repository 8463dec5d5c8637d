"""What the journal holds of one symbol and a period of the past, for `naived replay`; it changes nothing."""

from dataclasses import dataclass

import sqlalchemy as sa

from naived.core.orders.state import OrderState
from naived.core.strategy.settings import DesiredState
from naived.database import queries
from naived.database.engine import parse_url
from naived.database.inspection import reading
from naived.database.migrate import HEAD, version_of
from naived.database.rows import desired_of
from naived.database.schema import settings
from naived.ports import Event, JournalError


@dataclass(frozen=True, slots=True)
class History:
    """``desired`` is that of now. ``traders`` are those that lived in the period, ``orders`` all of theirs.

    ``events`` are the symbol's and the whole daemon's, up to the end of the period.
    """

    symbol: str
    desired: DesiredState
    lives: tuple[queries.Life, ...]
    orders: tuple[OrderState, ...]
    events: tuple[Event, ...]


def history(url: str, symbol: str, since: int, until: int) -> History | None:
    """The period from ``since`` to ``until`` (exchange ms); None if the symbol was never configured.

    Raises ConfigurationError and JournalError.
    """
    with reading(parse_url(url)) as connection:
        if connection is None:
            raise JournalError("there is no journal; --home, --exchange or --database name it")
        version = version_of(connection)
        if version != HEAD:
            raise JournalError(f"the journal has schema {version}, this version knows {HEAD}; start naived once")
        row = connection.execute(sa.select(settings).where(settings.c.symbol == symbol)).mappings().first()
        if row is None:
            return None
        lives = tuple(queries.lives_of(connection, symbol, since, until))
        return History(
            symbol,
            desired_of(row),
            lives,
            tuple(queries.orders_of(connection, symbol, [life.trader.number for life in lives], until)),
            tuple(queries.events_until(connection, symbol, until)),
        )
