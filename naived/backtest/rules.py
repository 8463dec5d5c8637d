"""The rules of a symbol for a backtest, from an ``exchangeInfo`` file or the simulator's own list."""

import difflib
from pathlib import Path

import msgspec

from naived.backtest.result import Rules
from naived.backtest.trading import BacktestError
from naived.binance.mapping import SymbolRow, symbol_of
from naived.simulator import symbols
from naived.simulator.errors import SimulatorError


def rules(symbol: str, source: Path | None) -> Rules:
    """What ``source`` says of the symbol, or without one what the simulator does; raises BacktestError."""
    try:
        listings, _ = symbols.load(source)
    except SimulatorError as error:
        raise BacktestError(str(error)) from error
    listing = listings.get(symbol)
    if listing is None:
        where = "the simulator does not list" if source is None else f"{source} does not list"
        near = difflib.get_close_matches(symbol, listings, n=1)
        hint = "give the exchange's rules with --exchange-info FILE (the answer to exchangeInfo)"
        raise BacktestError(f"{where} {symbol}" + (f"; did you mean {near[0]}?" if near else f": {hint}"))
    try:
        info = symbol_of(msgspec.json.decode(msgspec.json.encode(listing.row), type=SymbolRow), lambda _: None)
    except ValueError as error:
        raise BacktestError(f"the rules of {symbol} in {source} cannot be read: {error}") from error
    if not info.trading:
        raise BacktestError(f"{symbol} is not traded: its status in {source} is {info.status}")
    return Rules(info, listing.names, listing.average_minutes)
