"""The answers of `explain`, `why` and `start --dry-run` as lines, and `orders` and `trades` as CSV."""

import csv
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence

from naivectl.cells import cents, money_decimals, number, percent, plain
from naivectl.client import Document
from naivectl.render import on_terminal
from naivectl.table import clean

_LABEL = 12  # columns of what stands before a text
_PIPE = 10_000  # columns: in a pipe no line is wrapped
_MOMENT = 14


def explanation(document: Document, columns: int | None = None) -> list[str]:
    """Why a symbol buys and sells now, or does not; as wide as the terminal unless ``columns`` are given."""
    status, state = clean(document["status"]), clean(document["state"])
    lines = [f"{clean(document['symbol'])} is {status}" + (f", {state}." if state != status else ".")]
    if document.get("reason"):
        lines += _labelled("reason", document["reason"], columns=columns)
    lines += _labelled("buys", document["buys"]["text"], columns=columns)
    for trader in document["traders"]:
        lines += _labelled(str(trader["trader"]), trader["text"], columns=columns)
    if document.get("next_step"):
        lines.append(f"  -> {clean(document['next_step'])}")
    return lines


def life(document: Document) -> list[str]:
    """One order from its decision to its end."""
    side, name, trader, state = (
        clean(document["order"][key]) for key in ("side", "client_order_id", "trader", "state")
    )
    lines = [f"{side} {name} of {trader}: {state}"]
    day = None
    for moment in document["life"]:
        date, clock = str(moment["at"])[:10], str(moment["at"])[11:23]
        if date != day:
            lines.append(f"  {clean(date)} UTC")
            day = date
        lines += _labelled(clock, f"{moment['what']}: {moment['text']}", _MOMENT)
    return lines


def planned(result: Document, settings: Document) -> list[str]:
    """What a start with these settings would do, and how to do it."""
    name, plan = clean(result["symbol"]), result["plan"]
    flags = "".join(f" --{option.replace('_', '-')} {value}" for option, value in settings.items())
    quote, buy = plan["quote"], plan["first_buy"]
    price, money = _shown(plan)

    def order(told: Document) -> str:
        text = (
            f"{price(told['quantity'])} {plan['base']} at {price(told['price'])} ({money(told['value'])} {quote})"
        )
        later = told.get("at", plan["last_price"]) != plan["last_price"]
        return f"{text}, once the price falls to {price(told['at'])}" if later else text

    full = plan["chunks_taken"] >= plan["chunks"] or not plan.get("kept_back")
    none = f"none with {plan['chunks_taken']} of {plan['chunks']} chunks taken" if full else "none as it is now"
    first = buys = none if buy is None else f"buy {order(buy)}"
    if sells := plan["sells_first"]:
        first = f"sell {order(plan)}" + (f", and {sells - 1} more" if sells > 1 else "")
    held = f"{price(plan['held'])} {plan['base']} (cost {money(plan['held_cost'])} {quote})"
    at_most = "as now" if buy is None else f"once the price fell to {price(plan['lowest_price'])}"
    at_most += _no_more(plan.get("stopped_by") or ())
    return [
        f"{name} would start so; nothing was changed.",
        *_labelled("first order", f"{first}; the last price is {price(plan['last_price'])}"),
        *(_labelled("first buy", buys.removeprefix("buy ")) if sells else []),
        *(line for each in plan.get("kept_back") or () for line in _labelled("not now", _kept_back(each))),
        *(_labelled("holds", held) if plan["held"] != "0" else []),
        *_labelled("each trader", f"{money(plan['share'])} {quote}"),
        *_labelled("tied up", f"{money(plan['most_tied_up'])} {quote} at most, {at_most}"),
        *_labelled(
            "one cycle", f"{money(plan['cycle_profit'])} {quote}, after {money(plan['cycle_fees'])} of fees"
        ),
        *_fallen(plan.get("worst") or {}),
        f"  -> naivectl start {name}{flags}",
    ]


def _shown(plan: Document) -> tuple[Callable[[str], str], Callable[[str], str]]:
    """How prices and quantities, and how money is written: for people with marks, in a pipe with all digits."""
    if not on_terminal():
        return clean, clean
    tied_up = number(plan["most_tied_up"])
    # Nearly the budget: the steps of a quantity leave a little of it.
    places = money_decimals(None if tied_up is None else tied_up * 101 / 100)
    return plain, lambda amount: plain(amount, places)


def _fallen(worst: Document) -> list[str]:
    """What falls of all prices would tie up and lose, of all symbols together."""
    falls = worst.get("falls") or ()
    if not falls:
        return []
    by = ", ".join(percent(each["fall"]) for each in falls)
    tied_up, lost = (", ".join(cents(each[name]) for each in falls) for name in ("tied_up", "loss"))
    stopped = dict.fromkeys(name for each in falls for name in each["stopped_by"])
    text = f"all prices down {by}: {tied_up} {worst['currency']} tied up over all symbols, {lost} lost"
    return _labelled("in a fall", text + _no_more(stopped))


def _no_more(names: Iterable[str]) -> str:
    """The end of what says how much is tied up."""
    told = ", ".join(names)
    return f"; no more because of {told}" if told else ""


def _kept_back(told: Document) -> str:
    """Why nothing is bought now, and until when."""
    return f"{told['reason']}; until {told['ends']}" if told.get("ends") else str(told["reason"])


def _labelled(label: str, text: object, width: int = _LABEL, *, columns: int | None = None) -> list[str]:
    """``  label      text``, wrapped under itself on a terminal."""
    if columns is None:
        columns = shutil.get_terminal_size().columns if on_terminal() else _PIPE
    begin = f"  {clean(label):<{width}}"
    if len(begin) > width + 2:
        begin += "  "
    return textwrap.wrap(
        clean(text), max(columns, 40), initial_indent=begin, subsequent_indent=" " * (width + 2)
    ) or [begin.rstrip()]


ORDERS = (
    *("symbol", "trader", "side", "client_order_id", "order_id", "price", "quantity", "executed", "state"),
    *("fence_at", "created_at", "updated_at", "reason"),
)
TRADES = (
    *("symbol", "trader", "bought", "buy_price", "sold", "sell_price", "fees", "fees_valued", "profit"),
    *("started_at", "finished_at"),
)


def write_csv(method: str, rows: Sequence[Document]) -> None:
    """The rows with a heading; ``fees`` is ``AMOUNT ASSET`` of each, null is empty."""
    names = {"orders": ORDERS, "trades": TRADES}[method]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in names])


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return " ".join(f"{clean(amount)} {clean(asset)}" for asset, amount in value.items())
    return clean(value)
