"""The live view of 1,500 symbols at 200 x 50: what the parts of a frame cost, without daemon and terminal."""

import json
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from naivectl.board import Board
from naivectl.header import Moment
from naivectl.paint import Medium, painter
from naivectl.view import View
from tests.support import screens

_SYMBOLS = 1_500
_CHANGED = 150  # symbols in one item of the stream
_SIZE = (200, 50)
_RUNS = 30


def measure() -> Iterator[str]:
    rows = [_row(number, 0) for number in range(_SYMBOLS)]
    whole = json.dumps(screens.status(*rows))
    yield f"{_timed(lambda _: json.loads(whole)):8.1f} ms to parse a whole snapshot of {len(whole) / 1e6:.1f} MB"
    yield f"{_timed(lambda _: _board(whole)):8.1f} ms to parse and take it"
    board, view, paint = _board(whole), View(), painter(Medium())

    news = [[_row(number, run) for number in range(_CHANGED)] for run in range(3)]

    def change(run: int) -> None:
        board.take({"symbols": news[run % len(news)]}, whole=False)

    def frame(run: int) -> None:
        moment = Moment(screens.NOW_SECONDS + run)
        for line in view.frame(board, moment, *_SIZE):
            paint(line)

    def both(run: int) -> None:
        change(run)
        frame(run)

    for sort in ("symbol", "today", "profit", "unrealised"):
        yield f"{_timed(frame):8.1f} ms a frame: sort by {sort}, totals, draw and paint"
        view.key("s")
    yield f"{_timed(change):8.1f} ms to take {_CHANGED} changed symbols"
    yield f"{_timed(both):8.1f} ms for both, median of {_RUNS} at {_SIZE[0]} x {_SIZE[1]} with {_SYMBOLS:,} symbols"


def _board(text: str) -> Board:
    board = Board(Medium())
    board.take(json.loads(text))
    return board


def _row(number: int, run: int) -> dict[str, Any]:
    price = 100 + (number * 37 + run * 13) % 1000 / 100
    reason = f"S{number:04}USDT-1 waits: 200 USDT are not free" if number % 50 == 0 else None
    return screens.symbol(
        f"S{number:04}USDT",
        "off" if number % 7 == 0 else "trading",
        "WBBSS",
        **{"last_price": f"{price:.2f}", "tick": "0.01", "buy": "99.5", "sell": "120.25", "reason": reason},
        **{"realized_profit": f"{number * 1.37:.8f}", "profit_today": f"{(number % 90) - 40.5:.8f}"},
        **{"unrealized_profit": f"{price - 104:.8f}", "held": "1.2345", "held_cost": "399.61", "tied_up": "400"},
    )


def _timed(work: Callable[[int], object]) -> float:
    """Milliseconds of processor time: nothing here waits, and the cores are shared."""
    seconds = []
    for run in range(_RUNS):
        began = time.process_time()
        work(run)
        seconds.append(time.process_time() - began)
    return median(seconds) * 1000
