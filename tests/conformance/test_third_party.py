"""Clients that nobody here wrote drive the simulator, each in an environment of its own, with `--clients`."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from naived.simulator.symbols import built_in
from tests.support import forks

KEY, SECRET = "conformance-key", "conformance-secret"
PATIENCE = 60  # seconds for one client's story
INSTALLING = 600  # seconds for pip, once: the environment stays in pytest's cache
CLIENTS = Path(__file__).parent / "clients"


def installed(request: pytest.FixtureRequest, package: str, version: str) -> Path:
    """The Python of an environment that has this package; skips with the reason if it cannot be made."""
    if not request.config.getoption("--clients"):
        pytest.skip(f"{package} is installed and driven with --clients")
    assert request.config.cache is not None
    home = request.config.cache.mkdir("clients") / f"{package}-{version}"
    python, done = home / "bin" / "python", home / "installed"
    if not done.exists():
        commands = (
            [sys.executable, "-m", "venv", "--clear", str(home)],
            [str(python), "-m", "pip", "install", "--quiet", "--no-compile", f"{package}=={version}"],
        )
        for command in commands:
            try:
                made = subprocess.run(command, capture_output=True, text=True, timeout=INSTALLING)
            except subprocess.TimeoutExpired:
                pytest.skip(f"{package} was not installed within {INSTALLING} s")
            if made.returncode:
                pytest.skip(f"{package} cannot be installed: {(made.stderr or made.stdout).strip()[-300:]}")
        done.touch()
    return python


class _Rest(BaseHTTPRequestHandler):
    """The REST parts that the clients insist on before they open a WebSocket."""

    def do_GET(self) -> None:
        now = time.time_ns() // 1_000_000
        answers: dict[str, Any] = {
            "/api/v3/ping": {},
            "/api/v3/time": {"serverTime": now},
            "/api/v3/exchangeInfo": {"timezone": "UTC", "serverTime": now, **built_in()},
        }
        answer = answers.get(self.path.partition("?")[0])
        body = json.dumps({"code": -1, "msg": "not here"} if answer is None else answer).encode()
        self.send_response(404 if answer is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def rest() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Rest) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def url() -> Iterator[str]:
    """A simulator process that checks signatures, with a lively ETHUSDT."""
    options = ["--random-walk", "ETHUSDT=2683.80", "--speed", "20", "--api-key", KEY, "--api-secret", SECRET]
    with forks.start("naived", "simulate", *options, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().decode().strip()
        finally:
            process.terminate()


def story(python: Path, script: str, rest: str, url: str) -> dict[str, Any]:
    """What a client saw."""
    command = [str(python), str(CLIENTS / script), rest, url, KEY, SECRET]
    told = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert told.returncode == 0, told.stderr[-3000:]
    seen: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    return seen


def test_python_binance_trades_over_websockets(request: pytest.FixtureRequest, rest: str, url: str) -> None:
    python = installed(request, "python-binance", "1.0.37")
    seen = story(python, "python_binance.py", rest, url)
    ids = [trade["t"] for trade in seen["trades"]]
    assert ids == list(range(ids[0], ids[0] + 3))
    assert (seen["placed"]["status"], seen["placed"]["clientOrderId"]) == ("NEW", "rests")
    assert [row["orderId"] for row in seen["open"]] == [seen["found"]["orderId"]] == [1]
    assert (seen["replaced"]["cancelResult"], seen["replaced"]["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert seen["cancelled"]["status"] == "CANCELED"
    assert [(e["x"], e["i"]) for e in seen["events"] if e["e"] == "executionReport"] == [
        ("NEW", 1),
        ("CANCELED", 1),
        ("NEW", 2),
        ("CANCELED", 2),
        ("NEW", 3),
        ("TRADE", 3),
    ]
    assert seen["refused"] == -2013
    assert {row["asset"]: row["free"] for row in seen["account"]["balances"]}["ETH"] == "0.00999000"
    assert [row["status"] for row in seen["all"]] == ["CANCELED", "CANCELED", "FILLED"]
    assert [row["orderId"] for row in seen["fills"]] == [3]
    assert seen["rates"]["standardCommission"]["taker"] == "0.00100000"
    assert [row["rateLimitType"] for row in seen["limits"]] == ["ORDERS", "ORDERS"]
    assert len(seen["recent"]) == len(seen["aggregate"]) == 2
    assert [row["id"] for row in seen["historical"]] == [1, 2]
    assert float(seen["average"]["price"]) > 0 < float(seen["price"]["price"])
    assert float(seen["book"]["bidPrice"]) < float(seen["book"]["askPrice"])
    assert seen["symbols"] == len(built_in()["symbols"])


def test_ccxt_pro_trades_over_websockets(request: pytest.FixtureRequest, rest: str, url: str) -> None:
    python = installed(request, "ccxt", "4.5.90")
    seen = story(python, "ccxt_pro.py", rest, url)
    assert len(seen["trades"]) >= 3
    assert seen["best"]["bid"] < seen["best"]["ask"]
    assert (seen["placed"]["status"], seen["placed"]["clientOrderId"]) == ("open", "rests")
    assert [order["id"] for order in seen["watched"]] == [seen["placed"]["id"]]
    assert (seen["found"]["status"], seen["found"]["price"], seen["found"]["amount"]) == ("open", 2000.0, 0.01)
    assert [order["id"] for order in seen["open"]] == [seen["placed"]["id"]]
    assert (seen["edited"]["status"], seen["edited"]["price"]) == ("open", 2001.0)
    assert seen["cancelled"]["status"] == "canceled"
    assert (seen["bought"]["status"], seen["bought"]["fee"]) == ("closed", {"currency": "ETH", "cost": 1e-05})
    assert [order["status"] for order in seen["closed"]] == ["canceled", "canceled", "closed"]
    assert [fill["order"] for fill in seen["fills"]] == [seen["bought"]["id"]]
    assert {row["asset"]: row["free"] for row in seen["balances"]}["ETH"] == "0.00999000"
    assert int(seen["recent"]["id"]) > 0 < seen["recent"]["price"]
    assert seen["refused"] == "OrderNotFound"
