"""``naived record``: reads its options, and records public trades until a signal ends it."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import structlog
import trio

from naived.binance.border import name
from naived.cli.options import RECORD, RUN, UsageError, gather
from naived.cli.values import absolute_path, log_format, log_level, simulator_url, venue
from naived.process import log_stream, logs
from naived.process.complaint import complain
from naived.process.config import ConfigError, Venue
from naived.process.lock import followed
from naived.process.opening import SUSPENDING, raise_file_limit
from naived.recorder.run import LOCK, TAKEN, RecordConfig, run
from naived.recorder.status import StatusLine

_CRASHED = 1  # exit code


def load(
    symbols: Sequence[str],
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    *,
    terminal: bool,
    again: bool = False,
) -> RecordConfig:
    """Read the options; ``terminal``: is the log written to one? ``again``: see ``gather``. Raises ConfigError."""
    # The file may be that of a daemon, whose exchange is recorded.
    options = gather(RECORD, flags, environ, RUN, again=again)
    exchange = options.get("exchange", venue, Venue.SIMULATOR)
    exchange_url = options.get("exchange_url", simulator_url, None)
    if exchange_url is not None and not exchange.simulated:
        raise ConfigError(f"exchange-url is only for simulator and paper: the address of {exchange} is built in")
    if exchange_url is None and exchange is Venue.SIMULATOR:
        raise ConfigError(
            "the exchange simulator is recorded where it runs: name its address with --exchange-url, "
            "or choose another one, such as --exchange paper for Binance's public trades"
        )
    to = options.get("to", absolute_path, None)
    if to is None:
        raise UsageError("--to: name the directory to record into")
    return RecordConfig(
        symbols=_names(symbols),
        to=to,
        exchange=exchange,
        exchange_url=exchange_url,
        log_format=options.get("log_format", log_format, "console" if terminal else "json"),
        log_level=options.get("log_level", log_level, "info"),
    )


def perform(symbols: Sequence[str], flags: Mapping[str, object]) -> int:
    """Record what these symbols and flags say; the exit code."""

    def read(*, again: bool) -> RecordConfig:
        return load(symbols, flags, os.environ, terminal=sys.stderr.isatty(), again=again)

    # Asked now: a terminal that was closed is none any more.
    reread = None if os.isatty(0) else partial(read, again=True)
    # Until the recording receives them.
    signal.pthread_sigmask(signal.SIG_BLOCK, SUSPENDING)
    try:
        config = read(again=False)
        _prepare(config.to)
        with followed(config.to, LOCK, TAKEN) as follow:
            shown = _status_line(config)
            logs.configure(config.log_format, config.log_level, stream=shown)
            raise_file_limit()
            try:
                return trio.run(partial(run, config, reread=reread, shown=shown, follow=follow))
            except ConfigError:
                raise
            except Exception:
                crash = structlog.get_logger("naived").critical
                crash("naived record crashed: the next start goes on where the files end", exc_info=True)
                return _CRASHED
    except ConfigError as error:
        complain(error)
        return error.exit_code
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SUSPENDING)


def _names(texts: Sequence[str]) -> tuple[str, ...]:
    symbols: dict[str, None] = {}
    for text in texts:
        try:
            symbol = name(text.upper())
        except ValueError as error:
            raise UsageError(f"{error} of a symbol") from error
        if symbol in symbols:
            raise UsageError(f"{symbol} is named twice")
        symbols[symbol] = None
    return tuple(symbols)


def _prepare(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the directory {directory}: {error.strerror}") from error


def _status_line(config: RecordConfig) -> StatusLine | None:
    able = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    return StatusLine(log_stream.standard()) if able and config.log_format == "console" else None
