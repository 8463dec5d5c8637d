"""`status --live`: draws every snapshot on the alternate screen, and always restores the terminal."""

import shutil
import sys
from collections.abc import Iterator

from naivectl.client import Document
from naivectl.render import headline, status_tables
from naivectl.terminal import lines

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"  # the alternate screen, without cursor; long lines are cut, not wrapped
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
_HOME = "\x1b[H"
_CLEAR_LINE = "\x1b[K"
_CLEAR_REST = "\x1b[J"


def watch(snapshots: Iterator[Document], *, traders: bool) -> None:
    """Draw until the stream ends or raises. Each line is overwritten in place, which does not flicker."""
    sys.stdout.write(_ENTER)
    try:
        for document in snapshots:
            width, height = shutil.get_terminal_size()
            drawn = lines(status_tables(document, traders=traders), headline(document), width, height - 1)
            sys.stdout.write(_HOME + "".join(f"{line}{_CLEAR_LINE}\n" for line in drawn) + _CLEAR_REST)
            sys.stdout.flush()
    finally:
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()
