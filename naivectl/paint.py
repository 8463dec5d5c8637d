"""The dozen styles of the human screens by their meaning, and how a line becomes text for a terminal.

Only the terminal's own 16 colours and no background, so that they follow the reader's theme. `NO_COLOR` keeps bold,
dim and reverse.
"""

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from rich.color import ColorSystem
from rich.style import Style

from naivectl.cells import Line, first_columns, width
from naivectl.table import clean

STYLES: Mapping[str, Style] = {
    "good": Style(color="green"),
    "buy": Style(color="cyan"),
    "hold": Style(color="magenta"),
    "attention": Style(color="yellow", bold=True),
    "wrong": Style(color="red", bold=True),
    "loss": Style(color="red"),
    "past": Style(dim=True),
    "heading": Style(bold=True),
    "bar": Style(bold=True, reverse=True),
    "cursor": Style(reverse=True),
    "real": Style(bold=True, reverse=True),
}
_REVERSED = ("bar", "cursor", "real")  # whose blanks are seen
_STATES = {
    **dict.fromkeys(("trading", "on", "filled", "ready", "up"), "good"),
    **dict.fromkeys(("halted", "draining", "shutdown", "starting", "stopping", "unknown", "limited"), "attention"),
    **dict.fromkeys(("degraded", "quarantined", "faulted", "rejected", "down"), "wrong"),
    **dict.fromkeys(("off", "-", "abandoned", "not_placed", "cancelled", "expired"), "past"),
}


def state_style(word: str) -> str:
    return _STATES.get(word, "")


class Medium(NamedTuple):
    """What a terminal can show."""

    color: bool = True
    encoding: str = "utf-8"

    @property
    def arrows(self) -> str:
        """For a price that rose and one that fell, one column each."""
        return "▴▾" if self.encoding == "utf-8" else "^v"

    def clean(self, value: object) -> str:
        """`table.clean`, with what this terminal cannot write escaped too."""
        text = clean(value)
        if text.isascii() or self.encoding == "utf-8":
            return text
        return text.encode(self.encoding, "backslashreplace").decode(self.encoding)


def medium() -> Medium:
    """That of our stdout."""
    encoding = (sys.stdout.encoding or "ascii").lower().replace("utf8", "utf-8")
    return Medium(not os.environ.get("NO_COLOR"), encoding)


def painter(medium: Medium) -> Callable[[Line], str]:
    """What makes a line text with the terminal's codes."""
    codes = {name: _codes(style, medium) for name, style in STYLES.items()}

    def painted(text: str, style: str) -> str:
        code = codes.get(style)
        return f"{code}{text}\x1b[0m" if code and (style in _REVERSED or not text.isspace()) else text

    def paint(line: Line) -> str:
        return "".join(painted(text, style) for text, style in line if text)

    return paint


def _codes(style: Style, medium: Medium) -> str:
    style = style if medium.color else style.without_color
    return style.render("|", color_system=ColorSystem.STANDARD).partition("|")[0]


def emit(lines: Iterable[Line]) -> None:
    """Print the lines, in colour."""
    paint = painter(medium())
    sys.stdout.write("".join(f"{paint(line).rstrip()}\n" for line in lines))


def text_of(lines: Iterable[Line]) -> str:
    """Without styles and without blanks at the ends of lines: for tests and for people who read a copy."""
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)


def fit(line: Line, columns: int) -> Line:
    """The line, cut at the edge of the screen."""
    room, fitting = columns, []
    for piece in line:
        used = width(piece.text)
        if used > room:
            fitting.append(piece._replace(text=first_columns(piece.text, room)))
            break
        fitting.append(piece)
        room -= used
    return fitting


def restyled(line: Line, style: str) -> Line:
    """The whole line in one style."""
    return [piece._replace(style=style) for piece in line]
