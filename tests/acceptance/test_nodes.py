"""Two daemons on one PostgreSQL and one exchange: each symbol is traded by one of them, and by one that lives."""

import json
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from tests.acceptance.harness import PATIENCE, SYMBOL, Daemon, Exchange, until
from tests.support.postgres import Server, execute
from tests.support.postgres_proxy import Proxy, proxied
from tests.support.standby import Standby

OTHER = "BTCUSDT"
LEASE = 6.0  # seconds
OPTIONS = ("--lease", "6s", "--recv-window", "1s", "--grace", "1s")

Node = Callable[..., Daemon]


@pytest.fixture
def node(exchange: Exchange, postgres_url: str, programs: ExitStack) -> Iterator[Node]:
    """Start the node of this name, in a home of its own; ``by``, ``url``: its ways to database and exchange."""
    homes: list[Path] = []

    def start(name: str, *, by: Proxy | None = None, url: str = "") -> Daemon:
        homes.append(Path(tempfile.mkdtemp(prefix=f"naived-{name}-")))
        database = postgres_url if by is None else by.url(postgres_url)
        shared = ("--exchange-url", url or exchange.url, "--database", database, "--node", name)
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


def heard(daemon: Daemon, kind: str) -> object:
    """Follow the events of this node until one of this kind; its symbol."""
    asked = {"jsonrpc": "2.0", "id": 1, "method": "events", "params": {"follow": True, "limit": 100}}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(str(daemon.home / "control.sock"))
        connection.sendall(json.dumps(asked).encode() + b"\n")
        for line in connection.makefile():
            event = json.loads(line)["result"]
            if event.get("kind") == kind:
                return event["symbol"]
    return None


def taken(daemon: Daemon, name: str = SYMBOL) -> None:
    """Wait until this node trades the symbol."""

    def here() -> bool:
        symbol = daemon.symbol(name)
        return (symbol["node"], symbol["state"]) == (daemon.ask("status")["daemon"]["node"], "trading")

    until(here, 2 * LEASE + 10)


def of_ours(exchange: Exchange) -> list[str]:
    """The ids under which orders were accepted; one of them twice is what must not be."""
    return [order["clientOrderId"] for order in exchange.orders()]


def test_a_killed_node_loses_its_symbols_within_two_leases_and_no_order_is_placed_twice(
    node: Node, exchange: Exchange
) -> None:
    first = node("alpha")
    first.do("start", SYMBOL, OTHER)
    second = node("beta")
    assert sum(count for _, count in nodes(second).values()) == 2
    exchange.trade("2000")
    exchange.trade("60000", OTHER)
    until(lambda: first.does("buying") and first.does("buying", name=OTHER))
    exchange.trade("1995")
    until(lambda: first.does("selling"))

    first.end(signal.SIGKILL)
    taken(second)
    taken(second, OTHER)
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
    taken(second)
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
    taken(second)
    second.reaches("buying")
    assert len(of_ours(exchange)) == 1
    assert second.ctl("nodes", "drain", "gamma").code == 1


def test_each_node_shows_all_symbols_and_carries_out_what_another_one_is_asked(
    node: Node, exchange: Exchange
) -> None:
    first = node("alpha")
    first.do("start", SYMBOL, "--budget", "500")
    second = node("beta")

    def shown() -> bool:
        rows = second.do("status").document["symbols"]
        return [(row["node"], row["state"], row["budget"]) for row in rows] == [("alpha", "trading", "500")]

    until(shown)  # it is told a second later, and is degraded until the leases are read
    assert first.symbol()["node"] == "alpha"
    exchange.trade("2000")
    first.reaches("buying")
    until(lambda: second.does("buying"))
    assert heard(second, "placed") == SYMBOL
    assert second.ctl("is-trading", SYMBOL).code == 0
    assert "a buy rests" in second.do("explain", SYMBOL).document["buys"]["text"]
    (order,) = second.do("orders", SYMBOL).document["orders"]
    assert second.do("why", SYMBOL, order["client_order_id"]).document["order"] == order

    changed = second.do("settings", SYMBOL, "--chunks", "3").result
    assert (changed["changed"], changed["settings"]["chunks"]) == (True, 3)
    assert first.symbol()["chunks"] == 3
    assert (
        second.ctl("settings", SYMBOL, "--profit", "100").code
        == first.ctl("settings", SYMBOL, "--profit", "100").code
    )
    halted = second.do("halt", SYMBOL, "--reason", "news").result
    assert halted["changed"]
    until(lambda: exchange.open("BUY") == [])
    assert second.do("halt", SYMBOL).result["changed"] is False
    second.do("resume", SYMBOL)
    exchange.trade("2000")
    first.reaches("buying")
    stopped = second.do("stop", SYMBOL, "--cancel", "buys").result
    assert (stopped["status"], stopped["state"], stopped["open_orders"]) == ("off", "off", [])
    assert first.symbol()["state"] == "off"
    assert second.do("stop", SYMBOL).result["changed"] is False
    assert second.do("start", SYMBOL).result["state"] == "trading"
    assert first.symbol()["state"] == "trading"
    stopped = second.do("stop", "--all").document["results"]
    assert [each["symbol"] for each in stopped] == [SYMBOL]


def test_the_halt_of_the_account_holds_on_every_node(node: Node, exchange: Exchange) -> None:
    first = node("alpha")
    first.do("start", SYMBOL)
    second = node("beta")
    second.do("halt", "--reason", "night")
    exchange.trade("2000")
    until(lambda: first.ask("status")["daemon"]["halt"] is not None)
    exchange.trade("1999")
    assert exchange.orders() == []
    first.do("resume")
    until(lambda: second.ask("status")["daemon"]["halt"] is None)

    def buys() -> bool:
        exchange.trade("2000")  # a trader whose buy was refused for the halt pauses before its next one
        return first.does("buying")

    until(buys)


def test_what_is_asked_while_the_owner_is_dead_is_done_by_the_next_one(node: Node, exchange: Exchange) -> None:
    first = node("alpha")
    first.do("start", SYMBOL)
    second = node("beta")
    exchange.trade("2000")
    until(lambda: second.symbol()["state"] == "trading" and first.does("buying"))
    until(lambda: [each["state"] for each in first.ask("orders", symbols=[SYMBOL])["orders"]] == ["open"])
    first.end(signal.SIGKILL)
    asked = second.ctl("stop", SYMBOL, "--timeout", "1s")
    assert asked.code == 124
    assert (asked.result["status"], asked.result["changed"]) == ("on", False)
    assert [(each["side"], each["state"]) for each in asked.result["open_orders"]] == [("buy", "open")]
    until(lambda: second.symbol()["node"] == "beta", 2 * LEASE + 10)
    until(lambda: second.symbol()["status"] == "off")


def test_symbols_spread_over_the_nodes_a_few_at_a_time(node: Node, exchange: Exchange) -> None:
    first = node("alpha")
    names = ("ETHUSDT", "BTCUSDT", "SOLUSDT", "XRPUSDT")
    first.do("start", *names)
    second = node("beta")
    until(lambda: nodes(second) == {"alpha": ("live", 2), "beta": ("live", 2)})
    until(lambda: all(row["state"] == "trading" for row in first.ask("status")["symbols"]))
    owners = [row["node"] for row in first.ask("status")["symbols"]]
    assert sorted(owners) == ["alpha", "alpha", "beta", "beta"]
    assert [row["node"] for row in second.ask("status")["symbols"]] == owners


def test_of_two_requests_the_later_one_has_the_last_word(node: Node, exchange: Exchange) -> None:
    first = node("alpha")
    first.do("start", SYMBOL)
    second = node("beta")
    until(lambda: [row["symbol"] for row in second.ask("status")["symbols"]] == [SYMBOL])
    first.end(signal.SIGKILL)
    assert second.ctl("stop", SYMBOL, "--timeout", "1s").code == 124
    assert second.ctl("start", SYMBOL, "--timeout", "1s").code in (0, 124)  # the takeover may come first
    assert second.do("stop", SYMBOL, "--timeout", "40s").result["status"] == "off"
    assert second.do("settings", SYMBOL, "--chunks", "3").result["status"] == "off"
    assert second.symbol()["node"] == "beta"
    assert second.do("start", SYMBOL).result["status"] == "on"
    assert (second.symbol()["status"], second.symbol()["chunks"]) == ("on", 3)
    taken(second)


def test_after_a_failover_nothing_is_placed_before_every_symbol_is_compared(
    node: Node, exchange: Exchange, postgres_url: str
) -> None:
    """As if the server had been another one before: that is what a promoted standby looks like."""
    first = node("alpha")
    first.do("start", SYMBOL, OTHER)
    second = node("beta")
    exchange.trade("2000")
    until(lambda: second.symbol()["traders"] and first.does("buying"))
    execute(postgres_url, "UPDATE deployment SET server = 'another/00000001'")
    until(lambda: "the database was replaced" in (first.symbol()["reason"] or ""))
    placed = len(exchange.orders())
    exchange.trade("1995")
    exchange.trade("60000", OTHER)
    until(lambda: first.symbol()["state"] == first.symbol(OTHER)["state"] == "trading")
    until(lambda: first.does("selling"))
    assert placed == 1
    ids = of_ours(exchange)
    assert len(ids) == len(set(ids))


LOST = ("DELETE FROM fills", "DELETE FROM orders", "DELETE FROM traders")
REPLACED = "UPDATE deployment SET server = 'another/00000001'"


def test_orders_whose_rows_a_failover_lost_are_found_and_go_on(
    node: Node, exchange: Exchange, postgres_url: str
) -> None:
    first = node("alpha")
    first.do("start", SYMBOL, OTHER, "--chunks", "1")
    exchange.trade("2000")
    first.reaches("buying")
    exchange.trade("1995")
    first.reaches("selling")
    assert first.suspend() == 0
    execute(postgres_url, *LOST, REPLACED)
    first.launch()
    until(lambda: first.state is not None and first.symbol()["state"] == "trading")
    assert first.does("selling")
    told = [event["message"] for event in first.do("events").document["events"] if event["kind"] == "recovered"]
    assert [("buy" in message, "sell" in message) for message in told] == [(True, False), (False, True)]
    exchange.trade("1990")
    exchange.trade("2010")
    until(lambda: len(first.do("trades").document["trades"]) == 1)
    assert float(first.symbol()["realized_profit"]) > 0
    ids = of_ours(exchange)
    assert len(ids) == len(set(ids)) == 2


def test_a_symbol_of_which_all_is_lost_and_no_order_is_open_is_found(
    node: Node, exchange: Exchange, postgres_url: str
) -> None:
    first = node("alpha")
    first.do("start", OTHER)
    first.do("start", SYMBOL, "--chunks", "1")
    exchange.trade("2000")
    first.reaches("buying")
    first.do("shutdown", SYMBOL, "--keep-buys", "--no-wait")
    exchange.trade("1995")
    first.reaches("selling")
    exchange.trade("2010")
    until(lambda: first.symbol()["state"] == "off")
    earned = first.symbol()["realized_profit"]
    assert exchange.open("BUY") == exchange.open("SELL") == []
    of_symbol = f"WHERE symbol = '{SYMBOL}'"
    rows = ("fills", "orders", "traders", "lots", "leases", "settings")
    execute(postgres_url, *(f"DELETE FROM {table} {of_symbol}" for table in rows), REPLACED)
    until(lambda: len(first.do("trades", SYMBOL).document["trades"]) == 1)
    assert float(earned) > 0
    assert first.symbol()["realized_profit"] == earned
    until(lambda: first.symbol(OTHER)["state"] == "trading")


def test_a_lost_sell_of_the_stop_loss_is_found_and_halts_its_symbol_again(
    node: Node, exchange: Exchange, postgres_url: str
) -> None:
    first = node("alpha")
    first.do("start", SYMBOL, OTHER, "--chunks", "1", "--stop-loss", "1%")
    exchange.trade("2000")
    first.reaches("buying")
    exchange.trade("1995")
    first.reaches("selling")
    exchange.trade("1970")
    until(lambda: first.symbol()["cycles"] == 1)
    lost = first.symbol()["realized_profit"]
    placed = len(exchange.orders())
    assert first.suspend() == 0
    nothing_made = "UPDATE settings SET realized_profit = 0, cycles = 0"
    execute(postgres_url, *LOST, "DELETE FROM halts", nothing_made, REPLACED)
    first.launch()
    until(lambda: first.state is not None and first.symbol(OTHER)["state"] == "trading")
    found = first.symbol()
    assert "the stop-loss of ETHUSDT-2" in (found["reason"] or "")
    assert (found["realized_profit"], found["traders"]) == (lost, [])
    exchange.trade("1990")
    assert len(exchange.orders()) == placed
    first.do("resume", SYMBOL)
    until(lambda: first.symbol()["reason"] is None)


@pytest.mark.parametrize("told", [True, False], ids=["connections end", "bytes vanish"])
def test_a_node_that_is_cut_from_the_database_loses_its_symbols_and_says_nothing_that_is_not_so(
    node: Node, exchange: Exchange, postgres_server: Server, programs: ExitStack, told: bool
) -> None:
    way = programs.enter_context(proxied(postgres_server.admin))
    first = node("alpha", by=way)
    first.do("start", SYMBOL, "--chunks", "1")
    second = node("beta")
    second.do("start", OTHER)
    until(lambda: first.symbol(OTHER)["state"] == "trading")
    exchange.trade("2000")
    first.reaches("buying")
    exchange.trade("1995")
    first.reaches("selling")
    began = time.monotonic()
    way.refuse() if told else way.swallow()
    until(lambda: nodes(second).get("beta") == ("live", 2), 2 * LEASE + 5)
    assert time.monotonic() - began < 2 * LEASE + 5
    taken(second)

    said = first.symbol()
    assert said["state"] == "degraded"
    assert first.ctl("is-trading", SYMBOL).code == 3
    until(lambda: first.symbol(OTHER)["state"] == "degraded")
    theirs = first.symbol(OTHER)
    assert "the database does not answer here: node beta was last heard at" in theirs["reason"]
    assert theirs["next_step"] == "naivectl nodes"
    assert "not known" in first.symbol("SOLUSDT")["reason"]
    for words in (("stop", SYMBOL, "--timeout", "1s"), ("halt", SYMBOL)):
        assert first.ctl(*words).code in (75, 124)
    exchange.trade("2010")
    until(lambda: second.symbol()["cycles"] == 1)
    exchange.trade("2000")
    second.reaches("buying")
    assert len(of_ours(exchange)) == len(set(of_ours(exchange))) == 3

    way.heal()
    until(lambda: nodes(first)["alpha"][0] == "live")
    until(lambda: (first.symbol()["node"], first.symbol()["cycles"]) == ("beta", 1))
    assert (second.symbol()["status"], second.symbol()["state"], second.symbol()["halt"]) == ("on", "trading", None)
    assert first.do("stop", SYMBOL, "--cancel", "all").result["status"] == "off"
    assert second.symbol()["status"] == "off"
    assert len(of_ours(exchange)) == len(set(of_ours(exchange))) == 3


def test_a_node_that_is_cut_from_the_exchange_keeps_its_symbols_says_so_and_can_be_drained(
    node: Node, exchange: Exchange, programs: ExitStack
) -> None:
    way = programs.enter_context(proxied(make_url(exchange.url.replace("ws:", "postgresql:"))))
    first = node("alpha", url=way.url("ws://exchange").removesuffix("/"))
    first.do("start", SYMBOL, "--chunks", "1")
    second = node("beta")
    exchange.trade("2000")
    first.reaches("buying")
    way.refuse()
    until(lambda: first.symbol()["state"] == "degraded")
    assert "the exchange is away" in first.symbol()["reason"]
    exchange.trade("1995")
    until(lambda: second.symbol()["state"] == "degraded")
    assert nodes(second) == {"alpha": ("live", 1), "beta": ("live", 0)}
    assert second.do("nodes", "drain", "alpha").code == 0
    taken(second)
    second.reaches("selling")
    assert len(of_ours(exchange)) == len(set(of_ours(exchange))) == 2
    until(lambda: first.ctl("is-trading", SYMBOL).code == 0)  # as the other node says


def test_nodes_live_through_a_failover_that_lost_the_last_commits(
    node: Node, exchange: Exchange, postgres_server: Server, standby: Standby, programs: ExitStack
) -> None:
    """A fill, a sell that was filled as well, the buy behind it, and a symbol's very first commit are lost."""
    way = programs.enter_context(proxied(postgres_server.admin))
    first = node("alpha", by=way)
    first.do("start", SYMBOL, "--chunks", "1")
    exchange.trade("2000")
    first.reaches("buying")
    standby.stop()
    exchange.trade("1995")
    first.reaches("selling")
    exchange.trade("2020")
    until(lambda: first.symbol()["cycles"] == 1)
    exchange.trade("2000")
    first.reaches("buying")
    first.do("start", OTHER)
    exchange.trade("60000", OTHER)
    until(lambda: first.does("buying", name=OTHER))
    before = first.symbol()

    postgres_server.kill(signal.SIGKILL)
    programs.callback(postgres_server.revive)
    standby.start()
    standby.promote()
    way.lead_to(standby.admin)
    until(lambda: "the database was replaced" in (first.symbol()["reason"] or ""), 30)
    until(lambda: first.symbol()["state"] == "trading", 30)
    after = first.symbol()
    assert after["realized_profit"] == before["realized_profit"]
    assert [trader["buy"]["order_id"] for trader in after["traders"]] == [
        trader["buy"]["order_id"] for trader in before["traders"]
    ]
    assert len(exchange.orders()) == 4
    lost = first.symbol(OTHER)
    assert (lost["status"], lost["state"]) == ("off", "off")
    assert [trader["phase"] for trader in lost["traders"]] == ["buying"]
    exchange.trade("1990")
    first.reaches("selling")
    ids = of_ours(exchange)
    assert len(ids) == len(set(ids)) == 5
    assert first.suspend() == 0
