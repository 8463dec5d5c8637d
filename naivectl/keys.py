"""Turns the bytes of a keyboard into names of keys: ``up``, ``page down``, ``enter``, or the character itself."""

import codecs

_SEQUENCES = {
    **{"A": "up", "B": "down", "C": "right", "D": "left", "H": "home", "F": "end"},
    **{"1~": "home", "7~": "home", "4~": "end", "8~": "end", "5~": "page up", "6~": "page down"},
}
_PLAIN = {
    **{"\r": "enter", "\n": "enter", "\x7f": "backspace", "\b": "backspace", "\x0c": "redraw", "\x15": "clear"},
    **{"\x04": "q", "\t": "down"},
}
ESC = "\x1b"
PAUSE = 0.05  # seconds: what follows an Esc within them belongs to it
_LONGEST = 16  # characters of a sequence: a longer one is none


class Keys:
    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""

    @property
    def pending(self) -> bool:
        """Is there an Esc of which it is not known yet whether it is alone?"""
        return bool(self._pending)

    def feed(self, chunk: bytes) -> list[str]:
        """The keys that are complete. One that we have no use for is dropped."""
        self._pending += self._decoder.decode(chunk)
        keys: list[str] = []
        while self._pending:
            taken, key = _first(self._pending)
            if not taken:
                break
            self._pending = self._pending[taken:]
            if key:
                keys.append(key)
        return keys

    def flush(self) -> list[str]:
        """The Esc that nothing followed."""
        alone = self._pending == ESC
        self._pending = ""
        return ["esc"] if alone else []


def _first(text: str) -> tuple[int, str]:
    """How many characters the first key has, 0 if more must follow; and its name, empty for an unknown one."""
    if text[0] != ESC:
        return 1, _PLAIN.get(text[0], text[0] if text[0].isprintable() else "")
    if len(text) == 1:
        return 0, ""
    if text[1] == ESC:
        return 1, "esc"
    if text[1] not in "[O":
        return 2, ""  # Alt and a key
    for at in range(2, min(len(text), _LONGEST)):
        if "@" <= text[at] <= "~":
            return at + 1, _SEQUENCES.get(text[2 : at + 1], "")
    return (len(text), "") if len(text) >= _LONGEST else (0, "")
