"""The types of columns: Python sees integers, the database stores readable values. See ``schema.py``."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from naived.core.amount import PLACES, format_amount, parse_money

_PRECISION = 28  # digits, of them 20 before the point, as many as the exchange accepts
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class DecimalAmount(TypeDecorator[int]):
    """An integer of 10^-8, stored as a decimal."""

    impl = sa.Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.Text())
        return dialect.type_descriptor(sa.Numeric(_PRECISION, PLACES))

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | Decimal | None:
        if value is None:
            return None
        text = format_amount(value)
        return text if dialect.name == "sqlite" else Decimal(text)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if isinstance(value, bytes):  # which SQLite lets a person put anywhere
            raise ValueError(f"{value[:40]!r} is no number")
        return parse_money(value if isinstance(value, str) else format(value, "f"))


class Instant(TypeDecorator[int]):
    """Milliseconds since 1970 in UTC, stored as a time."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.Text())
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | datetime | None:
        if value is None:
            return None
        time = _EPOCH + value * _MILLISECOND
        if dialect.name == "sqlite":
            return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return time

    def process_result_value(self, value: Any | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        time = datetime.fromisoformat(value) if isinstance(value, str) else value
        if not isinstance(time, datetime):
            raise ValueError(f"{str(value)[:40]!r} is no time")
        return int((time - _EPOCH) // _MILLISECOND)
