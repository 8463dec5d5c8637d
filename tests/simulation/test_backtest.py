"""A backtest decides as the real daemon does against the simulator, in lock-step on the same tape."""

import json
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import pytest
import trio
from trio.testing import MockClock

from naived.backtest.replay import replay
from naived.backtest.result import Result, Setup
from naived.backtest.run import backtest
from naived.backtest.tape import Tape
from naived.cli.replay import perform
from naived.core.amount import Price, Quantity, format_amount, parse_quantity
from naived.core.orders.report import Fill
from naived.core.price_guards import parse_fall_guard
from naived.core.strategy.settings import Settings
from naived.database.history import History, history
from naived.database.journal import open_journal
from naived.simulator.exchange import Exchange
from naived.simulator.order import Order
from naived.simulator.server import SimulatorConfig, simulate
from tests.simulation.daemon import KEY, SECRET, exchange_time, running
from tests.simulation.durable import Durable
from tests.simulation.network import Frames, Network, Wire
from tests.simulation.process import Disk, Doom, Process
from tests.support.simulator import DATA
from tests.support.tape import setup, tape, walk

_APART = 4.0  # seconds from one trade to the next: all that follows has happened, within the limit of orders
_COIN = parse_quantity("1")
Verbs: TypeAlias = dict[int, tuple[str, dict[str, object]]]
"""What a person asks for before the trade of this number."""

DRAINED: Verbs = {200: ("shutdown", {}), 260: ("start", {"chunks": 3, "profit": "0.0015"}), 400: ("stop", {})}
_RATES = ("buy_down", "profit", "rebuy", "reprice", "max_deviation", "stop_loss", "stop_slippage")


class Orderly(Network):
    """Reports of our orders arrive before the trade that filled them; nothing else happens to frames."""

    def carry(self, wire: Wire, frames: Frames, text: str, *, from_client: bool) -> None:
        frames.put(text, 0.02 if wire.target.startswith("/stream") else 0.01)


def _blame(number: int, what: str) -> None:
    raise AssertionError(f"invariant {number}: {what}")


async def _traded(
    prices: list[int], wanted: Settings, database: Path, fee: str, verbs: Verbs
) -> tuple[list[Order], list[Fill], dict[str, Any], list[int]]:
    """Let the daemon trade; orders, fills and status afterwards, and when each trade was published."""
    engines: list[Exchange] = []

    def engine(*args: Any, **kwargs: Any) -> Exchange:
        engines.append(Exchange(*args, **kwargs))
        return engines[-1]

    network = Orderly(Random(1), lambda direction, text: None)
    durable = Durable(lambda *_: [], _blame)
    config = SimulatorConfig(fed=True, fee=setup(fee=fee).fee, api_key=KEY, api_secret=SECRET)
    params = {name: format_amount(getattr(wanted, name)) for name in (*_RATES, "budget")}
    params["fall_guard"] = str(wanted.fall_guard or "none")
    times: list[int] = []
    async with open_journal(f"sqlite:///{database}", threads=False):
        pass
    async with trio.open_nursery() as nursery:
        start = partial(simulate, config, clock=exchange_time, listen=network.serve, engine=engine)
        simulation = await nursery.start(start)
        process = Process(network, Doom(set()), Disk(), Random(2), exchange_time, _blame)
        async with running(process, database, Random(3), lambda: exchange_time() / 1000, durable) as naived:
            await naived.call("start", {"symbols": ["ETHUSDT"], "chunks": wanted.chunks, **params})
            for number, price in enumerate(prices):
                if number in verbs:
                    method, given = verbs[number]
                    await naived.call(method, {"symbols": ["ETHUSDT"], **given})
                await trio.sleep(_APART)
                times.append(exchange_time())
                simulation.publish("ETHUSDT", Price(price), _COIN)
            await trio.sleep(_APART)
            (status,) = (await naived.call("status", {"symbols": ["ETHUSDT"]}))["symbols"]
        history = engines[0].ledger.history
        orders = history.orders("ETHUSDT", limit=len(prices) * 10)
        fills = history.fills("ETHUSDT", limit=len(prices) * 10)
        nursery.cancel_scope.cancel()
    return orders, fills, status, times


def _seen(fills: Sequence[Fill]) -> list[tuple[int, Price, Quantity, int, str, bool]]:
    return [(fill.order_id, fill.price, fill.quantity, fill.fee, fill.fee_asset, fill.maker) for fill in fills]


def _assert_same(prices: list[int], tmp_path: Path, fee: str, wanted: dict[str, object]) -> Result:
    proposed = setup(fee=fee, **wanted)
    # Logging, locks and time are trio's, so nothing of the run depends on this machine.
    orders, fills, status, times = trio.run(
        _traded, prices, proposed.settings, tmp_path / "journal.db", fee, {}, clock=MockClock(autojump_threshold=0)
    )
    found = backtest(tape(prices, times), proposed)
    assert _seen(found.fills) == _seen(fills)
    placed = [order for order in found.orders if order.order_id is not None]
    assert [(str(each.intent.side), each.intent.price, each.intent.quantity, each.final) for each in placed] == [
        (str(each.side), each.price, each.quantity, each.status if each.status.ended else None) for each in orders
    ]
    assert (
        len(found.cycles),
        format_amount(found.profit),
        format_amount(found.held),
        format_amount(found.held_cost),
        format_amount(found.unrealized) if status["last_price"] == format_amount(found.last_price) else None,
    ) == (
        status["cycles"],
        status["realized_profit"],
        status["held"],
        status["held_cost"],
        status["unrealized_profit"] if status["last_price"] == format_amount(found.last_price) else None,
    )
    return found


@pytest.mark.parametrize(
    ("fee", "wanted"),
    [
        ("0.001", {"rebuy": "0.001", "reprice": "0.0004", "chunks": 4}),
        ("0", {"buy_down": "0", "profit": "0.0003", "rebuy": "0.0005", "reprice": "0.0002", "chunks": 3}),
        ("0.0005", {"max_deviation": "0.0005", "rebuy": "0.0008", "chunks": 5}),
        ("0", {"fall_guard": parse_fall_guard("0.2%/2m"), "rebuy": "0.0005", "chunks": 5}),
        ("0.001", {"stop_loss": "0.004", "rebuy": "0.0008", "chunks": 4}),
    ],
)
def test_on_a_walk(tmp_path: Path, fee: str, wanted: dict[str, object]) -> None:
    prices, _ = walk(12, 700, step=200)
    assert len(_assert_same(prices, tmp_path, fee, wanted).fills) > 3


def test_on_recorded_trades(tmp_path: Path) -> None:
    path = DATA / "ETHUSDT-trades-2024-08-08.csv"
    if not path.exists():
        pytest.skip(f"no recorded trades: {path} is absent")
    rows = path.read_text().splitlines()[:1500]
    prices = [
        int(row.split(",")[1].replace(".", "")) * 10 ** (8 - len(row.split(",")[1].split(".")[1])) for row in rows
    ]
    assert _assert_same(prices, tmp_path, "0", {"rebuy": "0.0005", "reprice": "0.0002", "profit": "0.0002"}).fills


@pytest.mark.parametrize(
    ("wanted", "verbs", "fall"),
    [
        pytest.param({}, DRAINED, 3, id="drained and started"),
        pytest.param({}, {100: ("stop", {}), 200: ("start", {})}, 3, id="off for a while"),
        pytest.param(
            {},
            {
                100: ("shutdown", {"keep_buys": True}),
                130: ("start", {}),
                300: ("shutdown", {"keep_buys": True}),
                310: ("start", {}),
            },
            3,
            id="drained with its buys",
        ),
        pytest.param(
            {},
            {
                60: ("stop", {}),
                100: ("stop", {"cancel": "buys"}),
                150: ("start", {}),
                280: ("stop", {"cancel": "all"}),
                330: ("start", {}),
                400: ("stop", {}),
                450: ("start", {}),
            },
            3,
            id="orders taken back",
        ),
        pytest.param(
            {},
            {120: ("start", {"chunks": 2, "budget": "500"}), 300: ("start", {"chunks": 5, "profit": "0.002"})},
            3,
            id="other settings",
        ),
        pytest.param(
            {},
            {
                60: ("halt", {}),
                150: ("resume", {}),
                280: ("halt", {"symbols": []}),
                330: ("resume", {"symbols": []}),
            },
            3,
            id="halted",
        ),
        pytest.param(
            {"stop_loss": "0.003"},
            {each: ("resume", {}) for each in range(50, 650, 50)},
            -6,
            id="stopped at a loss",
        ),
    ],
)
def test_a_replay_that_begins_at_any_trade_differs_in_nothing(
    tmp_path: Path, wanted: dict[str, object], verbs: Verbs, fall: int
) -> None:
    """Traders had bought by then, orders rested, lots were left, sold along or sold by a trader of their own."""
    proposed, prices, times = _recorded(tmp_path, wanted, verbs, fall)
    decisions = []
    for first in range(0, len(prices), 30):
        past = history(f"sqlite:///{tmp_path}/journal.db", "ETHUSDT", times[first], times[-1])
        assert past is not None
        found = replay(tape(prices[first:], times[first:]), proposed, past)
        assert found.differences == (), first
        assert not any("certain" in warning for warning in found.warnings)
        decisions.append(found.same)
    assert decisions[0] > 20
    assert decisions == sorted(decisions, reverse=True)


def test_a_replay_says_what_was_decided_on_trades_that_the_tape_does_not_have(tmp_path: Path) -> None:
    history, of, wanted = _replayable(tmp_path)
    (part,) = of.parts
    prices, times = part.prices.tolist(), part.times.tolist()
    decided = history.orders[4].decided_at
    kept = [number for number, when in enumerate(times) if when != decided]
    lacking = tape([prices[number] for number in kept], [times[number] for number in kept])
    found = replay(lacking, wanted, history)
    assert found.differences[0].journal
    assert found.differences[0].order.decided_at == decided
    assert "the tape does not have the trades" in found.differences[0].why


def _recorded(home: Path, given: dict[str, object], verbs: Verbs, fall: int) -> tuple[Setup, list[int], list[int]]:
    """Let a daemon trade a swing of 0.3 % round a price that rises (or falls); the trades that it saw."""
    wanted = setup(fee="0.0002", **{"rebuy": "0.001", "reprice": "0.0004", "chunks": 4, **given})
    prices = [(268_380 + fall * number + int(800 * math.sin(number / 12))) * 10**6 for number in range(650)]
    *_, times = trio.run(
        _traded,
        prices,
        wanted.settings,
        home / "journal.db",
        "0.0002",
        verbs,
        clock=MockClock(autojump_threshold=0),
    )
    return wanted, prices, times


def _replayable(home: Path) -> tuple[History, Tape, Setup]:
    """A daemon's journal, and the trades that it saw."""
    wanted, prices, times = _recorded(home, {}, DRAINED, 3)
    past = history(f"sqlite:///{home}/journal.db", "ETHUSDT", times[0], times[-1])
    assert past is not None
    return past, tape(prices, times), wanted


def test_the_command_compares_a_journal_with_recorded_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, of, _ = _replayable(tmp_path)
    (part,) = of.parts
    rows = [
        f"{number},{format_amount(price)},1,{format_amount(price)},{when},True,True"
        for number, price, when in zip(part.ids.tolist(), part.prices.tolist(), part.times.tolist(), strict=True)
    ]
    path = tmp_path / "ETHUSDT-trades-2023-11-14.csv"
    flags = {"tape": [str(path)], "database": f"sqlite:///{tmp_path}/journal.db", "home": str(tmp_path)}
    environment = {"XDG_CACHE_HOME": str(tmp_path)}
    path.write_text("\n".join(rows) + "\n")
    flags["tape"].append(str(tmp_path / "ETHUSDT-gaps.csv"))  # as a shell finds it in the recorder's directory
    assert perform([], flags, environment) == 0
    assert "42 decisions are the same, 0 differ" in capsys.readouterr().out
    path.write_text("\n".join(rows[:10] + rows[60:]) + "\n")
    assert perform(["ethusdt"], {**flags, "json": True}, environment) == 1
    (symbol,) = json.loads(capsys.readouterr().out)["symbols"]
    assert symbol["differences"][0]["decided_by"] in ("journal", "backtest")
    assert "50 trades are missing" in symbol["warnings"][0]
    other = tmp_path / "BTCUSDT-trades-2023-11-14.csv"
    other.write_text("\n".join(rows) + "\n")
    assert perform([], {**flags, "tape": [str(other)]}, environment) == 2
    assert "the journal has no BTCUSDT" in capsys.readouterr().err
