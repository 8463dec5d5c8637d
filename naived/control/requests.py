"""Decodes a line of the control socket to a request: strict JSON, a known method, every parameter parsed.

A duplicate key, a NaN, a lone surrogate or an unknown parameter is refused, because a typo here may cost money. A
name that cannot be a symbol is not refused: like any unknown symbol it fails alone. Code that sends a name to the
exchange or logs it must check `is_symbol` first.
"""

import json
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Any, NamedTuple, NoReturn, TypeAlias, TypeGuard

from naived.control.caller import Caller
from naived.control.channel import Channel
from naived.control.protocol import MAX_SYMBOLS, MAX_TEXT, Code, ControlError, parse_duration, parse_time

MAX_SYMBOL = 32  # characters; the longest symbol on Binance has 22
_UPPER = {ord(letter): letter.upper() for letter in ascii_lowercase}  # str.upper would turn a dotless i into I
MAX_SENTENCE = 200  # characters of what a person says in words
_MAX_INTEGER = 2**53  # exclusive: above it many JSON readers lose digits

Params: TypeAlias = dict[str, Any]

REQUIRED = object()
ABSENT = object()


class Param(NamedTuple):
    """How one parameter is read; ``parse`` raises ValueError. ABSENT: an optional one without a default."""

    parse: Callable[[Any], object]
    default: object = ABSENT


class Request(NamedTuple):
    """A valid request: ``params`` hold every parameter of the method that has a default, parsed."""

    id: int | str
    method: str
    params: Params


Answer: TypeAlias = Callable[[Any, Params, Caller], Awaitable[bytes]]
Stream: TypeAlias = Callable[[Any, Channel, Request, Caller], Awaitable[NoReturn]]


@dataclass(frozen=True, slots=True)
class Method:
    """What one method takes and does. The first argument of ``answer`` and ``stream`` is the server's service.

    ``answer`` returns an encoded document. It raises ControlError only if nothing was done, and does what was asked
    even if its `Caller` leaves meanwhile. ``stream`` sends items until it is cancelled. Three functions check the
    parameters: ``streams``: do they ask for the stream? ``rule``: which error is in their combination? ``changes``:
    do they ask for a change?
    """

    params: Mapping[str, Param]
    answer: Answer
    stream: Stream | None = None
    streams: Callable[[Params], bool] = lambda params: True
    rule: Callable[[Params], str | None] = lambda params: None
    changes: Callable[[Params], bool] = lambda params: False

    def stream_for(self, params: Params) -> Stream | None:
        """The stream, if these parameters ask for one."""
        return self.stream if self.streams(params) else None


def symbol_names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(symbol, str) for symbol in value):
        raise ValueError("must be a list of symbols")
    if len(value) > MAX_SYMBOLS:
        raise ValueError(f"must be at most {MAX_SYMBOLS} symbols")
    return tuple(dict.fromkeys(symbol.translate(_UPPER) for symbol in value))


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def short_text(value: Any) -> str:
    # Printable: PostgreSQL stores no NUL.
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or not value.isprintable():
        raise ValueError(f"must be a printable text of 1 to {MAX_TEXT} characters")
    return value


def sentence(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_SENTENCE or not value.isprintable():
        raise ValueError(f"must be a printable text of 1 to {MAX_SENTENCE} characters")
    return value


def whole_number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MAX_INTEGER:
        raise ValueError("must be a whole number")
    return value


def above_zero(value: Any) -> int:
    if whole_number(value) == 0:
        raise ValueError("must be above 0")
    return int(value)


def moment(value: Any) -> int:
    return parse_time(short_text(value))


def timeout(value: Any) -> float | None:
    return None if value == "none" else parse_duration(short_text(value))


def one_of(*words: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return str(value)

    return parse


def _invalid(message: str) -> ControlError:
    return ControlError(Code.INVALID_PARAMS, message)


def is_symbol(text: str) -> bool:
    """May it be a symbol? No control character, no space, no look-alike letters, at most MAX_SYMBOL long."""
    # isprintable is False for control, format, bidi and surrogate characters and for every space but " ".
    if not (0 < len(text) <= MAX_SYMBOL and text.isprintable() and " " not in text):
        return False
    return text.isascii() or unicodedata.is_normalized("NFKC", text)  # a full-width ETHUSDT only looks like one


def _parse_params(name: str, method: Method, given: Mapping[str, object]) -> Params:
    for key in given:
        if key not in method.params:
            raise _invalid(f"{name} has no parameter {key[:MAX_TEXT]!a}")
    params: Params = {}
    for key, param in method.params.items():
        if key in given:
            try:
                params[key] = param.parse(given[key])
            except ValueError as error:
                raise _invalid(f"{key} {error}") from error
        elif param.default is REQUIRED:
            raise _invalid(f"{name} needs {key}")
        elif param.default is not ABSENT:
            params[key] = param.default
    if (wrong := method.rule(params)) is not None:
        raise _invalid(wrong)
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


def decode_request(line: bytes, methods: Mapping[str, Method]) -> tuple[int | str | None, Request | ControlError]:
    """Decode one line without its newline; returns its id (None if there is no valid one), and request or error."""
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
        return request_id, _decode_frame(request_id, frame, methods)
    except ControlError as error:
        return request_id, error


def _is_id(value: object) -> TypeGuard[int | str]:
    if isinstance(value, str):
        return len(value) <= MAX_TEXT
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MAX_INTEGER


def _decode_frame(request_id: int | str, frame: Mapping[str, object], methods: Mapping[str, Method]) -> Request:
    if frame.get("jsonrpc") != "2.0" or frame.keys() - {"jsonrpc", "id", "method", "params"}:
        raise ControlError(
            Code.INVALID_REQUEST, 'a request has "jsonrpc": "2.0", "id", "method", "params" and nothing else'
        )
    method, params = frame.get("method"), frame.get("params", {})
    if not isinstance(method, str):
        raise ControlError(Code.INVALID_REQUEST, "method must be a text")
    if method not in methods:
        raise ControlError(Code.METHOD_NOT_FOUND, f"there is no method {method[:MAX_TEXT]!a}")
    if not isinstance(params, dict):
        raise _invalid("params must be an object")
    return Request(request_id, method, _parse_params(method, methods[method], params))
