"""What a line is worth by the pages of the protocol, read apart from the daemon's own decoder.

Two readings of one protocol, so that a misreading shows: the daemon must refuse what is refused here, with one
of the codes named here, and may change only what a valid request asks for.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from tests.fuzz.grammar import LONGEST
from tests.fuzz.strict_json import DeepError, NotJsonError, parse

PARSE, REQUEST, METHOD, PARAMS, INTERNAL = -32700, -32600, -32601, -32602, -32603
SYMBOL, VERSION = -32001, -32010
SERVICE = frozenset(range(-32013, -32000))  # what a valid request may still come to

_DEEPEST = 150  # objects and lists within each other: beyond it either reading is right
_GREATEST = 2**53
_DURATION = re.compile(r"[0-9]{1,9}(ms|s|m|h)", re.ASCII)
_AMOUNT = re.compile(r"[0-9]{1,20}(\.[0-9]{1,8}0*)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_TIME = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T[01][0-9](:[0-5][0-9]){2}(\.[0-9]{3})?Z")
_TIMELIKE = re.compile(r"[0-9]{4}")

SETTINGS = (
    *("chunks", "budget", "buy_down", "profit", "rebuy", "reprice"),
    *("max_deviation", "spacing", "floor", "ceiling"),
)
_LIMITS = ("max_exposure", "reserve", "max_daily_loss", "max_drawdown")


class Reading(NamedTuple):
    """``codes``: the errors it may be answered with, ``valid`` if it may be answered with a result as well.

    ``steers``: the symbols it may change, None all; ``asks``: to what. ``waits``: seconds the answer may take.
    """

    codes: frozenset[int]
    valid: bool = False
    id: int | str | None = None
    method: str = ""
    params: dict[str, Any] = {}  # noqa: RUF012 - never written to
    waits: float = 0.0
    any_id: bool = False

    @property
    def streams(self) -> bool:
        """Does its connection belong to it, if it is accepted?"""
        return self.valid and (self.method == "watch" or self.params.get("follow") is True)

    @property
    def ends(self) -> bool:
        """Is its connection closed behind the answer?"""
        return self.codes == _TOO_LONG or (self.method == "hello" and VERSION in self.codes)

    @property
    def changes(self) -> bool:
        return self.valid and (
            (self.method in ("start", "stop", "shutdown", "resolve") and self.params.get("dry_run") is not True)
            or self.method in ("halt", "resume")
            or (self.method == "limits" and bool(self.params))
            or (self.method == "settings" and any(name in self.params for name in SETTINGS))
        )

    def asks(self) -> Iterable[tuple[str | None, str, object]]:
        """(symbol or None for every one, column of `settings`, value) that it may bring about."""
        if not self.changes:
            return
        named: list[str] = self.params.get("symbols", [])
        symbols: Iterable[str | None] = _distinct(filter(_is_symbol, named)) if named else [None]
        status = {"start": ("on",), "stop": ("off",), "shutdown": ("shutdown", "off")}.get(self.method, ())
        for symbol in symbols:
            yield from ((symbol, "status", word) for word in status)
            yield from ((symbol, name, decimal(self.params[name])) for name in SETTINGS if name in self.params)


_TOO_LONG = frozenset({REQUEST})


def decimal(value: object) -> Decimal | None:
    """A setting as a number; None for what is none."""
    text = str(value)
    scale = Decimal("0.01") if text.endswith("%") else Decimal(1)
    try:
        return Decimal(text.removesuffix("%")) * scale
    except ArithmeticError:
        return None


def read(line: bytes) -> Reading:
    """One line without its newline."""
    if len(line) > LONGEST:
        return Reading(_TOO_LONG)
    try:
        frame = parse(line, _DEEPEST)
    except NotJsonError:
        return Reading(frozenset({PARSE}))
    except DeepError:
        return Reading(frozenset({PARSE, REQUEST, PARAMS, METHOD}), any_id=True)
    if not isinstance(frame, dict) or not _is_id(frame.get("id")):
        return Reading(frozenset({REQUEST}))
    number, method, params = frame["id"], frame.get("method"), frame.get("params", {})
    if frame.get("jsonrpc") != "2.0" or set(frame) - {"jsonrpc", "id", "method", "params"}:
        return Reading(frozenset({REQUEST}), id=number)
    if not isinstance(method, str):
        return Reading(frozenset({REQUEST}), id=number)
    if method not in _PARAMS:
        return Reading(frozenset({METHOD}), id=number)
    if not isinstance(params, dict) or not _fits(method, params):
        return Reading(frozenset({PARAMS, SYMBOL}), id=number, method=method)
    codes = set(SERVICE)
    valid = True
    if method == "hello" and params.get("proto", 1) != 1:
        codes, valid = {VERSION}, False
    if _doubtful(params):
        codes.add(PARAMS)
    return Reading(frozenset(codes), valid, number, method, params, _waits(method, params))


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= 64
    return type(value) is int and -_GREATEST < value < _GREATEST


def _fits(method: str, params: dict[str, Any]) -> bool:
    rules = _PARAMS[method]
    if not all(name in rules and rules[name](value) for name, value in params.items()):
        return False
    symbols: list[str] = params.get("symbols", [])
    every: bool = params.get("all", False)
    match method:
        case "resolve":
            return "action" in params and len(_distinct(symbols)) == 1 and every != ("client_order_id" in params)
        case "wait" if "for" not in params:
            return False
        case "explain":
            return len(_distinct(symbols)) == 1
        case "why":
            return "client_order_id" in params and len(_distinct(symbols)) == 1
        case "start" | "stop" | "shutdown" | "wait":
            return bool(symbols) != every
        case "settings" if any(name in params for name in SETTINGS):
            return bool(symbols) != every
        case "settings":
            return not (symbols and every)
        case "events" if params.get("follow"):
            return "since" not in params and "after" not in params
        case _:
            return "after_seq" not in params


def _distinct(symbols: Iterable[str]) -> set[str]:
    return {re.sub("[a-z]+", lambda letters: letters[0].upper(), name) for name in symbols}


def _doubtful(params: dict[str, Any]) -> bool:
    """Is there a value in it that the pages leave to the daemon?"""
    return "since" in params and not _TIME.fullmatch(params["since"])


def _waits(method: str, params: dict[str, Any]) -> float:
    if method not in ("start", "stop", "shutdown", "wait") or not params.get("wait", method != "shutdown"):
        return 0.0
    default = {"start": "30s", "stop": "15s"}.get(method, "none")
    text = params.get("timeout", default)
    if text == "none":
        return float("inf")
    unit = text.lstrip("0123456789")
    return int(text.removesuffix(unit)) * _SECONDS[unit]


def _is_bool(value: object) -> bool:
    return value is True or value is False


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < _GREATEST


def _is_positive(value: object) -> bool:
    return _is_count(value) and value != 0


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 64 and not any(map(_is_control, value))


def _is_sentence(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 200 and not any(map(_is_control, value))


def _is_limit(value: object) -> bool:
    if not (isinstance(value, str) and len(value) <= 64):
        return False
    return value == "none" or (_AMOUNT.fullmatch(value) is not None and Decimal(value) > 0)


def _is_control(letter: str) -> bool:
    return letter != " " and unicodedata.category(letter)[0] in "CZ"


def _is_duration(value: object) -> bool:
    return isinstance(value, str) and (value == "none" or _DURATION.fullmatch(value) is not None)


def _is_time(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 64 and _TIMELIKE.match(value) is not None


def _are_symbols(value: object) -> bool:
    return isinstance(value, list) and len(value) <= MOST_SYMBOLS and all(isinstance(name, str) for name in value)


def _is_symbol(value: str) -> bool:
    """A plain name, or such as another exchange lists; what it is spelled with must survive a terminal."""
    plain = " " not in value and not any(map(_is_control, value))
    return 1 <= len(value) <= 32 and plain and unicodedata.normalize("NFKC", value) == value


MOST_SYMBOLS = 2_000  # names in a request


def _among(*words: str) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and value in words


_Rules = dict[str, Callable[[object], bool]]

_CHANGE: _Rules = {"symbols": _are_symbols, "all": _is_bool, "request_id": _is_text}
_WAIT: _Rules = {"wait": _is_bool, "timeout": _is_duration}
_SET: _Rules = {"chunks": _is_positive, **dict.fromkeys(SETTINGS[1:], _is_text)}
_ROWS: _Rules = {"symbols": _are_symbols, "limit": _is_positive, "since": _is_time, "after": _is_count}
_PARAMS: dict[str, _Rules] = {
    "hello": {"proto": _is_count, "client": _is_text},
    "status": {"symbols": _are_symbols},
    "watch": {"symbols": _are_symbols},
    "start": {**_CHANGE, **_WAIT, **_SET, "dry_run": _is_bool},
    "stop": {**_CHANGE, **_WAIT, "dry_run": _is_bool, "cancel": _among("none", "buys", "all")},
    "shutdown": {**_CHANGE, **_WAIT, "keep_buys": _is_bool},
    "settings": {**_CHANGE, **_SET},
    "halt": {"symbols": _are_symbols, "request_id": _is_text, "reason": _is_sentence, "keep_buys": _is_bool},
    "limits": {"request_id": _is_text, **dict.fromkeys(_LIMITS, _is_limit)},
    "resume": {"symbols": _are_symbols, "request_id": _is_text},
    "orders": _ROWS,
    "trades": _ROWS,
    "events": {**_ROWS, "follow": _is_bool, "after_seq": _is_count},
    "wait": {
        "symbols": _are_symbols,
        "all": _is_bool,
        "timeout": _is_duration,
        "for": _among("off", "trading", "drained"),
    },
    "explain": {"symbols": _are_symbols},
    "why": {"symbols": _are_symbols, "client_order_id": _is_text},
    "resolve": {**_CHANGE, "dry_run": _is_bool, "client_order_id": _is_text, "action": _among("adopt", "ignore")},
}
