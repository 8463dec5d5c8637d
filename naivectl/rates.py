"""The settings of symbols as a person reads them: rates in percent, and what each one does."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from naivectl import cells
from naivectl.cells import NONE, Line, Piece, field
from naivectl.client import Document
from naivectl.grid import grid, parts
from naivectl.paint import Medium, state_style

_TITLES = ("SYMBOL", "STATUS", "CHUNKS", "BUDGET", "BUY-DOWN", "PROFIT", "REBUY", "REPRICE")
_RATES = ("buy_down", "profit", "rebuy", "reprice")
# Of the symbol, not of a trader: they bind at once. What is not set is only named.
_OF_SYMBOL = {
    "max_deviation": "a trade further away has to be confirmed",
    "spacing": "a new buy is at least this far from every other",
    "floor": "no buy below this price",
    "ceiling": "no buy above this price",
    "fall_guard": "no buy while the price fell more than this within",
    "stop_loss": "sold at a loss when the price is this far below cost",
    "stop_slippage": "how far below that price such a sell may go",
}
_PRICES = ("floor", "ceiling")
_LABEL, _VALUE = 17, 13  # columns


def _shown(medium: Medium, name: str, value: object) -> str:
    """A setting; empty if it is not set."""
    if name == "fall_guard" and value:
        rate, _, span = medium.clean(value).partition("/")
        return f"{cells.percent(rate)}/{span}"
    amount = cells.number(value)
    if value is None or value == "none" or amount == 0:
        return ""
    if amount is None:
        return medium.clean(value)
    return cells.fixed(amount, None) if name in _PRICES else cells.percent(value)


def settings_parts(medium: Medium, settings: Document, room: int) -> list[str]:
    """``budget 1,000  chunks 5 ...``: what is set, then the names of what is not."""
    told = [f"{name} {cells.plain(settings.get(name))}" for name in ("budget", "chunks") if name in settings]
    told += [f"{_dashed(name)} {cells.percent(settings[name])}" for name in _RATES if name in settings]
    unset = []
    for name in _of_symbol(settings):
        if shown := _shown(medium, name, settings[name]):
            told.append(f"{_dashed(name)} {shown}")
        else:
            unset.append(_dashed(name))
    if not unset:
        return parts(told, room)
    lines = parts(told, room)
    missing = cells.wrap(f"; no {', '.join(unset)}", room - cells.width(lines[-1]), room)
    return [*lines[:-1], lines[-1] + missing[0], *missing[1:]]


def _of_symbol(settings: Document) -> list[str]:
    """The names of the symbol's own settings, without the slippage of a stop-loss that is off."""
    off = not cells.number(settings.get("stop_loss"))
    return [name for name in _OF_SYMBOL if name in settings and not (off and name == "stop_slippage")]


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def settings_grid(
    medium: Medium, results: Sequence[Document], facts: Mapping[str, Document], room: int
) -> list[Line]:
    """The settings of all symbols; ``facts`` are their entries of `status`."""
    places = budget_places(facts)
    rows = []
    for result in results:
        settings = result.get("settings") or {}
        status = medium.clean(result.get("status"))
        quote = _quote(facts, result["symbol"])
        rates = [cells.percent(settings.get(name)) for name in _RATES]
        if rates[-1] == "0%":
            rates[-1] = "off"
        rows.append(
            [
                Piece(cells.middle_cut(medium.clean(result["symbol"]))),
                Piece(status, state_style(status)),
                Piece(medium.clean(settings.get("chunks"))),
                Piece(cells.fixed(field(settings, "budget"), places.get(quote))),
                *(Piece(rate, "past" if rate in (NONE, "off") else "") for rate in rates),
            ]
        )
    return grid(_TITLES, rows, _TITLES[2:], room)


def budget_places(facts: Mapping[str, Document]) -> dict[str, int]:
    """The decimals of the money of each quote."""
    largest: dict[str, Decimal] = {}
    for symbol, entry in facts.items():
        quote, budget = _quote(facts, symbol), field(entry, "budget")
        if budget is not None:
            largest[quote] = max(budget, largest.get(quote, budget))
    return {quote: cells.money_decimals(budget) for quote, budget in largest.items()}


def _quote(facts: Mapping[str, Document], symbol: object) -> str:
    return str(facts.get(str(symbol), {}).get("quote") or "")


def settings_screen(medium: Medium, result: Document, entry: Document, room: int) -> list[Line]:
    """The settings of one symbol, each with what it does; ``entry`` is its part of `status`."""
    settings, clean = result.get("settings") or {}, medium.clean
    name, status = clean(result["symbol"]), clean(result.get("status"))
    lines: list[Line] = [
        [Piece(name, "heading"), Piece(" is "), Piece(status, state_style(status)), Piece(". " + _ABOVE)],
        *_of_traders(settings, clean(entry.get("quote")) if entry.get("quote") else ""),
    ]
    names = _of_symbol(settings)
    unset = [_dashed(each) for each in names if not _shown(medium, each, settings[each])]
    if names:
        lines.append([Piece("  ------------", "past")])
    lines += [
        _explained(_dashed(each), shown, _OF_SYMBOL[each])
        for each in names
        if (shown := _shown(medium, each, settings[each]))
    ]
    if unset:
        text = f"{', '.join(unset)}: not set"
        lines += [[Piece(f"  {line}", "past")] for line in cells.wrap(text, room - 2)]
    return [*lines, *_warned(settings, entry, room)]


_ABOVE = "What stands above the line, running traders keep as it was."


def _of_traders(settings: Document, quote: str) -> list[Line]:
    budget, chunks = field(settings, "budget"), field(settings, "chunks")
    profit, reprice = field(settings, "profit"), cells.percent(settings.get("reprice"))
    each, earned = "", "one cycle earns this much after fees"
    if budget is not None and chunks:
        places = cells.money_decimals(budget)
        each = f"; {cells.fixed(budget / chunks, places)} a trader"
        if profit is not None:
            earned = f"one cycle earns about {cells.fixed(budget / chunks * profit, places)} after fees"
    return [
        _explained("budget", f"{cells.fixed(budget, None)} {quote}".rstrip(), f"at most tied up{each}"),
        _explained("chunks", cells.fixed(chunks, 0), "traders at most"),
        _explained("buy-down", cells.percent(settings.get("buy_down")), "a buy is this far below the price"),
        _explained("profit", cells.percent(settings.get("profit")), earned),
        _explained("rebuy", cells.percent(settings.get("rebuy")), "the next trader joins this far below a buy"),
        _explained("reprice", "off" if reprice == "0%" else reprice, "a buy is placed anew when this far behind"),
    ]


def _explained(name: str, value: str, what: str) -> Line:
    return [Piece(f"  {name}".ljust(_LABEL)), Piece(value.ljust(_VALUE - 1) + " "), Piece(what, "past")]


def _warned(settings: Document, entry: Document, room: int) -> list[Line]:
    """A rate that is less than one tick of the price cannot be kept."""
    tick, last, rebuy = field(entry, "tick"), field(entry, "last_price"), field(settings, "rebuy")
    if not tick or not last or not rebuy or rebuy >= tick / last:
        return []
    part = tick * 100 / last
    step = f"{part:.{max(2, -part.adjusted())}f}%"
    text = f"rebuy {cells.percent(settings['rebuy'])} is less than one tick ({step}): traders stand one tick apart"
    first, *rest = cells.wrap(text, room - 2)
    return [[Piece("~ ", "attention"), Piece(first)], *([Piece(f"  {line}")] for line in rest)]
