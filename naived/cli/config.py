"""Reads the options of ``naived run``, and the API keys, into one frozen Config; raises ConfigError."""

import ipaddress
import os
import stat
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

from naived.cli.keys import read_credentials, read_keys
from naived.cli.options import RUN, Options, duration, gather
from naived.process.config import ApiKeys, Config, ConfigError, LogFormat, LogLevel, Venue

_HOME = "~/.local/state/naived"
_RECV_WINDOW = 5_000  # ms
_MAX_RECV_WINDOW = 60_000  # ms, Binance's limit
_GRACE = 60_000  # ms; Binance reported orders as missing for over 22 s, and an internal delay of 30 s was measured
_MAX_PORT = 65_535
_MAX_GRACE = 3_600_000  # ms; a longer one would only make the operator wait


def load(
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    *,
    terminal: bool,
    without_keys: Callable[[ConfigError], None] | None = None,
) -> Config:
    """The configuration of ``naived run``; ``terminal``: is the log written to one? Raises ConfigError.

    ``without_keys`` is told what is wrong with the API keys, which are left out then; without it that is raised.
    """
    options = gather(RUN, flags, environ)
    exchange = options.get("exchange", _venue, Venue.SIMULATOR)
    home = options.get("home", _path, None) or _default_home()
    live = options.switch("live")
    exchange_url = options.get("exchange_url", _exchange_url, None)
    if exchange_url is not None and not exchange.simulated:
        raise ConfigError(f"exchange-url is only for simulator and paper: the address of {exchange} is built in")
    try:
        api_keys = _api_keys(options, exchange, environ)
    except ConfigError as error:
        if without_keys is None:
            raise
        without_keys(error)
        api_keys = None
    if exchange is Venue.BINANCE and not live:
        raise ConfigError("the exchange binance trades with real money: say --live as well")
    metrics_listen = options.get("metrics_listen", _metrics_listen, None)
    if metrics_listen is not None:
        _check_metrics(metrics_listen[0])
    grace = options.get("grace", _grace, _GRACE)
    if exchange is Venue.BINANCE and grace < _GRACE:
        raise ConfigError("a grace below 60s can place an order twice: not with real money")
    return Config(
        home=home,
        socket=options.get("socket", _path, home / "control.sock"),
        database=options.get("database", _database, f"sqlite:///{home}/{exchange}.db"),
        exchange=exchange,
        exchange_url=exchange_url,
        api_keys=api_keys,
        recv_window=options.get("recv_window", _recv_window, _RECV_WINDOW),
        grace=grace,
        log_format=options.get("log_format", _log_format, "console" if terminal else "json"),
        log_level=options.get("log_level", _log_level, "info"),
        metrics_listen=metrics_listen,
    )


def prepare_home(home: Path) -> None:
    """Create the home (0700) if there is none; raises ConfigError if another user could change it."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = home.lstat()
    except OSError as error:
        raise ConfigError(f"cannot make the home {home}: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise ConfigError(f"the home {home} is a link or a file; name the directory itself")
    if status.st_uid != os.geteuid():
        raise ConfigError(f"the home {home} belongs to another user; choose another one with --home")
    if status.st_mode & 0o022:
        raise ConfigError(f"the home {home} can be written by others. Mend it with: chmod 700 {home}")


def _api_keys(options: Options, exchange: Venue, environ: Mapping[str, str]) -> ApiKeys | None:
    key_file = options.get("api_key_file", _path, None)
    secret_file = options.get("api_secret_file", _path, None)
    if key_file is not None and secret_file is not None:
        return read_keys(key_file, secret_file)
    if key_file is not None or secret_file is not None:
        raise ConfigError("api-key-file and api-secret-file are needed together")
    if exchange.simulated:
        return None
    directory = environ.get("CREDENTIALS_DIRECTORY")
    keys = read_credentials(Path(directory)) if directory else None
    if keys is None:
        raise ConfigError(f"the exchange {exchange} needs API keys: give --api-key-file and --api-secret-file")
    return keys


def _default_home() -> Path:
    try:
        return _path(_HOME)
    except ValueError as error:
        raise ConfigError(f"there is no default home: {error}. Name one with --home") from error


def _path(text: str) -> Path:
    """The absolute path; with ``..`` in it, the one that it leads to. Raises ValueError."""
    try:
        path = Path(text).expanduser().absolute()
    except RuntimeError as error:  # neither HOME nor an entry among the system's users
        raise ValueError(f"{text[:80]!r} names no directory, for the user {os.geteuid()} has none") from error
    if path.name == "..":
        return Path(os.path.realpath(path))
    return Path(os.path.realpath(path.parent)) / path.name if ".." in path.parts else path


def _venue(text: str) -> Venue:
    if text not in list(Venue):
        raise ValueError(f"{text[:40]!r} is not one of {', '.join(Venue)}")
    return Venue(text)


def _exchange_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "ws" or not parts.hostname or parts.port is None or parts.path not in ("", "/"):
        raise ValueError(f"{text[:80]!r} is not an address such as ws://127.0.0.1:9443")
    # On another machine it could be an exchange that executes simulated orders as real ones.
    if parts.hostname != "localhost" and not _loopback(parts.hostname):
        raise ValueError(f"{parts.hostname} is not this machine: a simulator is reached on 127.0.0.1")
    return text.rstrip("/")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _metrics_listen(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit() and int(port) <= _MAX_PORT):
        raise ValueError(f"{text[:80]!r} is not HOST:PORT, such as 127.0.0.1:9464")
    return "127.0.0.1" if host == "localhost" else host, int(port)


def _check_metrics(host: str) -> None:
    """Raise ConfigError unless metrics can be served at this address."""
    if not _loopback(host):
        raise ConfigError(
            f"metrics-listen: {host[:60]} is not this machine alone: metrics are served on 127.0.0.1 or ::1"
        )
    if find_spec("prometheus_client") is None:
        raise ConfigError(
            "metrics-listen needs the library prometheus_client. Install it with: pip install 'naived[metrics]'"
        )


def _database(text: str) -> str:
    scheme, _, rest = text.partition("://")
    if scheme == "sqlite" and rest.startswith("/") and rest not in ("/", "/:memory:"):
        return text
    if scheme == "postgresql" and rest:
        try:
            _ = urlsplit(text).port
        except ValueError:
            raise ValueError("the port of the database's address is not a number") from None
        return text
    # The text may contain a password, so the message does not quote it.
    raise ValueError("must be sqlite:///PATH or postgresql://USER@HOST/NAME")


def _recv_window(text: str) -> int:
    return _between(text, 1, _MAX_RECV_WINDOW)


def _grace(text: str) -> int:
    return _between(text, 0, _MAX_GRACE)


def _between(text: str, least: int, most: int) -> int:
    value = duration(text)
    if not least <= value <= most:
        raise ValueError(f"{text} is not between {least}ms and {most}ms")
    return value


def _log_format(text: str) -> LogFormat:
    match text:
        case "console" | "json":
            return text
        case _:
            raise ValueError(f"{text[:40]!r} is not one of {', '.join(get_args(LogFormat))}")


def _log_level(text: str) -> LogLevel:
    match text:
        case "debug" | "info" | "warning" | "error":
            return text
        case _:
            raise ValueError(f"{text[:40]!r} is not one of {', '.join(get_args(LogLevel))}")
