import socket
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from naived.cli.config import load
from naived.cli.options import UsageError
from naived.database.engine import parse_url
from naived.process.config import Config, ConfigError, Venue

REAL = [Venue.TESTNET, Venue.DEMO, Venue.BINANCE]


def config(*, environ: dict[str, str] | None = None, terminal: bool = False, **flags: object) -> Config:
    return load(flags, {} if environ is None else environ, terminal=terminal)


@pytest.fixture
def key_files(tmp_path: Path) -> dict[str, object]:
    files: dict[str, object] = {}
    for name in ("api_key", "api_secret"):
        path = tmp_path / name
        path.write_text(f"canary-{name}")
        path.chmod(0o600)
        files[f"{name}_file"] = str(path)
    return files


def test_nothing_given_is_the_simulator_in_the_state_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    home = Path("/home/somebody/.local/state/naived")
    assert config() == Config(
        home=home,
        socket=home / "control.sock",
        database="sqlite:////home/somebody/.local/state/naived/simulator.db",
        exchange=Venue.SIMULATOR,
        exchange_url=None,
        api_keys=None,
        recv_window=5_000,
        grace=60_000,
        log_format="json",
        log_level="info",
        node=socket.gethostname(),
        lease=30_000,
    )


def test_socket_and_database_follow_the_home_and_the_exchange() -> None:
    made = config(home="/srv/naived", exchange="paper")
    assert made.socket == Path("/srv/naived/control.sock")
    assert made.database == "sqlite:////srv/naived/paper.db"


@pytest.mark.parametrize("name", ["h?b", "h%3Fb", "100%", "a b#c", "@:é"])
def test_the_journal_is_in_the_home_whatever_its_name(name: str) -> None:
    made = config(home=f"/srv/{name}")
    assert parse_url(made.database).database == f"/srv/{name}/simulator.db"


def test_a_relative_home_is_fixed_at_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert config(home="state").home == tmp_path / "state"


def test_a_relative_path_without_a_working_directory_is_a_fault_of_the_configuration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(ConfigError, match=r"NAIVED_SOCKET: .x\.sock. leads nowhere, the working directory"):
        config(environ={"NAIVED_SOCKET": "x.sock"}, home="/srv/naived")
    assert config(home="/srv/naived").home == Path("/srv/naived")


def test_every_option_can_stand_in_the_environment_and_in_the_file(tmp_path: Path) -> None:
    values = {
        "home": "/srv/n",
        "socket": "/srv/s",
        "database": "postgresql://me@db/naived",
        "exchange": "paper",
        "exchange_url": "ws://127.0.0.1:9443",
        "recv_window": "1s",
        "grace": "2m",
        "log_format": "console",
        "log_level": "debug",
    }
    file = tmp_path / "naived.toml"
    file.write_text("".join(f'{name} = "{value}"\n' for name, value in values.items()))
    by_flag = config(**values)
    assert by_flag == config(environ={f"NAIVED_{name.upper()}": value for name, value in values.items()})
    assert by_flag == config(config=str(file))
    assert (by_flag.recv_window, by_flag.grace, by_flag.socket) == (1_000, 120_000, Path("/srv/s"))


@pytest.mark.parametrize(("terminal", "form"), [(True, "console"), (False, "json")])
def test_logs_are_for_people_on_a_terminal_and_for_machines_elsewhere(terminal: bool, form: str) -> None:
    assert config(terminal=terminal).log_format == form
    assert config(terminal=terminal, log_format="json").log_format == "json"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("exchange", "kraken", "'kraken' is not one of simulator, paper, testnet, demo, binance"),
        ("exchange_url", "http://127.0.0.1:1", "is not an address such as"),
        ("exchange_url", "ws://127.0.0.1", "is not an address such as"),
        ("exchange_url", "ws://127.0.0.1:1/ws", "is not an address such as"),
        ("exchange_url", "ws://127.0.0.1:99999", "out of range"),
        ("exchange_url", "ws://ws-api.binance.com:443", "is not this machine"),
        ("exchange_url", "ws://10.0.0.1:443", "is not this machine"),
        ("database", "mysql://db/naived", "must be sqlite:///PATH or postgresql://"),
        ("database", "sqlite:///:memory:", "must be sqlite:///PATH or postgresql://"),
        ("database", "sqlite:///", "must be sqlite:///PATH or postgresql://"),
        ("database", "postgresql://db:port/naived", "port of the database's address"),
        ("recv_window", "61s", "61s is not between 100ms and 60000ms"),
        ("recv_window", "0s", "0s is not between 100ms and 60000ms"),
        ("recv_window", "99ms", "99ms is not between 100ms and 60000ms"),
        ("grace", "2h", "2h is not between"),
        ("log_format", "xml", "is not one of console, json"),
        ("log_level", "loud", "is not one of debug, info, warning, error"),
    ],
)
def test_a_wrong_value_is_a_usage_error_as_a_flag_and_a_configuration_error_elsewhere(
    name: str, value: str, reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        config(**{name: value})
    with pytest.raises(ConfigError, match=reason) as caught:
        config(environ={f"NAIVED_{name.upper()}": value})
    assert caught.value.exit_code == 78


@pytest.mark.parametrize("exchange", REAL)
def test_another_address_is_only_for_what_cannot_lose_money(exchange: Venue, key_files: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="only for simulator and paper"):
        config(exchange=exchange, exchange_url="ws://127.0.0.1:1", live=True, **key_files)


@pytest.mark.parametrize("url", ["ws://127.0.0.1:9443", "ws://127.0.0.1:9443/", "ws://localhost:1", "ws://[::1]:1"])
def test_a_simulator_is_reached_on_this_machine(url: str) -> None:
    assert config(exchange_url=url).exchange_url == url.rstrip("/")


@pytest.mark.parametrize("exchange", REAL)
def test_an_account_needs_its_keys(exchange: Venue, key_files: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"needs API keys\. Give --api-key-file and --api-secret-file"):
        config(exchange=exchange, live=True)
    made = config(exchange=exchange, live=True, **key_files)
    assert made.api_keys is not None
    assert made.api_keys.key.reveal() == "canary-api_key"
    assert made.api_keys.secret.reveal() == "canary-api_secret"


def test_one_key_file_alone_is_refused(key_files: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="needed together"):
        config(api_key_file=key_files["api_key_file"])


def test_real_money_needs_to_be_said_twice(key_files: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="real money: say --live"):
        config(exchange="binance", **key_files)
    assert config(exchange="binance", live=True, **key_files).exchange is Venue.BINANCE
    assert config(exchange="testnet", **key_files).exchange is Venue.TESTNET


def test_a_short_grace_is_refused_with_real_money_only(key_files: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="grace below 60s can place an order twice"):
        config(exchange="binance", live=True, grace="59s", **key_files)
    assert config(grace="500ms").grace == 500


def test_systemd_credentials_stand_in_for_key_files(tmp_path: Path, key_files: dict[str, object]) -> None:
    for name in ("binance.key", "binance.secret"):
        (tmp_path / name).write_text(f"systemd-{name}")
        (tmp_path / name).chmod(0o400)
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    by_systemd, by_flag = (
        config(exchange="testnet", environ=environ),
        config(exchange="testnet", environ=environ, **key_files),
    )
    assert by_systemd.api_keys is not None
    assert by_systemd.api_keys.secret.reveal() == "systemd-binance.secret"
    assert by_flag.api_keys is not None
    assert by_flag.api_keys.secret.reveal() == "canary-api_secret"


def test_the_simulator_does_not_pick_up_real_keys_by_itself(tmp_path: Path) -> None:
    for name in ("binance.key", "binance.secret"):
        (tmp_path / name).write_text("real")
        (tmp_path / name).chmod(0o400)
    assert config(environ={"CREDENTIALS_DIRECTORY": str(tmp_path)}).api_keys is None


def test_no_secret_is_in_the_repr_and_every_one_is_listed_for_the_logs(key_files: dict[str, object]) -> None:
    made = config(database="postgresql://me:sword%40fish@db/naived?password=halibut", **key_files)
    assert "canary" not in repr(made)
    assert "sword" not in repr(made)
    assert {"canary-api_key", "canary-api_secret", "sword%40fish", "sword@fish", "halibut"} == set(made.secrets)
    assert "shad" in config(database="postgresql:///naived?sslpassword=shad").secrets


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("mysql://me:swordfish@db/naived", "must be sqlite"),
        ("postgresql://me:swordfish@db:port/naived", "port"),
        ("postgresql://me:x@swordfish@db/naived", "write @ as %40"),
        ("postgresql://me:12/swordfish@db/naived", "/ as %2F"),
        ("postgresql://me:12?swordfish@db/naived", r"\? as %3F"),
        ("postgresql://me:12#swordfish@db/naived", "# as %23"),
        ("postgresql://me:[swordfish@db/naived", r"\[ as %5B"),
        ("postgresql://me:sword\tfish@db/naived", "a space as %20"),
        ("postgresql://db:5432/naived?password=swordfish@x", "write @ as %40"),
    ],
)
def test_an_error_about_the_database_does_not_quote_its_password(url: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        config(database=url)
    assert "fish" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db/naived",
        "postgresql:///naived?host=db1&host=db2",
        "postgresql://:pass@[::1]:5432/naived",
        "postgresql://me:a:b%2Fc%40d@db:5432/naived?password=e%40f",
    ],
)
def test_the_database_is_asked_with_the_password_that_is_hidden(url: str) -> None:
    read = make_url(config(database=url).database)
    used = {read.password, read.query.get("password")} - {None}
    assert used <= set(config(database=url).secrets)
    assert read.host in (None, "db", "::1")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        ("localhost:0", ("127.0.0.1", 0)),
        ("[::1]:9464", ("::1", 9464)),
        ("127.9.9.9:1", ("127.9.9.9", 1)),
    ],
)
def test_metrics_are_served_on_this_machine(text: str, address: tuple[str, int]) -> None:
    assert load({"home": "/h"}, {"NAIVED_METRICS_LISTEN": text}, terminal=False).metrics_listen == address
    assert load({"home": "/h"}, {}, terminal=False).metrics_listen is None


@pytest.mark.parametrize("text", ["0.0.0.0:9464", "192.168.1.1:9464", "example.com:9464", "[::]:9464"])
def test_metrics_are_served_nowhere_else_and_that_is_78(text: str) -> None:
    with pytest.raises(ConfigError, match="is not this machine alone") as caught:
        load({"home": "/h", "metrics_listen": text}, {}, terminal=False)
    assert caught.value.exit_code == 78


@pytest.mark.parametrize("text", ["9464", ":9464", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:-1", "127.0.0.1:x"])
def test_what_is_no_address_for_metrics_is_a_typo(text: str) -> None:
    with pytest.raises(UsageError, match=r"metrics-listen: .* is not HOST:PORT"):
        load({"home": "/h", "metrics_listen": text}, {}, terminal=False)


def test_metrics_without_the_library_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("naived.cli.config.find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match=r"pip install '\.\[metrics\]'") as caught:
        load({"home": "/h", "metrics_listen": "127.0.0.1:1"}, {}, terminal=False)
    assert caught.value.exit_code == 78


def test_what_is_wrong_with_the_keys_may_be_told_apart() -> None:
    wrong: list[ConfigError] = []
    config = load({"home": "/h", "exchange": "testnet"}, {}, terminal=False, without_keys=wrong.append)
    assert config.api_keys is None
    assert "needs API keys" in str(wrong[0])


def test_a_node_is_named_by_its_host_or_by_the_option() -> None:
    assert config(node="alpha-2.example").node == "alpha-2.example"
    with pytest.raises(UsageError, match="no name of a node"):
        config(node="two words")


def test_a_lease_outlasts_an_order_that_may_still_arrive() -> None:
    assert config(lease="9s").lease == 9_000
    shared = "postgresql:///naived"
    assert config(recv_window="40s", database=shared).lease == 44_000  # nobody said how long: as long as it must be
    assert config(recv_window="40s").lease == 30_000  # of a database that no other node can use it is none
    with pytest.raises(ConfigError, match="lease of 8999ms is too short for a recv-window of 5000ms"):
        config(lease="8999ms")


def test_limits_are_amounts_in_a_currency() -> None:
    assert load({"home": "/h"}, {}, terminal=False).currency == "USDT"
    assert load({"home": "/h"}, {"NAIVED_CURRENCY": "usdc"}, terminal=False).currency == "USDC"
    with pytest.raises(UsageError, match="currency: 'US D' is not an asset such as USDT"):
        load({"home": "/h", "currency": "US D"}, {}, terminal=False)
