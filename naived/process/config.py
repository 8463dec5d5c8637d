"""The configuration of one naived: values only. ``cli/config.py`` reads them, ``daemon.py`` uses them."""

import errno
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Literal
from urllib.parse import parse_qs, unquote, urlsplit

BEYOND_WINDOW = 4_000  # ms by which a lease outlasts an order that may still arrive
SAFE_GRACE = (
    60_000  # ms; Binance reported orders as missing for over 22 s, and an internal delay of 30 s was measured
)

LogFormat = Literal["console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


class ConfigError(Exception):
    """The configuration is wrong; the message names the option, the value and what would be right."""

    exit_code: ClassVar[int] = 78


class NoRoomError(ConfigError):
    """The disk has no room now: another start may succeed."""

    exit_code: ClassVar[int] = 75


def refused_by_system(said: str, error: BaseException | None) -> ConfigError:
    """For what the system refused with this error, said in these words."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoRoomError(f"{said}. Free some of the disk, then start naived again")
    return ConfigError(said)


class Venue(StrEnum):
    SIMULATOR = "simulator"
    PAPER = "paper"
    TESTNET = "testnet"
    DEMO = "demo"
    BINANCE = "binance"

    @property
    def simulated(self) -> bool:
        """Are orders filled by our own simulator, so that no account is needed?"""
        return self in (Venue.SIMULATOR, Venue.PAPER)


class Secret:
    """A text that only ``reveal`` shows: it is not in a repr, a log or a traceback."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """The API key of our account; ``secret`` is an HMAC secret, or an Ed25519 private key in PEM."""

    key: Secret
    secret: Secret


def is_shared(database: str) -> bool:
    """Is it a database that several nodes can use?"""
    return database.startswith("postgresql")


def check_lease(lease: int, recv_window: int) -> None:
    """Raise ConfigError unless the lease outlasts an order that may still arrive; both are ms."""
    if lease < recv_window + BEYOND_WINDOW:
        raise ConfigError(
            f"a lease of {lease}ms is too short for a recv-window of {recv_window}ms: it must be at least "
            f"{BEYOND_WINDOW}ms longer. Give a longer --lease, or a shorter --recv-window"
        )


@dataclass(frozen=True, slots=True)
class Config:
    """``recv_window``, ``grace`` and ``lease`` are milliseconds; ``database`` may hold a password, not in the repr.

    ``node`` is the name among those that share the database.

    ``metrics_listen`` is an address of this machine alone and a port, None: no metrics are served.

    Raises ConfigError for values that are not safe together.
    """

    home: Path
    socket: Path
    database: str = field(repr=False)
    exchange: Venue
    exchange_url: str | None
    api_keys: ApiKeys | None
    recv_window: int
    grace: int
    log_format: LogFormat
    log_level: LogLevel
    metrics_listen: tuple[str, int] | None = None
    node: str = "localhost"
    lease: int = 30_000
    currency: str = "USDT"  # of the account's limits

    def __post_init__(self) -> None:
        if self.exchange is Venue.BINANCE and self.grace < SAFE_GRACE:
            raise ConfigError("a grace below 60s can place an order twice: not with real money")
        if self.shared:
            check_lease(self.lease, self.recv_window)

    @property
    def shared(self) -> bool:
        """May other nodes use the same database?"""
        return is_shared(self.database)

    @property
    def ledger(self) -> Path | None:
        """The file of the simulated exchange inside naived, None if it has none."""
        if self.exchange is Venue.PAPER or (self.exchange is Venue.SIMULATOR and self.exchange_url is None):
            return self.home / f"{self.exchange}-ledger.db"
        return None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every text that must never be printed; a password both as it is in the URL and unquoted."""
        url = urlsplit(self.database)
        options = parse_qs(url.query)
        texts = [*options.get("password", []), *options.get("sslpassword", [])]
        if url.password is not None:
            texts += [url.password, unquote(url.password)]
        if self.api_keys is not None:
            texts += [self.api_keys.key.reveal(), self.api_keys.secret.reveal()]
        return tuple(texts)
