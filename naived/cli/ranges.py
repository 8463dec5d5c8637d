"""The settings of a sweep: one value each, a list or a range."""

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from naived.backtest.grid import Axis, Grid, ordered
from naived.cli.options import Options
from naived.control.protocol import SETTINGS
from naived.core.strategy.settings import DEFAULT_BUDGET, Settings, parse_setting

_MOST_VALUES = 10_000  # of one setting
_DECIMAL = re.compile(r"[0-9]{1,12}(\.[0-9]{1,8})?")  # of a range; a Decimal holds 28 digits exactly


def grid_of(options: Options) -> Grid:
    """The settings that were given, each with one value, a list or a range; raises ConfigError."""
    fixed: dict[str, Any] = {}
    axes: list[Axis] = []
    for name in SETTINGS:
        if name not in options:
            continue
        values: tuple[Any, ...] = options.get(name, partial(_values, name), (), number=True)
        if len(values) > 1:
            axes.append(Axis(name, values))
        else:
            fixed[name] = values[0]
    return Grid(tuple(axes), fixed)


def _values(name: str, text: str) -> tuple[Any, ...]:
    """The values of one setting, each of which is in its range; raises ValueError."""
    values = ordered([parse_setting(name, each) for each in spelled_out(text)])
    for value in values:
        Settings(**{"budget": DEFAULT_BUDGET, name: value})
    return values


def spelled_out(text: str) -> Sequence[str]:
    """Each value of ``a,b,c``, of ``FROM:TO:STEP``, which begins at FROM and never passes TO, or of one value.

    Exact: no step is ever rounded. Raises ValueError.
    """
    if ":" not in text:
        return text.split(",")
    parts = text.split(":")
    unit = "%" if all(part.endswith("%") for part in parts) else ""
    numbers = [part.removesuffix(unit) for part in parts]
    if len(numbers) != 3 or not all(_DECIMAL.fullmatch(number) for number in numbers):
        raise ValueError(f"{text[:60]!r} is not FROM:TO:STEP, as in 0.001:0.005:0.0005 or 0.1%:0.5%:0.05%")
    first, last, step = map(Decimal, numbers)
    if not step or last < first:
        raise ValueError(f"{text[:60]!r} never reaches its end: STEP must be above 0, TO at least FROM")
    count = int((last - first) // step) + 1
    if count > _MOST_VALUES:
        raise ValueError(f"{text[:60]!r} has {count} values, more than {_MOST_VALUES}; take a larger STEP")
    return [f"{first + step * number:f}{unit}" for number in range(count)]
