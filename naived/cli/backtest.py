"""``naived backtest``: reads its options, loads the tape, runs it, prints what was found and writes the files."""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naived.backtest import documents
from naived.backtest.result import Result, Setup
from naived.backtest.rules import rules
from naived.backtest.run import backtest
from naived.backtest.tape import Tape, TapeError, cache_directory
from naived.backtest.tape import load as load_tape
from naived.backtest.trading import BacktestError
from naived.cli.options import BACKTEST, Options, UsageError, duration, gather
from naived.cli.parsing import parse_fee, settings_of
from naived.core.amount import parse_rate
from naived.process.config import ConfigError

_FEE = parse_rate("0.001")  # as `naived simulate` takes
_FAILED = 1  # exit code: a tape or rules that cannot be used


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
    try:
        command = load(symbol, flags, environ)
        began = time.perf_counter()
        tape = load_tape(command.symbol, command.tapes, cache=command.cache)
        result = backtest(tape, command.setup, load_seconds=time.perf_counter() - began)
        _write(command, tape, result)
    except (TapeError, BacktestError) as error:
        print(f"naived: {error}", file=sys.stderr)
        return _FAILED
    _show(command, result)
    return 0


def load(symbol: str, flags: Mapping[str, Any], environ: Mapping[str, str]) -> Command:
    """Read the options; raises ConfigError, and BacktestError for rules that cannot be used."""
    options = gather(BACKTEST, flags, environ)
    tapes = options.every("tape", Path)
    if not tapes:
        raise UsageError("--tape FILE... is missing: the public trades or aggTrades of the symbol, oldest first")
    name = symbol.upper()
    setup = Setup(
        rules=rules(name, options.get("exchange_info", Path, None)),
        settings=settings_of(options),
        fee=options.get("fee", parse_fee, _FEE, number=True),
        latency=options.get("latency", duration, 0),
    )
    return Command(
        symbol=name,
        tapes=tapes,
        setup=setup,
        cache=None if options.switch("no_cache") else cache_directory(),
        machine=bool(flags.get("json")),
        html=_file(options, "html"),
        csv=_file(options, "csv"),
        orders=_file(options, "orders"),
    )


def _file(options: Options, name: str) -> Path | None:
    return options.get(name, Path, None)


def _write(command: Command, tape: Tape, result: Result) -> None:
    """Write the files that were asked for; raises ConfigError."""
    if command.orders is not None:
        _write_text(command.orders, json.dumps(documents.orders(result)) + "\n")


def _write_text(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error


def _show(command: Command, result: Result) -> None:
    for warning in result.warnings:
        print(f"naived: {warning}", file=sys.stderr)
    print(json.dumps(documents.summary(result)))
