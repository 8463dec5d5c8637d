"""The fills of one order: which of some are new, and all of them together."""

from naived.core.orders.report import Fill


def new_fills(known: tuple[Fill, ...], fills: tuple[Fill, ...]) -> tuple[Fill, ...] | str:
    """The ``fills`` that are not ``known`` yet, each once; or the contradiction if one differs from what is known.

    ``known`` is sorted by trade id, so for nearly every report one comparison shows that its fill is new.
    """
    if not fills or (len(fills) == 1 and (not known or fills[0].trade_id > known[-1].trade_id)):
        return fills
    seen = {fill.trade_id: fill for fill in known}
    fresh = []
    for fill in fills:
        before = seen.get(fill.trade_id)
        if before is None:
            seen[fill.trade_id] = fill
            fresh.append(fill)
        elif _content(before) != _content(fill):
            return f"fill {fill.trade_id} changed its content"
    return tuple(fresh)


def _content(fill: Fill) -> tuple[int, int, int, str]:
    return fill.price, fill.quantity, fill.fee, fill.fee_asset


def merged(known: tuple[Fill, ...], fresh: tuple[Fill, ...]) -> tuple[Fill, ...]:
    if not fresh or (len(fresh) == 1 and (not known or fresh[0].trade_id > known[-1].trade_id)):
        return known + fresh
    return tuple(sorted(known + fresh, key=lambda fill: fill.trade_id))
