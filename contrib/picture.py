"""Draws the live table as an SVG, from what ``naivectl --jsonl status --live`` prints:

    timeout 8 naivectl --jsonl status --live | python contrib/picture.py docs/live.svg

The picture in the README is made so, of a daemon on the simulator. It loads nothing from anywhere.
"""

import json
import re
import sys
from io import StringIO

from rich.console import Console
from rich.text import Text

from naivectl.board import Board
from naivectl.header import Moment
from naivectl.paint import Medium, painter
from naivectl.view import View

_COLUMNS, _LINES = 100, 20
_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)  # Rich names one on a server


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    board = Board(Medium())
    for number, line in enumerate(sys.stdin):
        told = json.loads(line)
        if "error" in told:  # the last line: naivectl was ended by `timeout`
            break
        board.take(told, whole=number == 0)
    if not board.rows:
        print("no symbol was told: is naived running, and trading?", file=sys.stderr)
        return 1
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        # As of the newest trade: what was told may have waited in the pipe.
        file.write(drawn(board, max(row.traded_at or 0.0 for row in board.rows.values())))
    return 0


def drawn(board: Board, now: float) -> str:
    """The SVG of the live view at this time (seconds since 1970)."""
    paint = painter(board.medium)
    frame = View().frame(board, Moment(now), _COLUMNS, min(_LINES, len(board.rows) + 8))
    console = Console(record=True, width=_COLUMNS, file=StringIO(), force_terminal=True, legacy_windows=False)
    for line in frame:
        console.print(Text.from_ansi(paint(line)), no_wrap=True, overflow="crop")
    return _FONT.sub("", console.export_svg(title="naivectl status --live", unique_id="naived"))


if __name__ == "__main__":
    sys.exit(main())
