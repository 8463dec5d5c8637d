"""A campaign: real programs, workers that talk to them, a client that behaves, and the oracles over all of it."""

import secrets as dice
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.harness import Daemon, Exchange, until
from tests.fuzz.clients import Lingerers, Pinger, Tongue, crowd
from tests.fuzz.grammar import BYSTANDER, SYMBOLS, Grammar
from tests.fuzz.oracles import (
    Wishes,
    descriptors,
    double_answers,
    leaks,
    log_blames,
    quantile,
    resident,
    settings_of,
    silent_changes,
)

_WORKERS = 3
_STATUS = b'{"jsonrpc":"2.0","id":1,"method":"status"}'
_WATCH = b'{"jsonrpc":"2.0","id":1,"method":"watch"}'
_PRICE = 100.0
_SPREAD = 8  # descriptors that a database or an exchange session may open or close on the side
_GROWTH = 40 * 1024  # kB that a process may settle at above where it was after the first round


@dataclass
class Report:
    """What a campaign came to; ``waits`` are ms of the client that behaves."""

    kinds: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    blames: list[str] = field(default_factory=list)
    silent: int = 0
    crashes: int = 0
    lingered: int = 0
    resident: tuple[int, int] = (0, 0)
    descriptors: tuple[int, int] = (0, 0)
    seconds: float = 0.0

    @property
    def executions(self) -> int:
        return self.kinds.total()

    def rows(self) -> Iterator[tuple[str, str]]:
        yield "executions", f"{self.executions}"
        yield from ((f"  {kind}", f"{number}") for kind, number in sorted(self.kinds.items()))
        yield "answers", f"{self.codes.total()}"
        yield from ((f"  {code}", f"{number}") for code, number in sorted(self.codes.items()))
        yield "connections that lingered and were ended", f"{self.lingered}"
        yield "crashes", f"{self.crashes}"
        yield "silent changes of settings or status", f"{self.silent}"
        yield "who behaves: questions", f"{len(self.waits)}"
        for share in (0.5, 0.99, 1.0):
            yield f"who behaves: p{share * 100:.0f}", f"{quantile(self.waits, share):.1f} ms"
        yield "resident after the first round, at the end", "{:,} / {:,} kB".format(*self.resident)
        yield "descriptors before, after", "{} / {}".format(*self.descriptors)
        yield "executions per second", f"{self.executions / self.seconds:.0f} ({self.seconds:.0f} s)"
        yield "violations", f"{len(self.blames)}"


@dataclass(frozen=True)
class World:
    """A daemon on an exchange of its own, with planted secrets."""

    home: Path
    exchange: Exchange
    daemon: Daemon
    secrets: tuple[str, str]

    @property
    def socket(self) -> str:
        return str(self.home / "control.sock")

    @property
    def database(self) -> Path:
        return self.home / "simulator.db"

    @property
    def key_files(self) -> tuple[Path, Path]:
        return self.home / "api.key", self.home / "api.secret"


@contextmanager
def world(*options: str) -> Iterator[World]:
    """`naived simulate` and `naived` in a home of their own, ended on every path."""
    home = Path(tempfile.mkdtemp(prefix="naived-fuzz-"))  # short: the path of a socket has at most 107 bytes
    planted = f"planted-key-{dice.token_hex(24)}", f"planted-secret-{dice.token_hex(24)}"
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        exchange = Exchange(home, "--no-limits", "--balance", "USDT=1000000")
        stack.callback(exchange.end)
        exchange.start()
        files = []
        for name, secret in zip(("api.key", "api.secret"), planted, strict=True):
            path = home / name
            path.touch(0o600)
            path.write_text(secret)
            files.append(str(path))
        keys = ("--api-key-file", files[0], "--api-secret-file", files[1])
        daemon = Daemon(home, "--exchange-url", exchange.url, *keys, "--log-format", "json", *options)
        stack.callback(daemon.end)
        daemon.start()
        for symbol in (*SYMBOLS, BYSTANDER):
            exchange.trade(str(_PRICE), symbol)
        settings = {"chunks": 2, "budget": "777", "profit": "0.005"}
        daemon.ask("start", symbols=[BYSTANDER], wait=False, **settings)
        daemon.ask("start", symbols=list(SYMBOLS), wait=False)
        yield World(home, exchange, daemon, planted)


class Campaign:
    """So many executions in rounds; behind each round the settings are looked at by a connection of our own."""

    def __init__(self, world: World, seed: int, executions: int) -> None:
        self.report = Report()
        self._world = world
        self._seed = seed
        self._executions = executions
        self._wishes = Wishes()
        self._dice = Grammar(f"{seed}-market").random
        self._lingerers = Lingerers(world.socket)
        self._tongues = [
            Tongue(world.socket, Grammar(f"{seed}-{number}"), world.secrets) for number in range(_WORKERS)
        ]

    def run(self, tell: Callable[[str], None] = lambda _: None) -> Report:
        """Perform it, and judge; ``tell`` hears of each round."""
        world, report = self._world, self.report
        began = time.monotonic()
        size = max(min(self._executions // 10, 2_500), 50)
        before = settings_of(world.database)
        open_before = descriptors(world.daemon.pid)
        settled = 0
        try:
            with Pinger(world.socket) as pinger:
                while (done := self._done()) < self._executions and not self._blames():
                    self._round(min(size, self._executions - done))
                    after = settings_of(world.database)
                    silent = silent_changes(before, after, self._wishes)
                    report.silent += len(silent)
                    report.blames += silent
                    before = after
                    self._wishes.next_round()
                    settled = settled or resident(world.daemon.pid)
                    tell(f"{self._done()} executions, {resident(world.daemon.pid)} kB")
                self._lingerers.finish()
            report.waits, report.lingered = pinger.waits, self._lingerers.ended
            report.blames += pinger.blames
            until(lambda: descriptors(world.daemon.pid) <= open_before + _SPREAD)
            report.descriptors = open_before, descriptors(world.daemon.pid)
            report.resident = settled, resident(world.daemon.pid)
        except (OSError, AssertionError) as error:
            report.blames.append(f"naived does not take part any more: {error!r}")
        report.seconds = time.monotonic() - began
        self._conclude()
        return report

    def _done(self) -> int:
        return sum(tongue.kinds.total() for tongue in self._tongues) + self.report.kinds.total()

    def _blames(self) -> list[str]:
        return [*self.report.blames, *(blame for tongue in self._tongues for blame in tongue.blames)]

    def _round(self, executions: int) -> None:
        """The workers, each with its share, beside those that linger; then a crowd, and the market moves."""
        heard = [Wishes() for _ in self._tongues]
        failures: list[BaseException] = []
        share = executions // len(self._tongues) + 1

        def work(tongue: Tongue, wishes: Wishes) -> None:
            goal = tongue.kinds.total() + share
            try:
                while tongue.kinds.total() < goal and not tongue.blames:
                    tongue.one(wishes.heard)
            except (OSError, AssertionError, ValueError) as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=pair) for pair in zip(self._tongues, heard, strict=True)]
        for thread in threads:
            thread.start()
        self._linger()
        while any(thread.is_alive() for thread in threads):
            self._lingerers.look()
            time.sleep(0.5)
        for wishes in heard:
            self._wishes.merge(wishes)
        self.report.blames += [f"a worker failed: {failure!r}" for failure in failures]
        number = self._dice.randint(20, 600)
        self.report.kinds["crowd"] += number
        line = self._dice.choice((_STATUS, _WATCH))
        self.report.blames += crowd(self._world.socket, number, line, self.report.codes)
        for symbol in (*SYMBOLS, BYSTANDER):
            self._world.exchange.trade(f"{_PRICE * self._dice.uniform(0.98, 1.02):.2f}", symbol)

    def _linger(self) -> None:
        self.report.kinds["lingering"] += 3
        self._lingerers.add("silent", 5)
        self._lingerers.add("drip", 10, b'{"jsonrpc"')
        self._lingerers.add("never reads", 60, (_STATUS + b"\n") * 5_000)

    def _conclude(self) -> None:
        """What is judged at the end: the process, its log, its files, its memory."""
        world, report = self._world, self.report
        for tongue in self._tongues:
            report.kinds += tongue.kinds
            report.codes += tongue.codes
        report.blames = [*self._blames(), *self._lingerers.blames]
        if world.daemon.state is None:
            report.crashes += 1
            report.blames.append("naived does not answer any more")
        if report.resident[1] > report.resident[0] + _GROWTH:
            report.blames.append(
                "naived holds more memory than before: {:,} kB, then {:,} kB".format(*report.resident)
            )
        report.blames += double_answers(world.database)
        code = world.daemon.suspend()
        if code != 0:
            report.crashes += 1
            report.blames.append(f"naived ended with {code}")
        report.blames += log_blames((world.home / "naived.log").read_bytes())
        report.blames += leaks(world.home, world.secrets, world.key_files)
