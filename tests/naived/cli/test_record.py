from pathlib import Path

import pytest

from naived.cli.options import UsageError
from naived.cli.record import load
from naived.process.config import ConfigError, Venue
from naived.recorder.run import RecordConfig

URL = "ws://127.0.0.1:9443"


def recorded(*symbols: str, environ: dict[str, str] | None = None, **flags: object) -> RecordConfig:
    return load(symbols or ("ETHUSDT",), {"to": "/tmp/tape", **flags}, environ or {}, terminal=False)


def test_public_trades_of_binance_need_nothing_but_a_directory() -> None:
    made = recorded("ethusdt", "BtcUSDT", exchange="paper")
    assert made.symbols == ("ETHUSDT", "BTCUSDT")
    assert made.to == Path("/tmp/tape")
    assert made.endpoint.stream_url == "wss://stream.binance.com:9443/stream"
    assert (made.log_format, made.log_level, made.secrets) == ("json", "info", ())


@pytest.mark.parametrize(
    ("exchange", "address"),
    [("binance", "stream.binance.com"), ("testnet", "testnet.binance"), ("demo", "demo-stream.binance")],
)
def test_no_exchange_needs_a_key_or_a_word_about_real_money(exchange: str, address: str) -> None:
    made = recorded(exchange=exchange)
    assert made.exchange is Venue(exchange)
    assert address in made.endpoint.stream_url


@pytest.mark.parametrize("exchange", ["simulator", "paper"])
def test_a_simulator_is_named_by_its_address(exchange: str) -> None:
    made = recorded(exchange=exchange, exchange_url=URL)
    assert (made.endpoint.api_url, made.endpoint.stream_url) == (f"{URL}/ws-api/v3", f"{URL}/stream")


def test_options_stand_in_the_environment_and_in_the_file_of_a_daemon_too(tmp_path: Path) -> None:
    file = tmp_path / "naived.toml"
    file.write_text(f'exchange_url = "{URL}"\nto = "/tape"\nlog_level = "debug"\ngrace = "60s"\ndatabase = "x"\n')
    made = load(["ETHUSDT"], {"config": str(file)}, {"NAIVED_LOG_FORMAT": "console"}, terminal=False)
    assert (made.to, made.log_format, made.log_level) == (Path("/tape"), "console", "debug")
    assert recorded(environ={"NAIVED_TO": "/other", "NAIVED_EXCHANGE_URL": URL}).to == Path("/tmp/tape")
    file.write_text(f'exchange_url = "{URL}"\nspeed = "1"\n')
    with pytest.raises(ConfigError, match="unknown key 'speed'"):
        recorded(config=str(file))


@pytest.mark.parametrize(
    ("symbols", "flags", "kind", "reason"),
    [
        (("ETHUSDT", "ethusdt"), {}, UsageError, "ETHUSDT is named twice"),
        (("../etc",), {}, UsageError, r"'../ETC' is not a name of a symbol"),
        (("ETH\x1b",), {}, UsageError, "is not a name of a symbol"),
        (("",), {}, UsageError, "is not a name of a symbol"),
        ((), {"to": None}, UsageError, "--to: name the directory"),
        ((), {"exchange_url": None}, ConfigError, "name its address with --exchange-url"),
        ((), {"exchange": "binance"}, ConfigError, "exchange-url is only for simulator and paper"),
        ((), {"exchange": "kraken"}, UsageError, "--exchange: 'kraken' is not one of"),
        ((), {"exchange_url": "ws://10.0.0.1:9"}, UsageError, "is not this machine"),
        ((), {"log_level": "loud"}, UsageError, "--log-level: 'loud' is not one of"),
    ],
)
def test_what_cannot_be_recorded_says_why(
    symbols: tuple[str, ...], flags: dict[str, object], kind: type[ConfigError], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason) as refused:
        recorded(*symbols, **{"exchange_url": URL, **flags})
    assert type(refused.value) is kind
