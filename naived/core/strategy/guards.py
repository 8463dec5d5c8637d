"""A symbol's price guards against its traders: what they block at a trade's price. The leader calls it."""

from collections.abc import Iterable

from naived.core.amount import Price
from naived.core.market import SymbolInfo
from naived.core.price_guards import Interval, Peak, blocked_band, fallen_band, limit_of, why_blocked, why_fallen
from naived.core.strategy.settings import Settings
from naived.core.strategy.trader_state import Buying, Holding, Selling, Trader


def living_buys(traders: Iterable[Trader]) -> list[Price]:
    """The limit of each trader's buy, filled or not; one that the exchange may not have yet counts too."""
    buys = []
    for trader in traders:
        match trader.phase:
            case Buying(intent):
                buys.append(intent.price)
            case Selling(bought) | Holding(bought) if bought.quantity:
                buys.append(bought.limit)
            case _:
                pass
    return buys


def why_guarded(
    settings: Settings, info: SymbolInfo, traders: Iterable[Trader], price: Price, peak: Peak | None
) -> str | None:
    """Why a buy decided on a trade at ``price`` is blocked; None if it is not.

    ``peak`` is that of the fall guard; None: there is none.
    """
    if settings.fall_guard is not None and peak is not None:
        fallen = why_fallen(settings.fall_guard, price, peak, info.quote)
        if fallen is not None:
            return fallen
    guards = settings.guards
    if not guards:
        return None
    limit = limit_of(price, settings.buy_down, info.filters.tick_size)
    return why_blocked(guards, limit, living_buys(traders), info.quote)


def guarded_band(
    settings: Settings, info: SymbolInfo, traders: Iterable[Trader], price: Price, peak: Peak | None
) -> Interval | None:
    """The open interval of trade prices round ``price`` that stay blocked; None if a buy is not blocked there."""
    guards = settings.guards
    fallen = None if settings.fall_guard is None or peak is None else fallen_band(settings.fall_guard, peak)
    if fallen is None and not guards:
        return None
    return blocked_band(guards, price, living_buys(traders), settings.buy_down, info.filters.tick_size, fallen)
