"""Two daemons on one PostgreSQL and one exchange: each symbol is traded by one of them, and by one that lives."""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.harness import SYMBOL, Daemon, Exchange, until

OTHER = "BTCUSDT"
LEASE = 6.0  # seconds
OPTIONS = ("--lease", "6s", "--recv-window", "1s", "--grace", "1s")

Node = Callable[[str], Daemon]


@pytest.fixture
def node(exchange: Exchange, postgres_url: str, programs: ExitStack) -> Iterator[Node]:
    """Start the node of this name, in a home of its own."""
    homes: list[Path] = []

    def start(name: str) -> Daemon:
        homes.append(Path(tempfile.mkdtemp(prefix=f"naived-{name}-")))
        shared = ("--exchange-url", exchange.url, "--database", postgres_url, "--node", name)
        daemon = Daemon(homes[-1], *shared, *OPTIONS)
        programs.callback(daemon.end)
        daemon.start()
        return daemon

    yield start
    programs.close()
    for home in homes:
        shutil.rmtree(home, ignore_errors=True)


def nodes(daemon: Daemon) -> dict[str, tuple[str, int]]:
    """State and number of symbols of each node."""
    return {each["name"]: (each["state"], each["symbols"]) for each in daemon.do("nodes").document["nodes"]}


def of_ours(exchange: Exchange) -> list[str]:
    """The ids under which orders were accepted; one of them twice is what must not be."""
    return [order["clientOrderId"] for order in exchange.orders()]


def test_a_killed_node_loses_its_symbols_within_two_leases_and_no_order_is_placed_twice(
    node: Node, exchange: Exchange
) -> None:
    first = node("alpha")
    first.do("start", SYMBOL, OTHER)
    second = node("beta")
    assert nodes(second) == {"alpha": ("live", 2), "beta": ("live", 0)}
    exchange.trade("2000")
    exchange.trade("60000", OTHER)
    first.reaches("buying")
    first.reaches("buying", name=OTHER)
    exchange.trade("1995")
    first.reaches("selling")

    first.end(signal.SIGKILL)
    until(lambda: second.symbol()["state"] == "trading", 2 * LEASE + 10)
    until(lambda: second.symbol(OTHER)["state"] == "trading")
    assert nodes(second) == {"alpha": ("away", 0), "beta": ("live", 2)}
    second.reaches("selling")
    exchange.trade("2010")
    until(lambda: second.symbol()["cycles"] == 1)
    ids = of_ours(exchange)
    assert len(ids) == len(set(ids))


def test_a_node_that_was_paused_beyond_its_lease_lets_go_of_what_another_one_has(
    node: Node, exchange: Exchange
) -> None:
    first = node("alpha")
    first.do("start", SYMBOL)
    second = node("beta")
    exchange.trade("2000")
    first.reaches("buying")
    os.kill(first.pid, signal.SIGSTOP)
    until(lambda: second.symbol()["state"] == "trading", 2 * LEASE + 10)
    os.kill(first.pid, signal.SIGCONT)
    until(lambda: nodes(first) == {"alpha": ("live", 0), "beta": ("live", 1)})
    exchange.trade("1995")
    second.reaches("selling")
    ids = of_ours(exchange)
    assert len(ids) == len(set(ids)) == 2


def test_a_drained_node_hands_its_symbols_over_at_once(node: Node, exchange: Exchange) -> None:
    first = node("alpha")
    first.do("start", SYMBOL)
    second = node("beta")
    exchange.trade("2000")
    first.reaches("buying")
    second.do("nodes", "drain", "alpha")
    until(lambda: nodes(second) == {"alpha": ("drained", 0), "beta": ("live", 1)}, LEASE)
    second.do("wait", SYMBOL, "--for", "trading")
    second.reaches("buying")
    assert len(of_ours(exchange)) == 1
    assert second.ctl("nodes", "drain", "gamma").code == 1
