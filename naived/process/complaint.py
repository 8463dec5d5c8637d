"""Says on stderr why a program ends, and makes text printable; without the logs, which take long to import."""

from contextlib import suppress

from naived.process import log_stream


def complain(why: object) -> None:
    """Print on stderr why naived ends. On a full disk the text is lost, and the exit code stays the same."""
    with suppress(OSError):
        print(f"naived: {printable_lines(str(why))}", file=log_stream.standard())
        log_stream.drain()


def printable_lines(text: str) -> str:
    """``printable``, but line ends stay."""
    return "\n".join(printable(line) for line in text.split("\n"))


def printable(text: str) -> str:
    """The text with what is not printable escaped: it cannot move the cursor or begin a line."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
