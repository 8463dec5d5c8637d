"""What `naivectl --json` really prints has the form that `naivectl schema` tells, whatever the situation."""

import copy
import json
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.acceptance.harness import PATIENCE, SYMBOL, Daemon, Exchange, Finished, environment, until
from tests.support import forks


class Schemas:
    """The schemas as a user gets them, and what was held against them."""

    def __init__(self) -> None:
        self._validators: dict[str, Draft202012Validator] = {}
        self.seen: dict[str, list[Any]] = {}

    def of(self, name: str) -> Draft202012Validator:
        if name not in self._validators:
            done = forks.run("naivectl", "schema", name, timeout=PATIENCE, env=environment())
            assert done.returncode == 0, done.stderr
            schema = json.loads(done.stdout)
            Draft202012Validator.check_schema(schema)
            self._validators[name] = Draft202012Validator(schema)
        return self._validators[name]

    def hold(self, name: str, document: Any) -> Any:
        wrong = [f"{error.json_path}: {error.message}" for error in self.of(name).iter_errors(document)]
        assert not wrong, (name, wrong, document)
        self.seen.setdefault(name, []).append(document)
        return document


class Walk:
    """Verbs for one daemon; each document is held against its schema."""

    def __init__(self, daemon: Daemon, schemas: Schemas) -> None:
        self.daemon, self.schemas = daemon, schemas

    def ask(self, verb: str, *words: str, code: int = 0) -> Finished:
        done = self.daemon.ctl(verb, *words)
        assert done.code == code, (verb, words, done.code, done.out, done.err)
        is_error = "error" in done.document and "results" not in done.document
        self.schemas.hold("error" if is_error else verb, done.document)
        return done

    def look(self) -> None:
        """Everything that only shows."""
        for verb, *words in (
            *(("status",), ("status", SYMBOL), ("status", "BTCUSDT"), ("settings",), ("settings", SYMBOL)),
            *(("orders",), ("trades",), ("events",), ("events", SYMBOL, "--limit", "2"), ("explain", SYMBOL)),
            *(("version",), ("ping",), ("metrics",)),
        ):
            self.ask(verb, *words)
        for order in self.daemon.orders():
            self.ask("why", SYMBOL, order["client_order_id"].partition("-")[2])

    def follow(self, name: str, *words: str, news: Callable[[], object]) -> None:
        """The first document of a stream, and the one that ``news`` causes."""
        process = forks.start(
            *("naivectl", "--jsonl", "--home", str(self.daemon.home), *words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
        )
        watchdog = Timer(PATIENCE, process.kill)
        watchdog.start()
        try:
            assert process.stdout is not None
            self.schemas.hold(name, json.loads(process.stdout.readline()))
            news()
            self.schemas.hold(name, json.loads(process.stdout.readline()))
        finally:
            watchdog.cancel()
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture
def walk(daemon: Daemon) -> Walk:
    return Walk(daemon, Schemas())


def test_every_document_has_the_form_of_its_schema_and_a_spoiled_one_has_not(
    walk: Walk, daemon: Daemon, exchange: Exchange
) -> None:
    _never_configured(walk)
    exchange.trade("2000")
    walk.ask("start", SYMBOL, "--budget", "1", code=1)
    walk.ask("start", SYMBOL, "--chunks", "2", "--dry-run")
    walk.ask("start", SYMBOL, "--chunks", "2")
    walk.look()
    exchange.trade("2000")
    daemon.reaches("buying")
    walk.look()
    exchange.trade("1987")
    daemon.reaches("selling", "buying")
    walk.look()
    walk.follow("status-live", "status", "--live", news=lambda: exchange.trade("1988"))
    walk.follow("events-follow", "events", "--follow", "--limit", "1", news=lambda: exchange.trade("2010"))
    until(lambda: daemon.symbol()["cycles"] == 1)
    walk.look()
    _guarded(walk)
    _held_by_hand(walk, exchange)
    _quarantined(walk, exchange)
    walk.ask("stop", SYMBOL, "--cancel", "all")
    walk.ask("wait", SYMBOL, "--for", "off")
    walk.ask("wait", SYMBOL, "--for", "drained", code=1)
    walk.ask("shutdown", SYMBOL)
    walk.ask("wait", SYMBOL, "--for", "trading", "--timeout", "100ms", code=124)
    exchange.end()
    until(lambda: daemon.state == "degraded")
    walk.look()
    walk.ask("start", "SOLUSDT", "--timeout", "1s", code=75)
    daemon.suspend()
    walk.ask("status", code=7)
    _spoiled(walk.schemas)


def test_fees_and_coins_too_few_to_sell_have_their_form_too(
    simulate: Callable[..., Exchange], naived: Callable[..., Daemon]
) -> None:
    exchange = simulate()
    daemon = naived("--exchange-url", exchange.url)
    daemon.start()
    walk = Walk(daemon, Schemas())
    exchange.trade("2000")
    walk.ask("start", SYMBOL, "--chunks", "1", "--rebuy", "90%", "--budget", "100")
    exchange.trade("2000")
    daemon.reaches("buying")
    exchange.trade("1999")
    daemon.reaches("selling")
    exchange.trade("2020")
    until(lambda: daemon.symbol()["cycles"] == 1)
    walk.ask("stop", SYMBOL, "--cancel", "all")
    walk.look()
    (trade,) = walk.ask("trades").document["trades"]
    assert set(trade["fees"]) == {"ETH", "USDT"}
    assert walk.ask("status").document["symbols"][0]["leftover"]
    assert walk.ask("forget", SYMBOL).result["lost"]


def _never_configured(walk: Walk) -> None:
    for verb, *words in (
        ("status",),
        ("orders",),
        ("trades",),
        ("events",),
        ("settings",),
        ("version",),
        ("ping",),
        ("catalogue",),
    ):
        walk.ask(verb, *words)
    walk.ask("status", SYMBOL)
    walk.ask("stop", SYMBOL)
    walk.ask("shutdown", SYMBOL)
    walk.ask("forget", SYMBOL)
    walk.ask("resolve", SYMBOL, "--all", "--ignore")
    walk.ask("wait", SYMBOL, "--for", "off")
    walk.ask("explain", SYMBOL, code=6)
    walk.ask("why", SYMBOL, "zz", code=1)
    walk.ask("start", "NOSUCHUSDT", code=4)
    walk.ask("start", "NOSUCHUSDT", "BTCUSDT", code=5)
    walk.ask("start", code=2)
    walk.ask("orders", "--since", "never", code=2)
    walk.ask("stop", "BTCUSDT")
    walk.ask("forget", "BTCUSDT")


def _guarded(walk: Walk) -> None:
    for words in ((SYMBOL, "--reason", "a look"), ("--keep-buys",)):
        walk.ask("halt", *words)
        walk.look()
    walk.ask("resume", SYMBOL)
    walk.ask("resume")
    for words in (
        (),
        ("--max-exposure", "5000", "--reserve", "10"),
        ("--max-exposure", "none", "--reserve", "none"),
    ):
        walk.ask("limits", *words)
    walk.ask("nodes")


def _held_by_hand(walk: Walk, exchange: Exchange) -> None:
    """A sell that a person cancelled; the trader takes it up again when it is resolved."""
    exchange.trade("2000")
    until(lambda: "buying" in walk.daemon.phases())
    exchange.trade("1980")
    until(lambda: "selling" in walk.daemon.phases() and not walk.daemon.unsettled())
    exchange.fault("manual_cancel", symbol=SYMBOL)
    until(lambda: "holding" in walk.daemon.phases())
    walk.look()
    held = next(each for each in walk.daemon.symbol()["traders"] if each["phase"] == "holding")
    walk.ask("forget", SYMBOL, code=1)
    walk.ask("resolve", SYMBOL, held["sell"]["client_order_id"], "--adopt")
    until(lambda: "holding" not in walk.daemon.phases() and not walk.daemon.unsettled())


def _quarantined(walk: Walk, exchange: Exchange) -> None:
    """Coins that somebody took away: the symbol waits for a person, who writes them off."""
    exchange.fault("manual_cancel", symbol=SYMBOL)
    until(lambda: "holding" in walk.daemon.phases())
    exchange.call("sim.balance", asset="ETH", free="0")
    walk.daemon.suspend()
    walk.daemon.start()  # it counts the coins
    until(lambda: walk.daemon.symbol()["state"] == "quarantined")
    walk.look()
    walk.ask("start", SYMBOL, code=8)
    walk.ask("wait", SYMBOL, "--for", "trading", code=8)
    walk.ask("resolve", SYMBOL, "--all", "--ignore")
    walk.look()


def _spoiled(schemas: Schemas) -> None:
    """No schema takes a document that lacks what it requires, or has a number where a text is due."""
    expected = set(_names())
    assert set(schemas.seen) == expected
    for name, documents in schemas.seen.items():
        validator, spoiled = schemas.of(name), 0
        for document in documents[-4:]:
            for what, wrong in _mutations(document, validator.schema):
                assert not validator.is_valid(wrong), (name, what)
                spoiled += 1
        assert spoiled, name


def _names() -> list[str]:
    done = forks.run("naivectl", "schema", timeout=PATIENCE, env=environment())
    return list(done.stdout.split())


WRONG: dict[str, list[object]] = {
    "amount": [1, "1e3", "1.50", "-1", "01", ".5", ""],
    "signed_amount": [1, "1E3", "0.10", "-0", "+1"],
    "time": [1, "2026-11-22T07:00:00Z", "2026-11-22T07:00:00.000+00:00", "2026-11-22 07:00:00.000Z"],
}


def _mutations(document: Any, schema: Any) -> Iterator[tuple[str, Any]]:
    """The document without a required field, or with a wrong value in one place: one change at a time."""
    for path, part in _places(document, schema, schema.get("$defs", {}), ()):
        for name in part.get("required", ()):
            yield f"without {(*path, name)}", _changed(document, path, partial(_drop, key=name))
        if path:
            wrong = WRONG.get(part.get("name", ""), [1] if part.get("type") == "string" else [])
            wrong = [*wrong, "neither"] if "enum" in part else wrong
            for value in wrong:
                yield (
                    f"{value!r} at {path}",
                    _changed(document, path[:-1], partial(_put, key=path[-1], value=value)),
                )


def _put(place: Any, key: Any, value: object) -> None:
    place[key] = value


def _drop(place: Any, key: Any) -> None:
    del place[key]


def _changed(document: Any, path: tuple[Any, ...], change: Callable[[Any], object]) -> Any:
    changed = place = copy.deepcopy(document)
    for step in path:
        place = place[step]
    change(place)
    return changed


def _places(value: Any, schema: Any, definitions: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, Any]]:
    """Each place of the document with the part of the schema that it follows."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        yield from _places(value, {**definitions[name], "name": name}, definitions, path)
    elif "anyOf" in schema:
        for part in schema["anyOf"]:
            if Draft202012Validator({**part, "$defs": definitions}).is_valid(value):
                yield from _places(value, part, definitions, path)
    elif "allOf" in schema:
        for part in schema["allOf"]:
            yield from _places(value, part, definitions, path)
    else:
        yield path, schema
        if isinstance(value, dict):
            others = schema.get("additionalProperties")
            for key, each in value.items():
                part = schema.get("properties", {}).get(key, others if isinstance(others, dict) else {})
                yield from _places(each, part, definitions, (*path, key))
        elif isinstance(value, list):
            for index, each in enumerate(value[:2]):
                yield from _places(each, schema["items"], definitions, (*path, index))


def test_schemas_need_no_daemon_and_no_home(home: Path) -> None:
    done = forks.run(
        "naivectl", "--home", str(home / "none"), "schema", "orders", timeout=PATIENCE, env=environment()
    )
    assert (done.returncode, json.loads(done.stdout)["title"]) == (0, "naivectl orders")
    unknown = forks.run("naivectl", "schema", "is-trading", timeout=PATIENCE, env=environment())
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "it is one of: " in unknown.stderr.lower()
