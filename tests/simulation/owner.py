"""The owner of the account at the terminal, who halts it, resumes it, and limits what may be tied up and lost."""

from collections.abc import Sequence
from random import Random
from uuid import UUID

import trio

from naived.core.amount import parse_money
from tests.simulation.daemon import Document
from tests.simulation.oracle import Oracle
from tests.simulation.person import Ask

_LOSSES = ("0.5", "3", "20", "none")  # a fall through some rebuys loses a few USDT
_CAPS = ("250", "600", "1500")
_AGAIN = 1.0  # seconds before a request that was not answered is repeated


class Owner:
    """``every`` is the mean of seconds between two requests."""

    def __init__(self, oracle: Oracle, random: Random, ask: Ask, symbols: Sequence[str], every: float) -> None:
        self.done: list[str] = []
        self._oracle = oracle
        self._random = random
        self._ask = ask
        self._symbols = symbols
        self._every = every

    async def begin(self) -> None:
        """Before anything is started: the most that may be tied up. Only USDT needs no valuing."""
        cap = self._random.choice(_CAPS)
        if all(symbol.endswith("USDT") for symbol in self._symbols):
            losses = self._oracle.losses
            await self._insist("limits", {"max_exposure": cap})
            if losses == self._oracle.losses:
                self._oracle.cap = int(parse_money(cap))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await trio.sleep(self._random.expovariate(1 / self._every))
            match self._random.choice(("halt", "resume", "resume", "limits")):
                case "halt":
                    await self._halt()
                case "resume":
                    self._oracle.account_resumed()
                    await self._once("resume", {})
                case _:
                    name = self._random.choice(("max_daily_loss", "max_drawdown"))
                    await self._once("limits", {name: self._random.choice(_LOSSES)})

    async def heal(self) -> None:
        """Nothing keeps anybody from buying any more."""
        self._oracle.cap = None
        self._oracle.account_resumed()
        await self._insist("limits", dict.fromkeys(("max_exposure", "max_daily_loss", "max_drawdown"), "none"))
        await self._insist("resume", {})

    async def _halt(self) -> None:
        losses = self._oracle.losses
        with self._oracle.unwanted(*self._symbols):
            answer = await self._once("halt", {"keep_buys": self._random.random() < 0.3})
            if answer is not None and losses == self._oracle.losses:
                self._oracle.account_halted()

    async def _once(self, method: str, params: Document) -> Document | None:
        request_id = str(UUID(int=self._random.getrandbits(128), version=4))
        self.done.append(method)
        return await self._ask(method, {"request_id": request_id, **params})

    async def _insist(self, method: str, params: Document) -> None:
        while True:
            if await self._once(method, params) is not None:
                return
            await trio.sleep(_AGAIN)
