"""Reads the filters of a symbol's row in ``exchangeInfo``.

A filter of an unknown type, or one that is no filter at all, is left out with a note: the exchange checks it. But
if one that decides a price or a quantity cannot be read, the symbol has no rules: ValueError.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from naived.binance.border import bounded, message, read
from naived.core.amount import (
    PLACES,
    Money,
    Price,
    Quantity,
    Rate,
    parse_money,
    parse_price,
    parse_quantity,
    parse_rate,
)
from naived.core.market import Filters

F = TypeVar("F")


# Filters that do not apply to a plain LIMIT order, or that only the exchange can check.
_IGNORED = frozenset(
    {
        "EXCHANGE_MAX_NUM_ALGO_ORDERS",
        "EXCHANGE_MAX_NUM_ICEBERG_ORDERS",
        "EXCHANGE_MAX_NUM_ORDER_LISTS",
        "EXCHANGE_MAX_NUM_ORDERS",
        "ICEBERG_PARTS",
        "MARKET_LOT_SIZE",
        "MAX_ASSET",
        "MAX_NUM_ALGO_ORDERS",
        "MAX_NUM_ICEBERG_ORDERS",
        "MAX_NUM_ORDER_AMENDS",
        "MAX_NUM_ORDER_LISTS",
        "TRAILING_DELTA",
    }
)


class _Type(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    filter_type: str


class _Price(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    min_price: str
    max_price: str
    tick_size: str


class _Lot(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    min_qty: str
    max_qty: str
    step_size: str


class _Notional(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    """Also the older MIN_NOTIONAL, which has no largest amount."""

    min_notional: str
    max_notional: str = "0"


class _BySide(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    bid_multiplier_up: str
    bid_multiplier_down: str
    ask_multiplier_up: str
    ask_multiplier_down: str


class _Percent(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    multiplier_up: str
    multiplier_down: str


class _Position(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    max_position: str


class _Orders(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    max_num_orders: Annotated[int, Meta(ge=0, le=1_000_000)]


def filters_of(rows: Sequence[msgspec.Raw], precisions: tuple[int, int], note: Callable[[str], None]) -> Filters:
    """The rules in these rows; raises ValueError.

    ``precisions`` are the decimal places of the base and the quote asset: a tick or step of 0 means no rule, and
    then the asset's places are the finest. ``note`` is told what was left out.
    """
    found = _by_type(rows, note)

    def take(name: str, shape: type[F]) -> F | None:
        raw = found.pop(name, None)
        try:
            return None if raw is None else read(raw, shape, note)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error

    price, lot = take("PRICE_FILTER", _Price), take("LOT_SIZE", _Lot)
    old, notional = take("MIN_NOTIONAL", _Notional), take("NOTIONAL", _Notional)
    position = take("MAX_POSITION", _Position)
    percent, by_side = take("PERCENT_PRICE", _Percent), take("PERCENT_PRICE_BY_SIDE", _BySide)
    try:
        orders = take("MAX_NUM_ORDERS", _Orders)
    except ValueError as error:
        orders = None  # the exchange counts them
        note(str(error))
    for unknown in found.keys() - _IGNORED:
        import structlog  # deferred: it takes longer to import than a backtest to start

        structlog.get_logger(__name__).warning("unknown filter, only the exchange checks it", filter=unknown)
    price, lot = price or _Price("0", "0", "0"), lot or _Lot("0", "0", "0")
    worth = notional or old or _Notional("0")
    if by_side is None and percent is not None:
        by_side = _BySide(*(percent.multiplier_up, percent.multiplier_down) * 2)
    bid_down, bid_up, ask_down, ask_up = _multipliers(by_side)
    base, quote = precisions
    return Filters(
        tick_size=Price(_price(price.tick_size) or _finest(quote)),
        min_price=_price(price.min_price),
        max_price=_price(price.max_price),
        step_size=Quantity(_quantity(lot.step_size) or _finest(base)),
        min_quantity=_quantity(lot.min_qty),
        max_quantity=_quantity(lot.max_qty),
        min_notional=_money(worth.min_notional),
        max_notional=_money(worth.max_notional),
        bid_down=bid_down,
        bid_up=bid_up,
        ask_down=ask_down,
        ask_up=ask_up,
        max_orders=0 if orders is None else orders.max_num_orders,
        max_position=Quantity(0) if position is None else _quantity(position.max_position),
    )


def _by_type(rows: Sequence[msgspec.Raw], note: Callable[[str], None]) -> dict[str, msgspec.Raw]:
    """The rows by their type. Raises ValueError if one has none and a rule of prices or quantities is missing."""
    found: dict[str, msgspec.Raw] = {}
    lost = None
    for row in rows:
        try:
            found[message(read(row, _Type, note).filter_type)] = row
        except ValueError as error:
            lost = f"a filter without a type: {error}"
            note(lost)
    if lost is not None and not found.keys() >= {"PRICE_FILTER", "LOT_SIZE"}:
        raise ValueError(lost)
    return found


def _finest(places: int) -> int:
    """The least amount (10^-8) with so many decimal places; 10^-8 if the number makes no sense."""
    return 10 ** (PLACES - places) if 0 <= places <= PLACES else 1


def _price(text: str) -> Price:
    return bounded(parse_price, text)


def _quantity(text: str) -> Quantity:
    return bounded(parse_quantity, text)


def _money(text: str) -> Money:
    return bounded(parse_money, text)


def _multipliers(by_side: _BySide | None) -> tuple[Rate, Rate, Rate, Rate] | tuple[None, None, None, None]:
    """The lowest and highest price of a buy, then of a sell, as fractions of the average."""
    if by_side is None:
        return None, None, None, None
    return (
        bounded(parse_rate, by_side.bid_multiplier_down),
        bounded(parse_rate, by_side.bid_multiplier_up, 1),
        bounded(parse_rate, by_side.ask_multiplier_down),
        bounded(parse_rate, by_side.ask_multiplier_up, 1),
    )
