"""``naived simulate``: reads its options, and runs the simulator as a process until a signal ends it."""

import signal
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio

from naived.cli.options import SIMULATE, Options, UsageError, gather, pair
from naived.cli.parsing import parse_fee
from naived.core.amount import Price, parse_amount, parse_price, parse_whole
from naived.process.config import ConfigError
from naived.process.lock import ledger_locked
from naived.process.streams import OutputError
from naived.simulator.errors import SimulatorError
from naived.simulator.server import Simulation, SimulatorConfig, simulate

T = TypeVar("T")

_DEFAULT = SimulatorConfig()


@dataclass(frozen=True, slots=True)
class Command:
    """What to simulate, and where to serve it; port 0 is any free port."""

    config: SimulatorConfig
    host: str
    port: int


def load(flags: Mapping[str, object], environ: Mapping[str, str]) -> Command:
    """Read the options; raises ConfigError."""
    options = gather(SIMULATE, flags, environ)
    host, port = options.get("listen", _address, ("127.0.0.1", 0))
    config = SimulatorConfig(
        tapes=_by_name(options, "tape", Path),
        walks=_by_name(options, "random_walk", _price),
        seed=options.get("seed", parse_whole, _DEFAULT.seed, number=True),
        speed=options.get("speed", _speed, _DEFAULT.speed, number=True),
        loop=options.switch("loop"),
        hold=options.switch("hold"),
        exchange_info=options.get("exchange_info", Path, None),
        balances=_by_name(options, "balance", parse_amount) or _DEFAULT.balances,
        fee=options.get("fee", parse_fee, _DEFAULT.fee, number=True),
        ledger=options.get("ledger", Path, None),
        no_limits=options.switch("no_limits"),
        api_key=options.get("api_key", str, None),
        api_secret=options.get("api_secret", str, None),
        api_public_key=options.get("api_public_key", _pem, None),
    )
    return Command(config, host, port)


async def serve(command: Command) -> None:
    """Serve until SIGTERM or SIGINT; standard output gets one line, the URL. Raises ConfigError, OutputError."""
    failed: BaseException | None = None
    try:
        with (
            ledger_locked(command.config.ledger),
            trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals,
        ):
            async with trio.open_nursery() as nursery:
                start = partial(simulate, command.config, host=command.host, port=command.port)
                simulation: Simulation = await nursery.start(start)
                print(simulation.url, flush=True)
                await anext(signals)
                nursery.cancel_scope.cancel("a signal")
    except* SimulatorError as errors:
        failed = ConfigError(str(_first(errors)))
    except* OutputError as errors:
        failed = _first(errors)
    except* OSError as errors:
        failed = ConfigError(f"cannot serve on {command.host}:{command.port}: {_first(errors)}")
    if failed is not None:
        raise failed


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _by_name(options: Options, name: str, parse: Callable[[str], T]) -> dict[str, T]:
    def entry(text: str) -> tuple[str, T]:
        key, value = pair(text)
        return key, parse(value)

    entries = options.every(name, entry)
    found = dict(entries)
    twice = [key for key, times in Counter(key for key, _ in entries).items() if times > 1]
    if twice:
        raise UsageError(f"--{name.replace('_', '-')} names {twice[0]} twice")
    return found


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit() and int(port) < 2**16):
        raise ValueError(f"{text[:80]!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def _speed(text: str) -> Fraction | None:
    if text == "max":
        return None
    try:
        speed = Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(f"{text[:40]!r} is neither a number nor max") from error
    if speed <= 0:
        raise ValueError(f"{text[:40]!r} is not above 0")
    return speed


def _price(text: str) -> Price:
    price = parse_price(text)
    if price == 0:
        raise ValueError("a price must be above 0")
    return price


def _pem(text: str) -> str:
    try:
        return Path(text).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read the public key {text}: {error}") from error
