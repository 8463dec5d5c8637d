"""The last line of the live view: which keys do what now, and at its right end what part of the list is seen."""

from naivectl.cells import Line, Piece, width

HELP: list[Line] = [
    [Piece(text)]
    for text in (
        "  up down, j k    move            s S   next, last sort       /    filter",
        "  PgUp PgDn       a screen        r     reverse               Esc  back, clear",
        "  Home End, g G   first, last     Enter one symbol            q    quit",
        "  W waits  B buys  H holds  S sells  ? being asked  ! yours to decide  . free",
        "  ~ needs attention   ! wrong   NEXT: how far the price is from the next order",
    )
]


def keys_line(sort: str, span: tuple[int, int], count: int, columns: int) -> Line:
    hints = ["Enter open", f"s sort: {sort}", "r reverse", "/ filter", "? help", "q quit"]
    return _with_position(hints, _positions(span, f"of {count}"), columns)


def filter_line(
    text: str, span: tuple[int, int], count: int, total: int, hidden: int, columns: int, *, typing: bool
) -> Line:
    """While a filter is typed, and after; ``hidden`` problems do not match it."""
    problems = f", {hidden} problem{'s' if hidden > 1 else ''} hidden" if hidden else ""
    if not count and text:
        return [Piece(f' no symbol has "{text}" in it{problems}   Esc clear', "attention" if hidden else "")]
    if typing:
        found = Piece(f"   {count} of {total} symbols{problems}", "attention" if hidden else "")
        return [Piece(f" /{text}_"), found, Piece("   Enter keep  Esc clear", "past")]
    hints = [f"filter: {text}{problems}", "Esc clear", "Enter open", "s sort", "? help", "q quit"]
    return _with_position(hints, _positions(span, f"of {count} ({total})"), columns)


def help_line() -> Line:
    return [Piece(" any key goes back")]


def symbol_keys(columns: int, *, alone: bool) -> Line:
    back = [] if alone else ["Esc back"]
    return _with_position(
        [*back, "up/down scroll", "e events", "o orders", "x explain", "? help", "q quit"], ("",), columns
    )


def _positions(span: tuple[int, int], of: str) -> tuple[str, ...]:
    """From the longest to the shortest."""
    return (f"{span[0]}-{span[1]} {of}", f"{span[0]}-{span[1]}")


def _with_position(hints: list[str], positions: tuple[str, ...], columns: int) -> Line:
    """As many hints as fit before the position; the last two, help and quit, are the last to go."""
    while True:
        keys = " " + "  ".join(hints)
        for position in positions:
            gap = columns - width(keys) - len(position)
            if gap >= 2 or (gap >= 0 and not position):
                return [Piece(keys), Piece(" " * gap), Piece(position)]
        if len(hints) == 1:
            return [Piece(keys)]
        hints = [*hints[:-3], *hints[-2:]] if len(hints) > 2 else hints[1:]
