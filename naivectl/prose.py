"""Sentences on a terminal: wrapped at words, the rest 4 columns in. A command in backticks is never broken, so that
it can be copied. In a pipe a sentence is one line.
"""

import sys

TYPE_CHECKING = False  # see `main`
if TYPE_CHECKING:
    from typing import TextIO

_INDENT = "    "
_LEAST = 20  # columns: on a narrower terminal it wraps by itself
_JOINT = "\0"  # stands for a blank within backticks; no text that was cleaned has one


def say(text: str, stream: "TextIO | None" = None) -> None:
    """Print clean text on stdout, or on another stream."""
    stream = stream or sys.stdout
    if stream.isatty():
        import shutil  # deferred: a pipe needs no width

        text = "\n".join(wrapped(text, shutil.get_terminal_size().columns))
    print(text, file=stream)


def wrapped(text: str, columns: int) -> list[str]:
    """Lines of whole words; a word or a command that is wider than a line has one of its own."""
    if columns < _LEAST:
        return [text]
    pieces = text.split("`")
    joined = "`".join(piece.replace(" ", _JOINT) if number % 2 else piece for number, piece in enumerate(pieces))
    lines, line = list[str](), ""
    for word in joined.split(" "):
        longer = f"{line} {word}" if line else word
        if line and _width(longer) > columns:
            lines.append(line)
            longer = _INDENT + word
        line = longer
    return [each.replace(_JOINT, " ") for each in [*lines, line]]


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(each) else 2 if east_asian_width(each) in "WF" else 1 for each in text)
