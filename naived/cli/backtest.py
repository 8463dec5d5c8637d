"""``naived backtest``: reads its options, loads the tape, runs it, writes the files and prints what was found."""

import importlib.util
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from naived.backtest import documents, files, report
from naived.backtest.columns import Progress
from naived.backtest.files import STDOUT
from naived.backtest.result import Result, Setup
from naived.backtest.rules import rules
from naived.backtest.run import backtest
from naived.backtest.tape import Tape, TapeError, cache_directory
from naived.backtest.tape import load as load_tape
from naived.backtest.trading import BacktestError
from naived.cli import outputs
from naived.cli.extras import missing
from naived.cli.options import BACKTEST, Options, UsageError, gather
from naived.cli.parsing import limits_of, parse_fee, settings_of
from naived.cli.progress import Meter
from naived.core.amount import parse_rate
from naived.core.duration import parse_duration
from naived.process.complaint import complain
from naived.process.streams import OutputError

_FEE = parse_rate("0.001")  # as `naived simulate` takes
_FAILED = 1  # exit code: a tape or rules that cannot be used, a file that cannot be written

Fill = Callable[[TextIO], object]


@dataclass(frozen=True, slots=True)
class Command:
    """What to backtest, and what to write. A file that is None is not written."""

    symbol: str
    tapes: tuple[Path, ...]
    setup: Setup
    cache: Path | None
    machine: bool
    html: Path | None
    csv: Path | None
    orders: Path | None


def perform(symbol: str, flags: Mapping[str, Any], environ: Mapping[str, str]) -> int:
    """Backtest as these flags say; returns the exit code. Raises ConfigError."""
    meter = Meter()
    try:
        command = load(symbol, flags, environ)
        began = time.perf_counter()
        tape = load_tape(command.symbol, command.tapes, cache=command.cache, progress=_reading(meter))
        result = backtest(
            tape, command.setup, load_seconds=time.perf_counter() - began, told=_scanning(meter, tape)
        )
        meter.end()
    except (TapeError, BacktestError, OutputError) as error:
        meter.end()
        complain(error)
        return _FAILED
    wrong = _write(command, tape, result)
    for failure in wrong:
        complain(failure)
    return _FAILED if wrong else 0


def _reading(meter: Meter) -> Callable[[Progress], None]:
    def told(progress: Progress) -> None:
        meter.tell("reading tapes", progress.done, progress.total, progress.rows)

    return told


def _scanning(meter: Meter, tape: Tape) -> Callable[[int], None]:
    total = tape.length

    def told(behind: int) -> None:
        meter.tell("backtesting", behind, total, behind)

    return told


def load(symbol: str, flags: Mapping[str, Any], environ: Mapping[str, str]) -> Command:
    """Read the options; raises ConfigError, BacktestError for rules, OutputError for files that cannot be used."""
    options = gather(BACKTEST, flags, environ)
    tapes = options.every("tape", Path)
    if not tapes:
        raise UsageError("--tape FILE... is missing: the public trades or aggTrades of the symbol, in any order")
    name = symbol.upper()
    info = options.get("exchange_info", Path, None)
    setup = Setup(
        rules=rules(name, info),
        settings=settings_of(options),
        fee=options.get("fee", parse_fee, _FEE, number=True),
        latency=options.get("latency", parse_duration, 0),
        limits=limits_of(options),
    )
    command = Command(
        symbol=name,
        tapes=tapes,
        setup=setup,
        cache=None if options.switch("no_cache") else cache_directory(),
        machine=bool(flags.get("json")),
        html=_file(options, "html"),
        csv=_file(options, "csv"),
        orders=_file(options, "orders"),
    )
    _check_outputs(command, [*tapes, *([] if info is None else [info])])
    return command


def _file(options: Options, name: str) -> Path | None:
    return options.get(name, Path, None)


def _check_outputs(command: Command, inputs: Sequence[Path]) -> None:
    """Raise UsageError, OutputError and ConfigError for files that cannot be written."""
    named = {"--html": command.html, "--csv": command.csv, "--orders": command.orders}
    outputs.check(named, inputs, machine=command.machine)
    if command.html is not None and importlib.util.find_spec("plotly") is None:
        raise missing("--html needs plotly", "backtest")


def _write(command: Command, tape: Tape, result: Result) -> list[OutputError]:
    """Write what was asked for, then the summary; one that fails does not keep the others from being written."""
    wrong: list[OutputError] = []

    def write(path: Path | None, fill: Fill) -> None:
        if path is not None:
            try:
                files.write(path, fill)
            except OutputError as error:
                wrong.append(error)

    write(command.orders, lambda file: file.write(json.dumps(documents.orders(result)) + "\n"))
    write(command.csv, lambda file: _write_csv(result, file))
    write(command.html, lambda file: _write_page(tape, result, file))
    if command.machine:
        for warning in result.warnings:
            complain(f"warning: {warning}")
        write(STDOUT, lambda file: file.write(json.dumps(documents.summary(result)) + "\n"))
    elif STDOUT in (command.csv, command.orders):
        report.show(result, sys.stderr)
    else:
        write(STDOUT, lambda file: report.show(result, file))
    return wrong


def _write_csv(result: Result, file: TextIO) -> None:
    from naived.backtest.cycles import write_csv  # deferred: most do not need it

    write_csv(result, file)


def _write_page(tape: Tape, result: Result, file: TextIO) -> None:
    from naived.backtest.charts import page  # deferred: plotly is an extra, and slow to import

    file.write(page(tape, result))
