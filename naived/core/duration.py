"""Durations as text: ``500ms``, ``5s``, ``2m``, ``1h``. In memory they are milliseconds."""

import re

_FORM = re.compile(r"([0-9]{1,9})(ms|s|m|h)")
_MILLISECONDS = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}


def parse_duration(text: str) -> int:
    """Milliseconds; raises ValueError."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is not a duration such as 500ms, 5s, 2m or 1h")
    return int(match[1]) * _MILLISECONDS[match[2]]


def format_duration(milliseconds: int) -> str:
    """In the largest unit that needs no fraction: 600000 is ``10m``."""
    unit, size = next(each for each in _MILLISECONDS.items() if milliseconds % each[1] == 0)
    return f"{milliseconds // size}{unit}"
