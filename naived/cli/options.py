"""Options of the command line: a flag overrides the environment, the environment overrides a TOML file.

Every option ``--some-name`` is also ``NAIVED_SOME_NAME`` and the key ``some_name`` (or ``some-name``) of the file
that ``--config`` names. This module does not know the options: callers pass a parser that raises ValueError.
"""

import difflib
import os
import shlex
import stat
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from naived.control.protocol import LIMITS, SETTINGS
from naived.process.config import ConfigError

T = TypeVar("T")

_SWITCH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


# The options of each command.
RUN = (
    "home",
    "socket",
    "database",
    "exchange",
    "exchange_url",
    "api_key_file",
    "api_secret_file",
    "live",
    "recv_window",
    "grace",
    "log_format",
    "log_level",
    "metrics_listen",
    "node",
    "lease",
    "currency",
)
SIMULATE = (
    "listen",
    "tape",
    "random_walk",
    "seed",
    "speed",
    "loop",
    "hold",
    "exchange_info",
    "balance",
    "fee",
    "ledger",
    "no_limits",
    "api_key",
    "api_secret",
    "api_public_key",
)
REPLAY = ("tape", "fee", "latency", "exchange_info", "home", "database", "exchange")
SWEEP = (
    "tape",
    *SETTINGS,
    *LIMITS,
    *(
        "fee",
        "latency",
        "exchange_info",
        "split",
        "search",
        "seed",
        "jobs",
        "dask",
        "top",
        "html",
        "write",
        "no_cache",
    ),
)
BACKTEST = ("tape", *SETTINGS, *LIMITS, "fee", "latency", "exchange_info", "html", "csv", "orders", "no_cache")
RECORD = ("to", "exchange", "exchange_url", "log_format", "log_level")

_DAEMONS = frozenset((*RUN, *SIMULATE, "config"))
_TOOLS = {"backtest": BACKTEST, "sweep": SWEEP, "replay": REPLAY, "record": RECORD}

_PREFIX = "NAIVED_"
_OF_TESTS = ("NAIVED_TEST_", "NAIVED_SIMULATION_")  # they steer our tests, not a program


class UsageError(ConfigError):
    """A flag on the command line is invalid."""

    exit_code = 2


class _Number(str):
    """A number with a point in a file, as it was written there: a fee is never a float."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class _Given:
    value: object
    origin: str
    error: type[ConfigError]

    def fail(self, reason: object) -> ConfigError:
        return self.error(f"{self.origin}: {reason}")

    def text(self) -> str:
        if not isinstance(self.value, str) or isinstance(self.value, _Number):
            raise self.fail("must be a text in quotes")  # the value is not quoted: it may hold a password
        return self.legible(self.value)

    def number(self) -> str:
        """The text of a number, which a file may have without quotes."""
        if isinstance(self.value, int) and not isinstance(self.value, bool):
            try:
                return str(self.value)
            except ValueError as error:  # of thousands of digits, written as a hexadecimal number
                raise self.fail("the number is too long") from error
        return self.legible(str(self.value)) if isinstance(self.value, _Number) else self.text()

    def legible(self, text: str) -> str:
        if "\0" in text:
            raise self.fail("the text has a zero byte")
        if not text:
            raise self.fail("the text is empty")
        return text


class Options:
    """The options of one program that were given, each with its origin for the error message."""

    def __init__(self, given: Mapping[str, _Given]) -> None:
        self._given = given

    def __contains__(self, name: str) -> bool:
        return name in self._given

    def get(self, name: str, parse: Callable[[str], T], default: T, *, number: bool = False) -> T:
        """The parsed value, or ``default``; raises ConfigError, UsageError for a flag.

        In a file, a value must be a text in quotes; with ``number`` it may also be a number.
        """
        given = self._given.get(name)
        if given is None:
            return default
        return _parsed(given, given.number() if number else given.text(), parse)

    def switch(self, name: str) -> bool:
        """Is it on? An option that was not given is off; raises ConfigError."""
        given = self._given.get(name)
        if given is None:
            return False
        if isinstance(given.value, bool):
            return given.value
        value = _SWITCH.get(given.value.lower()) if isinstance(given.value, str) else None
        if value is None:
            raise given.fail("must be true or false")
        return value

    def every(self, name: str, parse: Callable[[str], T]) -> tuple[T, ...]:
        """The values of a repeatable option: a list in TOML, words quoted as in a shell in the environment."""
        given = self._given.get(name)
        if given is None:
            return ()
        if isinstance(given.value, list | tuple):
            words = list(given.value)
        else:
            words = _parsed(given, given.text(), shlex.split) if isinstance(given.value, str) else [given.value]
        if not all(isinstance(word, str) and not isinstance(word, _Number) for word in words):
            raise given.fail("must be a list of texts in quotes")
        return tuple(_parsed(given, given.legible(word), parse) for word in words)


def gather(
    names: Collection[str],
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    others: Collection[str] = (),
    *,
    again: bool = False,
) -> Options:
    """Find each of ``names``; a flag that is None, False or an empty list counts as not given. Raises ConfigError.

    The file is ``flags["config"]``, else ``NAIVED_CONFIG``, else none. It may also have the keys of ``others``,
    because it is another program's as well. Read ``again`` it is no pipe: that is empty, or waits.
    A variable may be of any command, but not where all ``names`` are of ``run`` and ``simulate``: whoever gives
    these a setting of a symbol or a limit of the account expects that it is in force.
    """
    _check_variables(environ, for_a_daemon=_DAEMONS.issuperset(names))
    for name, value in flags.items():
        if value == "":  # perhaps from an unset variable; the default could be another daemon than was meant
            if name == "symbol":
                raise UsageError("SYMBOL is empty: name one, such as ETHUSDT")
            flag = _flag(name)
            raise UsageError(f"{flag}: the value is empty; give one, as in {flag}=VALUE, or leave {flag} out")
    given: dict[str, _Given] = {}
    path = flags.get("config") or environ.get("NAIVED_CONFIG")
    if path:
        for name, value in _read(Path(os.path.expanduser(str(path))), {*names, *others}, again).items():
            if name in names:
                given[name] = _Given(value, f"{name} in {path}", ConfigError)
    for name in names:
        variable = _variable(name)
        if environ.get(variable):
            given[name] = _Given(environ[variable], variable, ConfigError)
        if flags.get(name):
            given[name] = _Given(flags[name], _flag(name), UsageError)
    return Options(given)


def of_daemons(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Without the variables that only other commands than ``run`` and ``simulate`` read."""
    others = {_variable(name) for names in _TOOLS.values() for name in names if name not in _DAEMONS}
    return {name: value for name, value in environ.items() if name not in others}


def _check_variables(environ: Mapping[str, str], *, for_a_daemon: bool) -> None:
    """Raise ConfigError for a variable that looks like one of ours and that is not read."""
    others = {_variable(name): name for names in _TOOLS.values() for name in names if name not in _DAEMONS}
    known = {_variable(name) for name in _DAEMONS} | (set() if for_a_daemon else others.keys())
    for name in sorted(environ):
        if not name.startswith(_PREFIX) or name in known or name.startswith(_OF_TESTS):
            continue
        if name in others:
            raise ConfigError(f"{name} is only for {_readers(others[name])}{_instead(others[name])}; unset it")
        raise ConfigError(f"no option has the environment variable {name}{_meant(name, known)}; unset it")


def _readers(option: str) -> str:
    return ", ".join(f"naived {command}" for command, names in _TOOLS.items() if option in names)


def _instead(option: str) -> str:
    """How the daemon is told what this option tells a backtest."""
    if option in LIMITS:
        return f": a limit of the account is set with naivectl limits {_flag(option)}"
    if option in SETTINGS:
        return f": a setting of a symbol is given with naivectl settings SYMBOL {_flag(option)}"
    return ""


def _meant(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _variable(name: str) -> str:
    return f"{_PREFIX}{name.upper()}"


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _read(path: Path, names: Collection[str], again: bool) -> Mapping[str, object]:
    try:
        if again and not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError(f"{path} is no regular file: it is read at a start alone")
        # A number with a point stays text: a fee is never a float.
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"), parse_float=_Number)
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from error
    except RecursionError as error:
        raise ConfigError(f"{path} is nested too deep to be a configuration") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not in UTF-8. Save it in that encoding") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    values: dict[str, object] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in names:
            raise ConfigError(f"{path} has an unknown key {key!r}{_meant(name, names)}")
        if name in values:
            raise ConfigError(f"{path} has {name} twice, once as {key}")
        values[name] = value
    return values


def _parsed(given: _Given, text: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise given.fail(error) from error


def pair(text: str) -> tuple[str, str]:
    """``NAME=VALUE``, the name in upper case; raises ValueError."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ValueError(f"{text[:80]!r} is not NAME=VALUE")
    return name.upper(), value
