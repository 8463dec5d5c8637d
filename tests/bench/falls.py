"""What each guard and each limit of losses costs and saves: walks that end 10, 25 and 50 % lower, and that do not.

Each alone, the other settings at their defaults, a budget of 1,000 and a fee of 0.1 %; sums over all walks.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from naived.backtest.run import backtest
from naived.backtest.tape import Tape
from naived.core.amount import parse_money
from naived.core.price_guards import parse_fall_guard
from naived.core.risk import Limits
from tests.bench.spacing import FIRST, Total, falling, whole
from tests.support.tape import setup

_FALLS = (-10, -25, -50)
_SEEDS = range(3)  # walks of each fall, and as many that end where they began

_GUARDS: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "spacing 0.003": {"spacing": "0.003"},
    "floor 10 % below the first price": {"floor": FIRST * 9 // 10},
    "fall-guard 1%/1h": {"fall_guard": parse_fall_guard("1%/1h")},
    "fall-guard 2%/1h": {"fall_guard": parse_fall_guard("2%/1h")},
    "fall-guard 5%/4h": {"fall_guard": parse_fall_guard("5%/4h")},
    "stop-loss 5%": {"stop_loss": "0.05"},
    "stop-loss 10%": {"stop_loss": "0.1"},
    "stop-loss 20%": {"stop_loss": "0.2"},
    **{
        f"max-daily-loss {loss}": {"limits": Limits(max_daily_loss=parse_money(loss))} for loss in ("3", "10", "30")
    },
    **{f"max-drawdown {loss}": {"limits": Limits(max_drawdown=parse_money(loss))} for loss in ("3", "10", "30")},
}


def measure() -> Iterator[str]:
    down = [falling(seed, fall) for fall in _FALLS for seed in _SEEDS]
    level = [falling(seed, 0) for seed in _SEEDS]
    for name, given in _GUARDS.items():
        yield f"{name}: falling {_told(down, given)}; level {_told(level, given)}"


def _told(tapes: list[Tape], given: Mapping[str, Any]) -> str:
    total = Total()
    for each in tapes:
        total.add(backtest(each, setup(**given)))
    result, profit = whole(total.profit + total.unrealized), whole(total.profit)
    return f"{result} in all (profit {profit}, {total.cycles} cycles), most tied up {whole(total.tied_up)}"
