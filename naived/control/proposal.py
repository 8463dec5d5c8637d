"""Settings that a person asks for: parsed, applied to the current ones, refused if they cannot work."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import trio
from msgspec.structs import replace

from naived.control import messages
from naived.control.protocol import SETTINGS
from naived.core.amount import Money, Price, format_amount
from naived.core.market import SymbolInfo, describe
from naived.core.strategy.formulas import Fees, largest_budget, least_budget, untradable
from naived.core.strategy.settings import Settings, SettingsError, parse_setting
from naived.ports import ExchangeError
from naived.runtime.listing import Listing, UnknownNamesError

_PATIENCE = 5.0  # seconds for an optional check: the request weight may be used up


def given_settings(params: Mapping[str, Any]) -> list[str]:
    """The names of the settings among the parameters of a request."""
    return [name for name in SETTINGS if name in params]


def proposed(name: str, params: dict[str, Any], default_budget: Money | None) -> Callable[[Settings], Settings]:
    """A function that applies the given settings to others, with ``default_budget`` if there is none.

    Raises ControlError.
    """
    try:
        given: dict[str, Any] = {key: parse_setting(key, params[key]) for key in given_settings(params)}
        Settings(**given)
    except ValueError as error:
        raise messages.out_of_range(name, error) from error

    def change(settings: Settings) -> Settings:
        try:
            changed = replace(settings, **given)
        except SettingsError as error:  # what is given does not go with what is set
            raise messages.out_of_range(name, error) from error
        return changed if changed.budget is not None else replace(changed, budget=default_budget)

    return change


class Rules(NamedTuple):
    """What the exchange says of a symbol now; ``price`` is that of the last trade, ``fees`` are its own."""

    info: SymbolInfo
    price: Price
    fees: Fees


async def check_size(
    name: str, settings: Settings, listing: Listing, last: Price | None, known: Fees | None = None
) -> Rules | None:
    """Raise ControlError if a chunk is too small or too large; returns what that was judged by.

    ``last`` and ``known`` are the price and the fees of the symbol; without them they are asked for.

    None, and nothing is judged, without a budget, and if the exchange does not answer in time.
    """
    if settings.budget is None:
        return None
    try:
        with trio.fail_after(_PATIENCE):
            info = await listing.info(name)
            if info is None:  # its name would cost the symbols that are asked about with it their prices
                return None
            price = last or await listing.last_price(name)
            fees = known or await listing.fees(name)
    except (ExchangeError, UnknownNamesError, trio.TooSlowError):
        return None
    if price is None:
        _check_least_value(name, settings, settings.budget, info)
        return None
    rest = (settings.buy_down, settings.profit, fees, info.filters)
    failed = untradable(price, settings.budget, settings.chunks, *rest)
    if failed not in ("NOTIONAL", "LOT_SIZE"):
        return Rules(info, price, fees)
    least = least_budget(price, settings.chunks, *rest) or Money(0)
    largest = largest_budget(price, settings.chunks, *rest)
    chunk, why = f"{format_amount(settings.allocation)} {info.quote}", describe(info.filters, failed)
    if settings.budget < least:
        raise messages.too_small(name, chunk, why, settings.chunks, f"{format_amount(least)} {info.quote}")
    if largest is not None and settings.budget > largest:
        raise messages.too_large(name, chunk, why, settings.chunks, f"{format_amount(largest)} {info.quote}")
    return Rules(info, price, fees)


def _check_least_value(name: str, settings: Settings, budget: Money, info: SymbolInfo) -> None:
    """Raise ControlError for a chunk that is too small at any price: nobody has traded the symbol yet."""
    least = Money(info.filters.min_notional * settings.chunks)
    if budget < least:
        chunk, why = f"{format_amount(settings.allocation)} {info.quote}", describe(info.filters, "NOTIONAL")
        raise messages.too_small(name, chunk, why, settings.chunks, f"{format_amount(least)} {info.quote}")
