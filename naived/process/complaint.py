"""Says on stderr why a program ends, and makes text printable; without the logs, which take long to import."""

import sys
from contextlib import suppress


def complain(why: object) -> None:
    """Print on stderr why naived ends. On a full disk the text is lost, and the exit code stays the same."""
    with suppress(OSError):
        print(f"naived: {printable_lines(str(why))}", file=sys.stderr)


def printable_lines(text: str) -> str:
    """``printable``, but line ends stay."""
    return "\n".join(printable(line) for line in text.split("\n"))


def printable(text: str) -> str:
    """The text with what is not printable escaped: it cannot move the cursor or begin a line."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
