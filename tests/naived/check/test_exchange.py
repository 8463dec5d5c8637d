import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from naived.binance.clock import ServerClock
from naived.check.examine import examine
from naived.check.exchange import _clock, exchange
from naived.check.journal import journal
from naived.check.rows import Row, Status
from naived.core.amount import parse_price, parse_quantity
from naived.database.inspection import inspect
from naived.process.config import ApiKeys, Secret, Venue
from naived.websocket import connect
from tests.support.daemon import configured, naived, until
from tests.support.simulator import api, limit, running, signed


def by_name(rows: list[Row]) -> dict[str, Row]:
    assert len({row.name for row in rows}) == len(rows)
    return {row.name: row for row in rows}


def statuses(rows: list[Row]) -> dict[str, str]:
    return {row.name: str(row.status) for row in rows}


async def test_a_daemon_on_the_simulator_is_seen_whole_and_is_not_disturbed(tmp_path: Path) -> None:
    async with naived(configured(tmp_path)) as running_naived:
        await running_naived.ready()
        assert (await running_naived.do("start"))["error"] is None
        await until(running_naived.orders)
        rows = by_name(await examine(running_naived.config, None))
        assert {row.name for row in rows.values() if row.status is Status.FAILED} == set()
        for name in ("exchange", "clock", "key", "may trade", "symbols", "orders", "database", "schema"):
            assert rows[name].status is Status.OK, rows[name]
        assert "that of the database" in rows["key"].found
        assert (await running_naived.state())["state"] == "ready"


async def test_an_order_with_our_tag_that_the_journal_does_not_know_is_found(tmp_path: Path) -> None:
    async with running() as simulation, api(simulation) as client:
        config = configured(tmp_path, exchange_url=simulation.url)
        async with naived(config) as running_naived:
            await running_naived.ready()
        found = inspect(config.database, "simulator")
        assert found is not None
        simulation.publish("ETHUSDT", parse_price("2700"), parse_quantity("1"))
        await client.get("order.place", **limit("BUY", "2600.00", "0.1", newClientOrderId=f"n1{found.tag}-stray"))
        rows = by_name(await exchange(config, None, found, connect))
        assert rows["orders"].status is Status.FAILED
        assert f"ETHUSDT n1{found.tag}-stray" in rows["orders"].found
        moved = by_name(await exchange(config, None, replace(found, replaced=True), connect))["orders"]
        assert (moved.status, moved.todo.partition(":")[0]) == (Status.WARNED, "leave them")
        assert f"ETHUSDT n1{found.tag}-stray; the database is on another server" in moved.found
        for unread in (None, replace(found, version="0001", tag=None, records=())):
            rows = by_name(await exchange(config, None, unread, connect))
            assert {rows[name].found.partition(", ")[2] for name in ("symbols", "orders")} == {"which was not read"}
        others = by_name(await exchange(config, None, replace(found, tag="zzzz"), connect))
        assert (others["orders"].status, f"1 with tag {found.tag}" in others["orders"].found) == (
            Status.WARNED,
            True,
        )


async def test_an_order_that_ends_while_it_is_looked_for_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running() as simulation, api(simulation) as client:
        config = configured(tmp_path, exchange_url=simulation.url)
        async with naived(config) as running_naived:
            await running_naived.ready()
        found = inspect(config.database, "simulator")
        assert found is not None
        simulation.publish("ETHUSDT", parse_price("2700"), parse_quantity("1"))
        order_id = f"n1{found.tag}-brief"
        await client.get("order.place", **limit("BUY", "2600.00", "0.1", newClientOrderId=order_id))

        async def ends(_config: object, client_order_ids: list[str]) -> set[str]:
            await client.get("order.cancel", **signed(symbol="ETHUSDT", origClientOrderId=order_id))
            return set(client_order_ids)

        monkeypatch.setattr("naived.check.exchange.strays", ends)
        rows = by_name(await exchange(config, None, found, connect))
        assert rows["orders"].status is Status.OK


async def test_symbols_that_cannot_be_traded_as_they_are_set_are_named(tmp_path: Path) -> None:
    async with running() as simulation, api(simulation) as client:
        config = configured(tmp_path, exchange_url=simulation.url)
        simulation.publish("ETHUSDT", parse_price("2700"), parse_quantity("1"))
        simulation.publish("BTCUSDT", parse_price("70000"), parse_quantity("1"))
        async with naived(config) as running_naived:
            await running_naived.ready()
            for symbol in ("ETHUSDT", "BTCUSDT"):
                assert (await running_naived.do("start", symbol, budget="100"))["error"] is None
        await client.get("sim.rules", symbol="ETHUSDT", minNotional="500")
        await client.get("sim.rules", symbol="BTCUSDT", status="BREAK")
        _, found = await journal(config)
        rows = by_name(await exchange(config, None, found, connect))
        assert rows["symbol ETHUSDT"].status is Status.FAILED
        assert "the least budget for 5 chunks" in rows["symbol ETHUSDT"].todo
        assert rows["symbol BTCUSDT"].found == "its market is closed: BREAK"
        assert rows["symbols"].found == "0 of 2 that are on are known to be tradable with their settings"


async def test_a_key_that_is_refused_is_said_and_what_needs_none_is_asked_all_the_same(tmp_path: Path) -> None:
    async with running() as simulation:
        pass
    config = configured(tmp_path, exchange_url=simulation.url)
    assert statuses(await exchange(config, None, None, connect))["exchange"] == "failed"
    async with running(api_key="another", api_secret="s") as simulation:
        config = configured(tmp_path, exchange_url=simulation.url)
        rows = by_name(await exchange(config, None, None, connect))
        assert (rows["exchange"].status, rows["clock"].status) == (Status.OK, Status.OK)
        assert rows["key"].status is Status.FAILED
        assert rows["may trade"].found == rows["may withdraw"].found == "the key is not accepted"
        assert rows["symbols"].status is Status.SKIPPED


@pytest.mark.parametrize(("code", "found"), [(-1003, "not judged"), (-1021, "not judged"), (-2014, "not accepted")])
async def test_the_key_is_blamed_only_where_it_is_refused(tmp_path: Path, code: int, found: str) -> None:
    async with running() as simulation, api(simulation) as client:
        config = configured(tmp_path, exchange_url=simulation.url)
        async with naived(config) as running_naived:
            await running_naived.ready()
            assert (await running_naived.do("start"))["error"] is None
        _, stored = await journal(config)
        for method in ("account.status", "account.commission"):
            await client.get("sim.fault", kind="error", method=method, code=code, count=9)
        rows = by_name(await exchange(config, None, stored, connect))
        assert rows["key"].status is Status.FAILED
        assert rows["key"].found.startswith(f"{found}: account.status: ")
        assert rows["symbol ETHUSDT"].found.startswith("not judged: account.status: ")


async def test_without_a_daemon_its_simulator_cannot_be_asked(tmp_path: Path) -> None:
    rows = await exchange(configured(tmp_path), None, None, connect)
    assert {row.status for row in rows} == {Status.SKIPPED}


async def test_the_source_of_prices_of_paper_is_asked_without_a_key(tmp_path: Path) -> None:
    async with running() as simulation:
        config = configured(tmp_path, exchange="paper", exchange_url=simulation.url)
        found = statuses(await exchange(config, None, None, connect))
        assert (found["prices"], found["clock"], found["exchange"]) == ("ok", "ok", "skipped")
    assert statuses(await exchange(config, None, None, connect))["prices"] == "failed"


def test_a_clock_that_is_wrong_is_told_with_its_side() -> None:
    for offset, side in ((5_000, "behind"), (-5_000, "ahead of")):
        clock = ServerClock(monotonic=lambda: 100.0, wall=lambda: 1_700_000_000.0)
        clock.received(1_700_000_000_000 + offset, 99.99)
        row = _clock(clock)
        assert row.status is Status.WARNED
        assert side in row.found


async def test_a_secret_that_is_no_key_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    secret = Secret("-----BEGIN PRIVATE KEY-----\nnot one\n-----END PRIVATE KEY-----")
    keys = ApiKeys(Secret("key"), secret)
    config = replace(configured(tmp_path), exchange=Venue.TESTNET, api_keys=keys)
    [row] = await exchange(config, None, None, connect)
    assert row.unusable


@pytest.mark.parametrize("bad", [b"x" * 2000, b"short"])
async def test_a_damaged_database_is_told_and_left_alone(tmp_path: Path, bad: bytes) -> None:
    (tmp_path / "simulator.db").write_bytes(bad)
    rows = by_name(await examine(configured(tmp_path), None))
    assert rows["database"].unusable
    assert rows["schema"].status is Status.SKIPPED
    assert (tmp_path / "simulator.db").read_bytes() == bad


async def test_a_database_whose_indexes_are_not_those_of_its_tables_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(tmp_path)
    async with naived(config) as running_naived:
        await running_naived.ready()
    rows, _ = await journal(config)
    assert (rows[0].status, rows[0].found.partition(" ms")[2]) == (Status.OK, ", and is whole")
    path = tmp_path / "simulator.db"
    with closing(sqlite3.connect(path)) as database:  # as what is left of two files that were mixed
        database.execute("PRAGMA writable_schema = ON")
        index = database.execute("SELECT * FROM sqlite_master WHERE name = 'waiting_requests'").fetchone()
        database.execute("DELETE FROM sqlite_master WHERE name = 'waiting_requests'")
        database.commit()
    with closing(sqlite3.connect(path)) as database:
        database.execute("INSERT INTO requests VALUES ('a', 'b', 'c', 'd', 'e', 0, '', NULL, NULL)")
        database.execute("PRAGMA writable_schema = ON")
        database.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", index)
        database.commit()
    rows, _ = await journal(config)
    assert (rows[0].status, rows[0].unusable) == (Status.FAILED, False)
    assert "is damaged, or no database: row 1 missing from index" in rows[0].found
    assert rows[0].todo.startswith("Keep a copy of it, then put a backup in its place")
    monkeypatch.setattr("naived.check.journal._WHOLE", 0)
    monkeypatch.setattr("naived.database.sqlite_file._STEPS", 1)
    rows, _ = await journal(config)
    assert rows[0].found.endswith("; too large to look at all of it in 0 s")


@pytest.mark.parametrize(("mode", "status"), [(0o400, Status.FAILED), (0o444, Status.OK)])
async def test_a_database_that_we_may_not_write_to_is_told_unless_a_start_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, status: Status
) -> None:
    config = configured(tmp_path)
    async with naived(config) as running_naived:
        await running_naived.ready()
    (tmp_path / "simulator.db").chmod(mode)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write to any file
    rows, found = await journal(config)
    assert (rows[0].name, rows[0].status, rows[0].unusable) == ("database", status, status is Status.FAILED)
    assert found is not None
