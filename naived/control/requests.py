"""The methods of the control socket, and the strict decoding of requests.

A duplicate key, a NaN, a lone surrogate or an unknown parameter is refused: a typo here costs money.
A name that cannot be a symbol is not: like any unknown one it fails alone, so whoever asks the exchange for a
name, or logs it, asks `is_symbol` first.
"""

import json
import unicodedata
from collections.abc import Callable, Mapping
from string import ascii_lowercase
from typing import Any, NamedTuple, TypeGuard

from naived.control.protocol import (
    MAX_SYMBOLS,
    MAX_TEXT,
    PROTO,
    SETTINGS,
    TIMEOUTS,
    Code,
    ControlError,
    parse_duration,
    parse_time,
)

MAX_SYMBOL = 32  # characters; the longest symbol on Binance has 22
_UPPER = {ord(letter): letter.upper() for letter in ascii_lowercase}  # str.upper makes an I of a dotless one
_MAX_INTEGER = 2**53  # exclusive: above it JSON readers elsewhere lose digits


class Request(NamedTuple):
    """A valid request: ``params`` hold every parameter of the method that has a default, parsed."""

    id: int | str
    method: str
    params: dict[str, Any]

    @property
    def streams(self) -> bool:
        """Is the answer a stream?"""
        return self.method == "watch" or bool(self.params.get("follow"))

    @property
    def changes(self) -> bool:
        """Does it change something? `settings` without a setting only asks."""
        return METHODS[self.method].changes and (self.method != "settings" or _sets(self.params))


class _Param(NamedTuple):
    parse: Callable[[Any], object]
    default: object = ...  # `...`: the key is absent when it was not sent


class Method(NamedTuple):
    """One row of the protocol: its parameters, and whether it changes something."""

    params: Mapping[str, _Param]
    changes: bool = False


def _symbols(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(symbol, str) for symbol in value):
        raise ValueError("must be a list of symbols")
    if len(value) > MAX_SYMBOLS:
        raise ValueError(f"must be at most {MAX_SYMBOLS} symbols")
    return tuple(dict.fromkeys(symbol.translate(_UPPER) for symbol in value))


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _text(value: Any) -> str:
    # Printable: PostgreSQL stores no NUL.
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or not value.isprintable():
        raise ValueError(f"must be a printable text of 1 to {MAX_TEXT} characters")
    return value


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MAX_INTEGER:
        raise ValueError("must be a whole number")
    return value


def _positive(value: Any) -> int:
    if _count(value) == 0:
        raise ValueError("must be above 0")
    return int(value)


def _time(value: Any) -> int:
    return parse_time(_text(value))


def _timeout(value: Any) -> float | None:
    return None if value == "none" else parse_duration(_text(value))


def _one_of(*words: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return str(value)

    return parse


_SOME: Mapping[str, _Param] = {"symbols": _Param(_symbols, ())}
_REQUEST: Mapping[str, _Param] = {"all": _Param(_boolean, False), "request_id": _Param(_text, None), **_SOME}
_SETTING: Mapping[str, _Param] = {"chunks": _Param(_positive), **{name: _Param(_text) for name in SETTINGS[1:]}}
_ROWS: Mapping[str, _Param] = {
    "limit": _Param(_positive, None),
    "since": _Param(_time, None),
    "after": _Param(_count, None),
    **_SOME,
}


def _waiting(method: str, wait: bool) -> Mapping[str, _Param]:
    return {"wait": _Param(_boolean, wait), "timeout": _Param(_timeout, TIMEOUTS[method])}


METHODS: Mapping[str, Method] = {
    "hello": Method({"proto": _Param(_count, PROTO), "client": _Param(_text, None)}),
    "status": Method(_SOME),
    "watch": Method(_SOME),
    "start": Method({**_REQUEST, **_waiting("start", True), **_SETTING}, changes=True),
    "stop": Method(
        {**_REQUEST, **_waiting("stop", True), "cancel": _Param(_one_of("none", "buys", "all"), "none")},
        changes=True,
    ),
    "shutdown": Method(
        {**_REQUEST, **_waiting("shutdown", False), "keep_buys": _Param(_boolean, False)}, changes=True
    ),
    "settings": Method({**_REQUEST, **_SETTING}, changes=True),
    "orders": Method(_ROWS),
    "trades": Method(_ROWS),
    "events": Method({**_ROWS, "follow": _Param(_boolean, False), "after_seq": _Param(_count, None)}),
    "wait": Method(
        {
            "all": _Param(_boolean, False),
            "for": _Param(_one_of("off", "trading", "drained")),
            "timeout": _Param(_timeout, TIMEOUTS["wait"]),
            **_SOME,
        }
    ),
    "resolve": Method(
        {
            **_REQUEST,
            "client_order_id": _Param(_text, None),
            "action": _Param(_one_of("adopt", "ignore")),
        },
        changes=True,
    ),
}


def _sets(params: Mapping[str, Any]) -> bool:
    return any(name in params for name in SETTINGS)


def _invalid(message: str) -> ControlError:
    return ControlError(Code.INVALID_PARAMS, message)


def is_symbol(text: str) -> bool:
    """May an exchange list it? No control character, no space, no look-alike, no more than MAX_SYMBOL."""
    # isprintable is False for control, format, bidi and surrogate characters and for every space but " ".
    if not (0 < len(text) <= MAX_SYMBOL and text.isprintable() and " " not in text):
        return False
    return text.isascii() or unicodedata.is_normalized("NFKC", text)  # a full-width ETHUSDT only looks like one


def _check_symbols(method: str, params: Mapping[str, Any]) -> None:
    symbols = params.get("symbols", ())
    every = params.get("all", False)
    if method == "resolve":
        if len(symbols) != 1 or every == (params["client_order_id"] is not None):
            raise _invalid("resolve takes one symbol, and either client_order_id or all")
    elif "all" in params and (every if symbols else not every):
        if method == "settings" and not every and not _sets(params):
            return
        raise _invalid(f"{method} takes either symbols or all")


def _parse_params(method: str, given: Mapping[str, object]) -> dict[str, Any]:
    known = METHODS[method].params
    for name in given:
        if name not in known:
            raise _invalid(f"{method} has no parameter {name[:MAX_TEXT]!a}")
    params: dict[str, Any] = {}
    for name, param in known.items():
        if name in given:
            try:
                params[name] = param.parse(given[name])
            except ValueError as error:
                raise _invalid(f"{name} {error}") from error
        elif param.default is not ...:
            params[name] = param.default
    if params.get("follow", False):
        if params["since"] is not None or params["after"] is not None:
            raise _invalid("events with follow takes symbols, and limit or after_seq")
    elif params.get("after_seq") is not None:
        raise _invalid("after_seq needs follow")
    for name in ("for", "action"):
        if name in known and name not in params:
            raise _invalid(f"{method} needs {name}")
    _check_symbols(method, params)
    return params


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _parse_json(line: bytes) -> object:
    try:
        frame: object = json.loads(line.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant)
        json.dumps(frame, ensure_ascii=False).encode("utf-8")  # a lone surrogate decodes, but never encodes
    except (ValueError, RecursionError) as error:
        raise ControlError(Code.PARSE_ERROR, f"not one JSON object: {str(error)[:100]}") from error
    return frame


def decode_request(line: bytes) -> tuple[int | str | None, Request | ControlError]:
    """One line without its newline: its id, None if there is no valid one, and the request or its refusal."""
    try:
        frame = _parse_json(line)
    except ControlError as error:
        return None, error
    if not isinstance(frame, dict):
        return None, ControlError(Code.INVALID_REQUEST, "a request is one JSON object")
    request_id: object = frame.get("id")
    if not _is_id(request_id):
        return None, ControlError(
            Code.INVALID_REQUEST,
            f"a request needs an id: a whole number, or a text of at most {MAX_TEXT} characters",
        )
    try:
        return request_id, _decode_frame(request_id, frame)
    except ControlError as error:
        return request_id, error


def _is_id(value: object) -> TypeGuard[int | str]:
    if isinstance(value, str):
        return len(value) <= MAX_TEXT
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MAX_INTEGER


def _decode_frame(request_id: int | str, frame: Mapping[str, object]) -> Request:
    if frame.get("jsonrpc") != "2.0" or frame.keys() - {"jsonrpc", "id", "method", "params"}:
        raise ControlError(
            Code.INVALID_REQUEST, 'a request has "jsonrpc": "2.0", "id", "method", "params" and nothing else'
        )
    method, params = frame.get("method"), frame.get("params", {})
    if not isinstance(method, str):
        raise ControlError(Code.INVALID_REQUEST, "method must be a text")
    if method not in METHODS:
        raise ControlError(Code.METHOD_NOT_FOUND, f"there is no method {method[:MAX_TEXT]!a}")
    if not isinstance(params, dict):
        raise _invalid("params must be an object")
    return Request(request_id, method, _parse_params(method, params))
