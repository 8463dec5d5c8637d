"""The options of ``naived sweep``, read and checked before anything is run."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from naived.backtest.grid import Grid
from naived.backtest.point import Terms
from naived.backtest.rules import rules
from naived.cli import outputs
from naived.cli.extras import missing
from naived.cli.options import SWEEP, Options, UsageError, gather
from naived.cli.parsing import limits_of, parse_fee
from naived.cli.ranges import grid_of
from naived.core.amount import SCALE, Rate, parse_rate, parse_whole
from naived.core.duration import parse_duration

_FEE = parse_rate("0.001")  # as `naived backtest` takes
_MOST = 100_000  # points of a grid that are run one by one


@dataclass(frozen=True, slots=True)
class Command:
    """What to run and what to write. ``share`` of the time is in sample: None for all of it, by the tape if unset.

    ``count`` is the number of points of a search, None for the whole grid. ``top``: how many to show, None for
    the usual.
    """

    symbol: str
    tapes: tuple[Path, ...]
    grid: Grid
    terms: Terms
    cached: bool
    share: Rate | None
    share_by_tape: bool
    count: int | None
    seed: int
    jobs: int
    dask: str | None
    top: int | None
    machine: bool
    html: Path | None
    write: Path | None


def load_command(symbol: str, flags: Mapping[str, Any], environ: Mapping[str, str]) -> Command:
    """Read the options; raises ConfigError, BacktestError for rules, OutputError for files that cannot be used."""
    options = gather(SWEEP, flags, environ)
    tapes = options.every("tape", Path)
    if not tapes:
        raise UsageError("--tape FILE... is missing: the public trades or aggTrades of the symbol, in any order")
    grid = grid_of(options)
    count = options.get("search", _at_least_one, None, number=True)
    if count is None and "seed" in options:
        raise UsageError("--seed N is for --search N; a grid has nothing to draw")
    if count is None and grid.size > _MOST:
        raise UsageError(
            f"the grid has {grid.size} points, more than {_MOST}; search it with --search N, or take larger steps"
        )
    name = symbol.upper()
    info = options.get("exchange_info", Path, None)
    command = Command(
        symbol=name,
        tapes=tapes,
        grid=grid,
        terms=Terms(
            rules(name, info),
            options.get("fee", parse_fee, _FEE, number=True),
            options.get("latency", parse_duration, 0),
            limits_of(options),
        ),
        cached=not options.switch("no_cache"),
        share=options.get("split", _share, None, number=True),
        share_by_tape="split" not in options,
        count=None if count is None or count >= grid.size else count,
        seed=options.get("seed", parse_whole, 0, number=True),
        jobs=options.get("jobs", _at_least_one, len(os.sched_getaffinity(0)), number=True),
        dask=options.get("dask", str, None),
        top=options.get("top", _at_least_one, None, number=True),
        machine=bool(flags.get("json")),
        html=_file(options, "html"),
        write=_file(options, "write"),
    )
    _check_extras(command)
    inputs = [*tapes, *([] if info is None else [info])]
    outputs.check({"--html": command.html, "--write": command.write}, inputs, machine=command.machine)
    return command


def _at_least_one(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not int(text[:9]):
        raise ValueError(f"{text[:40]!r} is not a whole number above 0")
    return int(text)


def _share(text: str) -> Rate | None:
    if text == "none":
        return None
    share = parse_rate(text)
    if not 0 < share < SCALE:
        raise ValueError("a split must be above 0 and below 1, as in 0.7, or none")
    return share


def _file(options: Options, name: str) -> Path | None:
    return options.get(name, Path, None)


def _check_extras(command: Command) -> None:
    """Raise ConfigError for a library that the command needs and that is not installed."""
    for needed, module, extra, what in (
        (command.count is not None, "optuna", "search", "--search needs Optuna"),
        (command.dask is not None, "distributed", "cluster", "--dask needs Dask"),
        (command.html is not None, "plotly", "backtest", "--html needs plotly"),
    ):
        if needed and find_spec(module) is None:
            raise missing(what, extra)
