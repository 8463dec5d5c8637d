"""Settings as somebody proposes them: parsed, laid over the present ones, and refused where they cannot work."""

from collections.abc import Callable
from typing import Any

import trio
from msgspec.structs import replace

from naived.control.protocol import Code, ControlError
from naived.core.amount import AmountError, Money, Price, format_amount, parse_money, parse_rate
from naived.core.market import describe
from naived.core.strategy.formulas import least_budget, untradable
from naived.core.strategy.settings import Settings, SettingsError
from naived.ports import ExchangeError
from naived.runtime.listing import Listing, UnknownNamesError

_PATIENCE = 5.0  # seconds for a question that is only a courtesy: the request weight may be used up

_PARSERS: dict[str, Callable[[Any], int]] = {
    "chunks": int,
    "budget": parse_money,
    "buy_down": parse_rate,
    "profit": parse_rate,
    "rebuy": parse_rate,
    "reprice": parse_rate,
}


def proposed(name: str, params: dict[str, Any], default_budget: Money | None) -> Callable[[Settings], Settings]:
    """What the given settings make of others; without any budget the default one. Raises ControlError."""
    try:
        given: dict[str, Any] = {key: parse(params[key]) for key, parse in _PARSERS.items() if key in params}
        Settings(**given)
    except (AmountError, SettingsError) as error:
        raise ControlError(Code.INVALID_PARAMS, str(error), symbol=name) from error

    def change(settings: Settings) -> Settings:
        changed = replace(settings, **given)
        return changed if changed.budget is not None else replace(changed, budget=default_budget)

    return change


async def check_size(name: str, settings: Settings, listing: Listing, last: Price | None) -> None:
    """Raise ControlError if a chunk is too small to trade; what the exchange does not tell soon shows later."""
    if settings.budget is None:
        return
    try:
        with trio.fail_after(_PATIENCE):
            info = await listing.info(name)
            price = last or await listing.last_price(name)
            fees = await listing.fees(name)
    except (ExchangeError, UnknownNamesError, trio.TooSlowError):
        return
    if info is None or price is None:
        return
    rest = (settings.buy_down, settings.profit, fees, info.filters)
    failed = untradable(price, settings.budget, settings.chunks, *rest)
    if failed in ("NOTIONAL", "LOT_SIZE"):
        least = least_budget(price, settings.chunks, *rest) or Money(0)
        raise ControlError(
            Code.INVALID_TRANSITION,
            f"{format_amount(settings.allocation)} {info.quote} a chunk is too small to trade: "
            f"{describe(info.filters, failed)}",
            symbol=name,
            hint=f"the least budget for {settings.chunks} chunks is {format_amount(least)} {info.quote}",
        )
