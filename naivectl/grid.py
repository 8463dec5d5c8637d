"""Small tables of styled cells: words to the left, numbers to the right, no cell is cut."""

from collections.abc import Sequence

from naivectl import cells
from naivectl.cells import Line, Piece


def grid(titles: Sequence[str], rows: Sequence[Sequence[Piece]], numbers: Sequence[str], room: int) -> list[Line]:
    """A heading and the rows; two blanks between columns if all fit so, else one. Numbers stand to the right."""
    widths = [
        max(len(title), max((cells.width(row[at].text) for row in rows), default=0))
        for at, title in enumerate(titles)
    ]
    gap = 2 if sum(widths) + 2 * (len(widths) - 1) <= room else 1
    heading = [Piece(title, "heading") for title in titles]
    lines = []
    for row in (heading, *rows):
        line: Line = []
        for title, width, (text, style) in zip(titles, widths, row, strict=True):
            blank = " " * (width - cells.width(text))
            between = " " * gap if line else ""
            if title in numbers:
                line += [Piece(between + blank), Piece(text, style)]
            else:
                line += [Piece(between), Piece(text, style), Piece(blank)]
        lines.append(line)
    return lines


def parts(texts: Sequence[str], room: int, between: str = "  ") -> list[str]:
    """Lines of whole parts."""
    lines: list[str] = []
    for text in texts:
        if lines and cells.width(lines[-1] + between + text) <= room:
            lines[-1] += between + text
        else:
            lines.append(text)
    return lines
