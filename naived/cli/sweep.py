"""``naived sweep``: reads its options, runs the points, prints the best ones and writes the files."""

import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from msgspec.structs import asdict

from naived.backtest import documents, files, ranking, split
from naived.backtest.chosen import toml
from naived.backtest.columns import Progress
from naived.backtest.files import STDOUT
from naived.backtest.grid import Point
from naived.backtest.point import Figures, Halves, Outcome
from naived.backtest.ranking import Ranked
from naived.backtest.sweep import Job, Recording, Source, SweepError, halved, source
from naived.backtest.tape import Tape, TapeError, cache_directory, load
from naived.backtest.trading import BacktestError
from naived.backtest.workers import Serial, Workers, processes
from naived.cli import ranking_table
from naived.cli.progress import Meter
from naived.cli.sweep_options import Command, load_command
from naived.control.protocol import format_time
from naived.core.amount import format_amount
from naived.core.strategy.settings import Settings, SettingsError
from naived.process.complaint import complain
from naived.process.streams import OutputError

_FAILED = 1  # exit code: a tape or rules that cannot be used, workers that are gone
_INTERRUPTED = 130
_TOP = 10


def perform(symbol: str, flags: Mapping[str, Any], environ: Mapping[str, str]) -> int:
    """Sweep as these flags say; returns the exit code. Raises ConfigError."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        return _perform(load_command(symbol, flags, environ))
    except (TapeError, BacktestError, SweepError, OutputError) as error:
        complain(error)
        return _FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED


def _terminate(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)  # so that workers and a cache for once are taken away


def _perform(command: Command) -> int:
    meter = Meter()
    with _cache(command) as cache:
        try:
            tape = load(command.symbol, command.tapes, cache=cache, progress=partial(_reading, meter))
        finally:
            meter.end()
        cut = _cut(command, tape)
        halves = halved(tape, cut)
        hashed = command.dask is not None or command.write is not None
        sources = tuple(source(path, hashed=hashed) for path in command.tapes)
        job = Job(Recording(command.symbol, sources, cache, cut), command.terms)
        for line in (*(f"warning: {text}" for text in tape.warnings), *_notes(halves)):
            complain(line)
        run = Run(command, meter, tape.length)
        try:
            with _workers(command, job, halves) as workers:
                run.all(workers)
        except KeyboardInterrupt:
            run.interrupted = True
        finally:
            meter.end()
    points = ranking.ranked(command.grid, run.outcomes, run.settings)
    if run.interrupted:
        complain(f"interrupted; {len(points)} points were run, no files were written")
        _show(command, halves, points, run, tape.warnings)
        return _INTERRUPTED
    if command.write != STDOUT:
        _show(command, halves, points, run, tape.warnings)
    _write(command, halves, points, sources)
    return 0


def _reading(meter: Meter, progress: Progress) -> None:
    meter.tell("reading tapes", progress.done, progress.total, progress.rows)


@contextmanager
def _cache(command: Command) -> Iterator[Path | None]:
    """Where the columns of the tape are kept: for this sweep alone where processes share what is not to be kept."""
    if command.cached:
        yield cache_directory()
    elif command.dask is not None or command.jobs == 1:
        yield None
    else:
        with tempfile.TemporaryDirectory(prefix="naived-sweep-") as directory:
            yield Path(directory)


def _cut(command: Command, tape: Tape) -> int | None:
    if command.share is not None:
        return split.moment(tape, command.share)
    if command.share_by_tape and split.worth_splitting(tape):
        return split.moment(tape, split.DEFAULT_SHARE)
    return None


def _notes(halves: Halves) -> list[str]:
    """What the figures are of."""
    first, rest = halves
    if rest is None:
        return [f"in sample {_period(first)}; nothing is out of sample, so the best point may be luck alone"]
    return [f"in sample {_period(first)}", f"out of sample {_period(rest)}"]


def _period(tape: Tape) -> str:
    began, ended = (format_time(int(time)) for time in (tape.parts[0].times[0], tape.parts[-1].times[-1]))
    return f"{began} to {ended}, {tape.length} trades"


def _workers(command: Command, job: Job, halves: Halves) -> AbstractContextManager[Workers]:
    if command.dask is not None:
        from naived.backtest.cluster import cluster  # deferred: an extra, and a second to import

        return cluster(job, command.dask)
    jobs = min(command.jobs, command.count or command.grid.size)
    return nullcontext(Serial(halves, command.terms)) if jobs == 1 else processes(job, jobs)


@dataclass(slots=True)
class Run:
    """What is done of a sweep over so many ``trades``."""

    command: Command
    meter: Meter
    trades: int
    outcomes: dict[Point, Outcome] = field(default_factory=dict)
    settings: dict[Point, Settings] = field(default_factory=dict)
    interrupted: bool = False

    def all(self, workers: Workers) -> None:
        """Run every point that was asked for; raises SweepError."""
        grid, count = self.command.grid, self.command.count
        if count is None:
            self.some(workers, list(grid.points()))
            return
        from naived.backtest.study import search  # deferred: an extra, and a second to import

        search(grid, count, self.command.seed, lambda points: self.some(workers, points))

    def some(self, workers: Workers, points: Sequence[Point]) -> list[int | None]:
        """Run these points; returns what each earned in sample, None for one that could not be run."""
        possible: list[Point] = []
        for each in points:
            try:
                self.settings[each] = self.command.grid.settings(each)
                possible.append(each)
            except SettingsError as error:
                self.outcomes[each] = Outcome(None, None, str(error))

        def done(index: int, outcome: Outcome) -> None:
            self.outcomes[possible[index]] = outcome
            ready, total = len(self.outcomes), self.command.count or self.command.grid.size
            self.meter.tell("sweeping", ready, total, ready * self.trades)

        workers.run([self.settings[each] for each in possible], done)
        return [None if figures is None else figures.score for figures in map(self._figures, points)]

    def _figures(self, point: Point) -> Figures | None:
        return self.outcomes[point].in_sample


def _show(command: Command, halves: Halves, points: list[Ranked], run: Run, warnings: Sequence[str]) -> None:
    """Print the points; raises OutputError."""
    if command.machine:
        shown = points if command.top is None else points[: command.top]
        text = json.dumps(_document(command, halves, shown, run, warnings))
    else:
        shown = points[: command.top or _TOP]
        if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
            ranking_table.draw(command.grid, shown)
            return
        text = ranking_table.plain(command.grid, shown)
    files.write(STDOUT, lambda file: file.write(text + "\n"))


def _document(
    command: Command, halves: Halves, points: Sequence[Ranked], run: Run, warnings: Sequence[str]
) -> dict[str, Any]:
    info = command.terms.rules.info
    return {
        "v": 1,
        "symbol": info.symbol,
        "base": info.base,
        "quote": info.quote,
        "limits": documents.setting_texts(asdict(command.terms.limits)),
        "fee": format_amount(command.terms.fee),
        "latency_ms": command.terms.latency,
        "in_sample": _period_document(halves[0]),
        "out_of_sample": None if halves[1] is None else _period_document(halves[1]),
        "swept": [axis.name for axis in command.grid.axes],
        "seed": None if command.count is None else command.seed,
        "order": ranking.ORDER,
        "complete": not run.interrupted,
        "points_run": len(run.outcomes),
        "warnings": list(warnings),
        "points": [ranking.document(command.grid, each) for each in points],
    }


def _period_document(tape: Tape) -> dict[str, Any]:
    first, last = tape.parts[0], tape.parts[-1]
    return {
        "first_trade_at": format_time(int(first.times[0])),
        "last_trade_at": format_time(int(last.times[-1])),
        "trades": tape.length,
    }


def _write(command: Command, halves: Halves, points: Sequence[Ranked], sources: Sequence[Source]) -> None:
    """Write the files that were asked for; raises OutputError, and SweepError without a point to write."""
    info = command.terms.rules.info
    if command.html is not None:
        from naived.backtest.heatmap import page  # deferred: plotly takes a second to import

        title = f"naived sweep {info.symbol}: {len(points)} points"
        notes = [*_notes(halves), f"profit in {info.quote}, coins held at the end at the last price"]
        drawn = page(title, notes, command.grid, points)
        files.write(command.html, lambda file: file.write(drawn))
    if command.write is not None:
        best = ranking.best(points)
        if best is None:
            raise SweepError(
                f"no point could trade, so {command.write} was not written; {points[0].outcome.reason}"
            )
        text = toml(command.terms, command.grid, best, len(points), sources)
        files.write(command.write, lambda file: file.write(text))
