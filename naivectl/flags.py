"""The arguments and options that several verbs of `app` have, with their help and what is a usage error."""

import re
from typing import Annotated

import typer

from naived.control.protocol import parse_duration

_DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?")  # the daemon's format, checked here so that a typo is a usage error
_COUNT = re.compile(r"0*[1-9][0-9]{0,14}")  # the daemon takes less than 2**53


def _decimal(text: str | None) -> str | None:
    if text is not None and not _DECIMAL.fullmatch(text):
        raise typer.BadParameter(f"{text!a} is not a plain decimal")
    return text


def _count(text: str) -> int:
    if not _COUNT.fullmatch(text):  # int() reads 1_000, ' 5' and other scripts' digits too
        raise typer.BadParameter(f"{text[:40]!a} is not a whole number above 0")
    return int(text)


def _rate(text: str | None) -> str | None:
    if text is not None and not _DECIMAL.fullmatch(text.removesuffix("%")):
        raise typer.BadParameter(f"{text!a} is neither a plain decimal nor a percentage")
    return text


def _rate_or_none(text: str | None) -> str | None:
    return text if text == "none" else _rate(text)


def _rate_within(text: str | None) -> str | None:
    if text is None or text == "none":
        return text
    rate, _, span = text.partition("/")
    try:
        _rate(rate)
        parse_duration(span)
    except (typer.BadParameter, ValueError) as error:
        raise typer.BadParameter(f"{text!a} is not RATE/DURATION as 5%/10m, nor none") from error
    return text


def decimal_or_none(text: str | None) -> str | None:
    return text if text == "none" else _decimal(text)


Symbols = Annotated[list[str] | None, typer.Argument(metavar="SYMBOL...", show_default=False)]
Symbol = Annotated[str, typer.Argument(metavar="SYMBOL")]
All = Annotated[bool, typer.Option("--all", help="Every configured symbol.")]
Timeout = Annotated[str | None, typer.Option(metavar="DUR|none", help="How long to wait: 500ms, 5s, 2m, 1h.")]
Wait = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Wait until it is done, or return when the request is stored.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before something is lost.")]
Chunks = Annotated[int | None, typer.Option(metavar="N", parser=_count, help="Traders at most.")]
Budget = Annotated[
    str | None, typer.Option(metavar="AMOUNT", callback=_decimal, help="Quote money for the symbol.")
]
BuyDown = Annotated[
    str | None, typer.Option(metavar="RATE", callback=_rate, help="Buy this much below the last trade.")
]
Profit = Annotated[str | None, typer.Option(metavar="RATE", callback=_rate, help="Earn this much after fees.")]
Rebuy = Annotated[
    str | None, typer.Option(metavar="RATE", callback=_rate, help="Buy again when the price fell so far.")
]
Reprice = Annotated[
    str | None,
    typer.Option(metavar="RATE", callback=_rate, help="Give up a buy when the price rose so far; 0: never."),
]
MaxDeviation = Annotated[
    str | None,
    typer.Option(metavar="RATE", callback=_rate, help="A trade further away has to be confirmed; 0: off."),
]
Spacing = Annotated[
    str | None,
    typer.Option(metavar="RATE", callback=_rate, help="No buy nearer than this to another living one; 0: off."),
]
Floor = Annotated[
    str | None, typer.Option(metavar="PRICE|none", callback=decimal_or_none, help="No buy below this price.")
]
Ceiling = Annotated[
    str | None, typer.Option(metavar="PRICE|none", callback=decimal_or_none, help="No buy above this price.")
]
FallGuard = Annotated[
    str | None,
    typer.Option(
        metavar="RATE/DUR|none", callback=_rate_within, help="No buy while the price fell by more within: 5%/10m."
    ),
]
StopLoss = Annotated[
    str | None,
    typer.Option(metavar="RATE|none", callback=_rate_or_none, help="Sell at a loss so far below the cost; 0: off."),
]
StopSlippage = Annotated[
    str | None,
    typer.Option(metavar="RATE", callback=_rate, help="Such a sell may go this far below the trade [0.005]."),
]
Limit = Annotated[int | None, typer.Option(metavar="N", parser=_count, help="The newest N only.")]
Csv = Annotated[bool, typer.Option("--csv", help="Comma-separated, with a heading.")]
Since = Annotated[str | None, typer.Option(metavar="TIME", help="RFC 3339, or a duration ago: 2h.")]
