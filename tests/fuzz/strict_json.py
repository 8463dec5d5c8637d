"""JSON as RFC 8259 has it, read by hand: a second opinion on what the daemon's decoder took or refused."""

import re
from typing import Any

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_STRING = re.compile(r'"((?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*)"')
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS = {"true": True, "false": False, "null": None}

MOST_DIGITS = 4_300  # of a whole number: what the daemon's Python converts


class NotJsonError(Exception):
    """The text is not one JSON value, or one that the protocol refuses (a key twice, half a character)."""


class DeepError(Exception):
    """Nested deeper than anybody promised to read."""


def parse(line: bytes, deepest: int) -> Any:
    """The value of a line of UTF-8; raises NotJsonError, DeepError."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotJsonError(str(error)) from error
    reader = _Reader(text, deepest)
    value = reader.value(0)
    if reader.at != len(text):
        raise NotJsonError("something follows")
    return value


class _Reader:
    def __init__(self, text: str, deepest: int) -> None:
        self.text = text
        self.at = 0
        self._deepest = deepest
        self._skip()

    def value(self, depth: int) -> Any:
        """The value at hand, with the space behind it."""
        if depth > self._deepest:
            raise DeepError
        match self.text[self.at : self.at + 1]:
            case "{":
                return self._object(depth)
            case "[":
                return self._array(depth)
            case '"':
                return self._string()
            case _:
                return self._scalar()

    def _skip(self) -> None:
        found = _SPACE.match(self.text, self.at)
        assert found is not None
        self.at = found.end()

    def _take(self, mark: str) -> bool:
        if not self.text.startswith(mark, self.at):
            return False
        self.at += len(mark)
        self._skip()
        return True

    def _need(self, mark: str) -> None:
        if not self._take(mark):
            raise NotJsonError(f"no {mark} at {self.at}")

    def _object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self._need("{")
        if self._take("}"):
            return found
        while True:
            name = self._string()
            self._need(":")
            value = self.value(depth + 1)
            if name in found:
                raise NotJsonError("a key twice")
            found[name] = value
            if self._take("}"):
                return found
            self._need(",")

    def _array(self, depth: int) -> list[Any]:
        found: list[Any] = []
        self._need("[")
        if self._take("]"):
            return found
        while True:
            found.append(self.value(depth + 1))
            if self._take("]"):
                return found
            self._need(",")

    def _string(self) -> str:
        found = _STRING.match(self.text, self.at)
        if found is None:
            raise NotJsonError(f"no text at {self.at}")
        self.at = found.end()
        self._skip()
        body = found[1]
        if "\\" not in body:
            return body
        units = _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _SHORT.get(m[2], m[2]), body)
        try:
            return units.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError as error:
            raise NotJsonError("half a character") from error

    def _scalar(self) -> Any:
        for word, value in _WORDS.items():
            if self._take(word):
                return value
        found = _NUMBER.match(self.text, self.at)
        if found is None:
            raise NotJsonError(f"no value at {self.at}")
        self.at = found.end()
        self._skip()
        if found[1] or found[2]:
            return float(found[0])
        if len(found[0].lstrip("-")) > MOST_DIGITS:
            raise NotJsonError("a number of too many digits")
        return int(found[0])
