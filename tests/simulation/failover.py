"""A standby takes the place of the database's server, again and again, and lacks the last commits.

What it has received is a copy of the file. When it is promoted, the copy is written back into the same file, in one
step between two transactions, and whoever asks for the server's history is told another one. Whoever judges forgets
with it what the journal does not say any more: the oracle, the invariants of commits, and the person.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import sqlalchemy as sa
import trio
from msgspec.structs import replace

from naived.database import fence, server
from naived.database.schema import deployment
from tests.simulation.durable import Durable
from tests.simulation.machine import Machine
from tests.simulation.oracle import Oracle
from tests.simulation.person import Person
from tests.simulation.process import Disk

_FEW = 8  # commits that are lost, at most, where they are counted
_LAG = 6.0  # seconds of commits that are lost, at most, where they are not
_AWAY = 4.0  # seconds until a node finds the new server, at most

_take_turn = fence.take_turn


class Standby:
    """Of the database in this file; ``server`` is the history of the one that is in its place."""

    def __init__(self, database: Path) -> None:
        self.server = "server 1"
        self._database = database
        self._received: sqlite3.Connection | None = None

    def cut_off(self) -> None:
        """It receives nothing from now on."""
        self.close()
        self._received = sqlite3.connect(":memory:")
        with closing(sqlite3.connect(self._database)) as file:
            file.backup(self._received)

    def promote(self) -> None:
        assert self._received is not None
        with closing(sqlite3.connect(self._database)) as file:
            self._received.backup(file)
        self.close()
        self.server = f"server {int(self.server.split()[1]) + 1}"
        server._FILE = self.server

    def close(self) -> None:
        if self._received is not None:
            self._received.close()
        self._received = None

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """naived asks for the server's history, in the transaction of a commit too, as it does on PostgreSQL."""
        with patch.object(server, "_FILE", self.server), patch.object(fence, "take_turn", self._take_turn):
            yield

    def _take_turn(self, connection: sa.Connection, *given: Any) -> Mapping[str, fence.Held] | None:
        ours = _take_turn(connection, *given)
        placing = connection.scalar(sa.select(deployment.c.server)) == self.server
        return ours and {symbol: replace(held, placing=placing) for symbol, held in ours.items()}


class Failovers:
    """``note`` counts what befell, ``trace`` is a line for a person."""

    def __init__(
        self,
        standby: Standby,
        machines: Sequence[Machine],
        disks: Sequence[Disk],
        oracle: Oracle,
        durable: Durable,
        person: Person,
        note: Callable[[str], None],
        trace: Callable[[str, str], None],
    ) -> None:
        self.last = 0.0  # trio's time of the last one
        self._standby = standby
        self._machines = machines
        self._disks = disks
        self._oracle = oracle
        self._durable = durable
        self._person = person
        self._note = note
        self._trace = trace

    @property
    def accepted(self) -> bool:
        """Are all symbols compared on the server that is in place? Before that no order is placed."""
        (row,) = self._oracle.rows("SELECT server FROM deployment")
        return bool(row["server"] == self._standby.server)

    async def fail_over(self, random: Random) -> None:
        """Behind some commits, or between two steps; the next one only when all is compared after this one."""
        self._standby.cut_off()
        if random.random() < 0.7:
            with trio.move_on_after(10 * _LAG):
                await self._durable.more(random.randint(1, _FEW))
        else:
            await trio.sleep(random.uniform(0, _LAG))
        self._standby.promote()
        self.last = trio.current_time()
        self._note("failover")
        self._trace("failover", self._standby.server)
        for disk in self._disks:
            disk.away_until = max(disk.away_until, trio.current_time() + random.uniform(0, _AWAY))
        self._durable.forget()
        self._oracle.lost_commits(self._standby.server)
        self._person.forget()

    @property
    def away(self) -> bool:
        """Does a node not renew its leases?"""
        keepers = (machine.naived.keeper for machine in self._machines if machine.naived is not None)
        return any(keeper is not None and keeper.away is not None for keeper in keepers)
