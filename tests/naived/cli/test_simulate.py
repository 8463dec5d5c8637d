import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import pytest
import trio

from naived import websocket
from naived.cli.options import UsageError
from naived.cli.simulate import Command, load
from naived.core.amount import parse_amount, parse_price, parse_rate
from naived.process.config import ConfigError
from tests.support import forks

PATIENCE = 20  # seconds


def simulation(*, environ: dict[str, str] | None = None, **flags: object) -> Command:
    return load(flags, environ or {})


def test_nothing_given_is_a_free_port_of_this_machine_and_the_documented_defaults() -> None:
    made = simulation()
    assert (made.host, made.port) == ("127.0.0.1", 0)
    config = made.config
    assert (config.tapes, config.walks, config.ledger, config.exchange_info) == ({}, {}, None, None)
    assert (config.speed, config.loop, config.hold, config.no_limits) == (Fraction(1), False, False, False)
    assert config.balances == {"USDT": parse_amount("100000")}
    assert config.fee == parse_rate("0.001")
    assert (config.api_key, config.api_secret, config.api_public_key) == (None, None, None)


def test_every_option_reaches_the_simulator(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("a public key")
    made = simulation(
        listen="127.0.0.2:9443",
        tape=["ethusdt=a.csv", "BTCUSDT=b.zip"],
        random_walk=["XRPUSDT=0.5"],
        seed="7",
        speed="2.5",
        loop=True,
        hold=True,
        exchange_info="info.json",
        balance=["usdt=5", "ETH=0.1"],
        fee="0.075%",
        ledger="ledger.db",
        no_limits=True,
        api_key="k",
        api_secret="s",
        api_public_key=str(tmp_path / "key.pem"),
    )
    assert (made.host, made.port) == ("127.0.0.2", 9443)
    config = made.config
    assert config.tapes == {"ETHUSDT": Path("a.csv"), "BTCUSDT": Path("b.zip")}
    assert config.walks == {"XRPUSDT": parse_price("0.5")}
    assert (config.seed, config.speed, config.loop, config.hold) == (7, Fraction(5, 2), True, True)
    assert (config.exchange_info, config.ledger, config.no_limits) == (Path("info.json"), Path("ledger.db"), True)
    assert config.balances == {"USDT": parse_amount("5"), "ETH": parse_amount("0.1")}
    assert config.fee == parse_rate("0.00075")
    assert (config.api_key, config.api_secret, config.api_public_key) == ("k", "s", "a public key")


def test_as_fast_as_readers_drain_is_no_speed() -> None:
    assert simulation(speed="max").config.speed is None


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("listen", "9443", "'9443' is not HOST:PORT"),
        ("listen", "localhost:70000", "is not HOST:PORT"),
        ("listen", ":1", "is not HOST:PORT"),
        ("tape", ["ETHUSDT"], "'ETHUSDT' is not NAME=VALUE"),
        ("random_walk", ["ETHUSDT=cheap"], "'cheap' is not a plain decimal"),
        ("random_walk", ["ETHUSDT=0"], "a price must be above 0"),
        ("seed", "x", "'x' is not a whole number"),
        ("seed", "1_0", "'1_0' is not a whole number"),
        ("speed", "fast", "'fast' is neither a number nor max"),
        ("speed", "1/0", "'1/0' is neither a number nor max"),
        ("speed", "0", "'0' is not above 0"),
        ("speed", "-1", "'-1' is not above 0"),
        ("balance", ["USDT=-1"], "'-1' is not a plain decimal"),
        ("fee", "100%", "a fee must be below 1"),
        ("api_public_key", "/absent.pem", "cannot read the public key /absent.pem"),
    ],
)
def test_what_cannot_be_understood_names_the_flag(name: str, value: object, reason: str) -> None:
    with pytest.raises(UsageError, match=f"^--{name.replace('_', '-')}: .*{reason}"):
        simulation(**{name: value})


def test_naming_a_symbol_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="--random-walk names ETHUSDT twice"):
        simulation(random_walk=["ETHUSDT=1", "ethusdt=2"])


def test_options_stand_in_the_environment_too() -> None:
    made = simulation(environ={"NAIVED_BALANCE": "USDT=1 BTC=2", "NAIVED_HOLD": "true", "NAIVED_SPEED": "max"})
    assert made.config.balances == {"USDT": parse_amount("1"), "BTC": parse_amount("2")}
    assert made.config.hold
    assert made.config.speed is None


@contextmanager
def naived_simulate(*arguments: str) -> Iterator[forks.Forked | subprocess.Popen[bytes]]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("NAIVED_")}
    pipe = subprocess.PIPE
    with forks.start("naived", "simulate", *arguments, stdout=pipe, stderr=pipe, env=environ) as started:
        try:
            yield started
        finally:
            started.kill()


@pytest.mark.executed
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_standard_output_is_one_line_with_the_url_and_a_signal_ends_it(number: signal.Signals) -> None:
    with naived_simulate("--hold") as program:
        assert program.stdout is not None
        url = program.stdout.readline().decode().strip()
        assert url.startswith("ws://127.0.0.1:")
        with trio.fail_after(PATIENCE):
            async with websocket.connect(f"{url}/ws-api/v3") as connection:
                await connection.send(json.dumps({"id": 1, "method": "ping"}))
                assert json.loads(await connection.receive())["status"] == 200
        program.send_signal(number)
        rest, _ = program.communicate(timeout=PATIENCE)
        assert rest == b""
        assert program.returncode == 0


def test_a_ledger_that_another_simulator_has_is_refused(tmp_path: Path) -> None:
    ledger = str(tmp_path / "ledger.db")
    with naived_simulate("--ledger", ledger) as first:
        assert first.stdout is not None
        assert first.stdout.readline()
        with naived_simulate("--ledger", ledger) as second:
            output, errors = second.communicate(timeout=PATIENCE)
        assert (second.returncode, output) == (69, b"")
        assert f"another simulator (pid {first.pid}) has the ledger {ledger};" in errors.decode()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--speed", "fast"], 2, "naived: --speed: 'fast' is neither a number nor max"),
        (["--exchange-info", "/absent.json"], 78, "/absent.json"),
        (["--tape", "ETHUSDT=/absent.csv"], 78, "/absent.csv"),
        (["--api-key", "k"], 78, "signatures are checked with an API key and either its secret or its public key"),
        (["--ledger", "/absent/ledger.db"], 78, "/absent/ledger.db"),
        (["--listen", "192.0.2.1:1"], 78, "192.0.2.1"),
    ],
)
def test_what_cannot_be_simulated_says_why(arguments: list[str], code: int, message: str) -> None:
    with naived_simulate(*arguments) as program:
        output, errors = program.communicate(timeout=PATIENCE)
    assert (program.returncode, output) == (code, b"")
    assert message in errors.decode()
    assert b"Traceback" not in errors
