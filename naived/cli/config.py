"""Reads the options of ``naived run``, and the API keys, into one frozen Config; raises ConfigError."""

import re
import socket
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from naived.cli.extras import missing
from naived.cli.keys import read_credentials, read_keys
from naived.cli.options import RUN, Options, gather
from naived.cli.values import absolute_path, is_loopback, log_format, log_level, simulator_url, venue
from naived.core.duration import parse_duration
from naived.process.config import (
    BEYOND_WINDOW,
    SAFE_GRACE,
    ApiKeys,
    Config,
    ConfigError,
    Venue,
    check_lease,
    is_shared,
)

_HOME = "~/.local/state/naived"
_RECV_WINDOW = 5_000  # ms
_MIN_RECV_WINDOW = 100  # ms: a commit and the way to the exchange take longer than less, so nothing would be sent
_MAX_RECV_WINDOW = 60_000  # ms, Binance's limit
_LEASE = 30_000  # ms
_MAX_LEASE = 3_600_000  # ms; a longer one would only leave symbols untraded
_ASSET = re.compile("[A-Za-z0-9]{1,20}")
_MAX_PORT = 65_535
_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
# [USER[:PASSWORD]@]HOST[/NAME][?OPTIONS]. In anything else SQLAlchemy may see another password than we do: it would
# be printed.
_SERVER = re.compile(r"([^:@/?#\[\]\s]*(:[^@/?#\[\]\s]*)?@)?[^@/?#\s]*(/[^@?#\s]*)?(\?[^@#\s]*)?")
_MAX_GRACE = 3_600_000  # ms; a longer one would only make the operator wait


def load(
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    *,
    terminal: bool,
    again: bool = False,
    without_keys: Callable[[ConfigError], None] | None = None,
) -> Config:
    """The configuration of ``naived run``; ``terminal``: is the log written to one? Raises ConfigError.

    ``without_keys`` is told what is wrong with the API keys, which are left out then; without it that is raised.
    ``again``: see ``gather``.
    """
    options = gather(RUN, flags, environ, again=again)
    exchange = options.get("exchange", venue, Venue.SIMULATOR)
    home = options.get("home", absolute_path, None) or _default_home()
    live = options.switch("live")
    exchange_url = options.get("exchange_url", simulator_url, None)
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
    database = options.get("database", _database, _journal_in(home, exchange))
    recv_window = options.get("recv_window", _recv_window, _RECV_WINDOW)
    least = recv_window + BEYOND_WINDOW if is_shared(database) else 0
    lease = options.get("lease", _lease, max(_LEASE, least))
    if "lease" in options:
        check_lease(lease, recv_window)
    return Config(
        home=home,
        socket=options.get("socket", absolute_path, home / "control.sock"),
        database=database,
        exchange=exchange,
        exchange_url=exchange_url,
        api_keys=api_keys,
        recv_window=recv_window,
        grace=options.get("grace", _grace, SAFE_GRACE),
        log_format=options.get("log_format", log_format, "console" if terminal else "json"),
        log_level=options.get("log_level", log_level, "info"),
        metrics_listen=metrics_listen,
        node=options.get("node", _node, _host()),
        lease=lease,
        currency=options.get("currency", _currency, "USDT"),
    )


def _api_keys(options: Options, exchange: Venue, environ: Mapping[str, str]) -> ApiKeys | None:
    key_file = options.get("api_key_file", absolute_path, None)
    secret_file = options.get("api_secret_file", absolute_path, None)
    if key_file is not None and secret_file is not None:
        return read_keys(key_file, secret_file)
    if key_file is not None or secret_file is not None:
        raise ConfigError("api-key-file and api-secret-file are needed together")
    if exchange.simulated:
        return None
    directory = environ.get("CREDENTIALS_DIRECTORY")
    keys = read_credentials(Path(directory)) if directory else None
    if keys is None:
        raise ConfigError(f"the exchange {exchange} needs API keys. Give --api-key-file and --api-secret-file")
    return keys


def _default_home() -> Path:
    try:
        return absolute_path(_HOME)
    except ValueError as error:
        raise ConfigError(f"there is no default home: {error}. Name one with --home") from error


def _metrics_listen(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit() and int(port) <= _MAX_PORT):
        raise ValueError(f"{text[:80]!r} is not HOST:PORT, such as 127.0.0.1:9464")
    return "127.0.0.1" if host == "localhost" else host, int(port)


def _check_metrics(host: str) -> None:
    """Raise ConfigError unless metrics can be served at this address."""
    if not is_loopback(host):
        raise ConfigError(
            f"metrics-listen: {host[:60]} is not this machine alone: metrics are served on 127.0.0.1 or ::1"
        )
    if find_spec("prometheus_client") is None:
        raise missing("metrics-listen needs the library prometheus_client", "metrics")


def _journal_in(home: Path, exchange: Venue) -> str:
    """The URL of the file EXCHANGE.db in this directory, whose path may have what means something else in a URL."""
    path = str(home / f"{exchange}.db")
    return f"sqlite:///{path.replace('%', '%25').replace('?', '%3F')}"


def _database(text: str) -> str:
    scheme, _, rest = text.partition("://")
    if scheme == "sqlite" and rest.startswith("/") and rest not in ("/", "/:memory:"):
        return text
    # The text may contain a password, so no message quotes it.
    if scheme == "postgresql" and rest:
        if not _SERVER.fullmatch(rest):
            raise ValueError(
                "the database's address can be read in two ways. In its user, password, name and options write "
                "@ as %40, : as %3A, / as %2F, ? as %3F, # as %23, [ as %5B, ] as %5D, a space as %20"
            )
        try:
            _ = urlsplit(text).port
        except ValueError:
            raise ValueError("the port of the database's address is not a number") from None
        return text
    raise ValueError("must be sqlite:///PATH or postgresql://USER@HOST/NAME")


def _currency(text: str) -> str:
    if not _ASSET.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not an asset such as USDT")
    return text.upper()


def _recv_window(text: str) -> int:
    return _between(text, _MIN_RECV_WINDOW, _MAX_RECV_WINDOW)


def _grace(text: str) -> int:
    return _between(text, 0, _MAX_GRACE)


def _lease(text: str) -> int:
    return _between(text, 1, _MAX_LEASE)


def _node(text: str) -> str:
    if not _NODE.fullmatch(text):
        raise ValueError(
            f"{text[:80]!r} is no name of a node: up to 63 letters, digits, dots, dashes and underscores"
        )
    return text


def _host() -> str:
    """The host's name, as far as it can be that of a node."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:63].strip(".-") or "localhost"


def _between(text: str, least: int, most: int) -> int:
    value = parse_duration(text)
    if not least <= value <= most:
        raise ValueError(f"{text} is not between {least}ms and {most}ms")
    return value
