"""``naived replay --diff``: runs recorded trades again, and shows what the journal's daemon decided otherwise."""

import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from naived.backtest.files import STDOUT, write
from naived.backtest.replay import Comparison, Difference, replay
from naived.backtest.result import Setup
from naived.backtest.rules import rules
from naived.backtest.tape import TapeError, cache_directory, load
from naived.backtest.trading import BacktestError
from naived.cli import config as configuration
from naived.cli.options import REPLAY, UsageError, gather, of_daemons
from naived.cli.parsing import parse_fee
from naived.control.protocol import format_time
from naived.core.amount import format_amount, parse_rate
from naived.core.duration import parse_duration
from naived.core.strategy.settings import Settings
from naived.database.engine import ConfigurationError
from naived.database.history import history
from naived.ports import JournalError
from naived.process import logs
from naived.process.complaint import complain
from naived.process.streams import OutputError
from naived.recorder.layout import gaps_name

_DIFFERENT, _FAILED = 1, 2  # exit codes, as diff(1) has them
_FEE = parse_rate("0.001")
_NAME = "-trades-", "-aggTrades-"


def perform(symbols: Sequence[str], flags: Mapping[str, Any], environ: Mapping[str, str]) -> int:
    """Compare each symbol; returns the exit code. Raises ConfigError.

    It is 0 if all are the same, 1 if any differs, 2 if one cannot be compared or the answer cannot be written.
    """
    options = gather(REPLAY, flags, environ)
    files = _by_symbol(options.every("tape", Path))
    wanted = [symbol.upper() for symbol in symbols] or sorted(files)
    missing = [symbol for symbol in wanted if symbol not in files]
    if missing:
        raise UsageError(f"--tape names no file of {', '.join(missing)}: a file is named SYMBOL-trades-DATE.csv")
    config = configuration.load(
        {name: flags.get(name) for name in ("config", "home", "database", "exchange")} | {"live": True},
        of_daemons(environ),
        terminal=False,
        without_keys=lambda _: None,
    )
    info, latency = options.get("exchange_info", Path, None), options.get("latency", parse_duration, 0)
    fee = options.get("fee", parse_fee, _FEE, number=True)
    found, failed = [], False
    for symbol in wanted:
        try:
            tape = load(symbol, files[symbol], cache=cache_directory())
            began, ended = int(tape.parts[0].times[0]), int(tape.parts[-1].times[-1])
            past = history(config.database, symbol, began, ended)
            if past is None:
                raise BacktestError(f"the journal has no {symbol}: it was never configured")
            found.append(replay(tape, Setup(rules(symbol, info), Settings(), fee, latency), past))
        except (TapeError, BacktestError, JournalError, ConfigurationError) as error:
            complain(logs.Redactor(config.secrets)(str(error)))
            failed = True
    for warning in (warning for each in found for warning in each.warnings):
        complain(warning)
    if flags.get("json"):
        text = json.dumps({"v": 1, "symbols": [_document(each) for each in found]}) + "\n"
    else:
        text = "\n".join(f"{_text(each)}\n" for each in found)
    try:
        write(STDOUT, lambda file: file.write(text))
    except OutputError as error:
        complain(error)
        failed = True
    if failed:
        return _FAILED
    return _DIFFERENT if any(each.differences for each in found) else 0


def _by_symbol(paths: Sequence[Path]) -> dict[str, list[Path]]:
    """The files by the symbol in their names, without the recorder's lists of gaps; raises UsageError."""
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for path in paths:
        if path.name.endswith(gaps_name("")):
            continue
        parts = [path.name.partition(name) for name in _NAME]
        symbol = next((before for before, name, _ in parts if name), None)
        if symbol is None:
            raise UsageError(f"--tape {path}: the name does not say the symbol, as SYMBOL-trades-DATE.csv does")
        found[symbol.upper()].append(path)
    if not found:
        raise UsageError("--tape FILE... is missing: what `naived record` wrote while the daemon traded")
    return found


def _document(of: Comparison) -> dict[str, Any]:
    return {
        "symbol": of.symbol,
        "from": format_time(of.began),
        "to": format_time(of.ended),
        "same": of.same,
        "warnings": list(of.warnings),
        "differences": [
            {
                "at": format_time(each.order.decided_at),
                "decided_by": "journal" if each.journal else "backtest",
                "trader": f"{of.symbol}-{each.order.intent.trader}",
                "side": str(each.order.intent.side),
                "price": format_amount(each.order.intent.price),
                "quantity": format_amount(each.order.intent.quantity),
                "client_order_id": each.order.client_order_id if each.journal else None,
                "why": each.why,
            }
            for each in of.differences
        ],
    }


def _text(of: Comparison) -> str:
    """Lines as diff(1) writes them: ``-`` is only in the journal, ``+`` only in the backtest."""
    head = (
        f"{of.symbol}, {format_time(of.began)} to {format_time(of.ended)}: {of.same} decisions are the same, "
        f"{len(of.differences)} differ"
    )
    return os.linesep.join([head, *(_line(each) for each in of.differences)])


def _line(each: Difference) -> str:
    intent = each.order.intent
    sign = "-" if each.journal else "+"
    order = f"{intent.side} {format_amount(intent.quantity)} at {format_amount(intent.price)}"
    return f"{sign} {format_time(each.order.decided_at)}  trader {intent.trader}  {order}  ({each.why})"
