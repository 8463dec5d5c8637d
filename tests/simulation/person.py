"""Someone at the terminal: asks, remembers what was acknowledged, and what may have been done without an answer."""

import json
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from uuid import UUID

from naived.core.amount import parse_money, parse_rate
from tests.simulation.daemon import Document
from tests.simulation.oracle import Oracle

Ask = Callable[[str, Document], Awaitable[Document | None]]

_CHUNKS = 5  # where they were never set
_STOPS = ("0.01", "0.03")  # rates of a stop-loss, the least one first
_LEADS_TO = {  # a verb, or a stored status, to what may be stored in the end
    "start": {"on"},
    "stop": {"off"},
    "off": {"off"},
    "shutdown": {"shutdown", "off"},
}
_DRY: Document = {"dry_run": True}
_QUESTIONS: Sequence[tuple[str, Document]] = (
    ("status", {}),
    ("explain", {}),
    ("why", {}),
    ("settings", {}),
    ("orders", {"limit": 20}),
    ("trades", {"limit": 20}),
    ("events", {"limit": 20}),
    ("start", {**_DRY, "chunks": 6, "budget": "0.5"}),
    ("start", {**_DRY, "chunks": 3, "budget": "900", "floor": "1", "spacing": "0.01", "stop_loss": "0.02"}),
    ("stop", {**_DRY, "cancel": "all"}),
    ("shutdown", _DRY),
    ("resolve", {**_DRY, "all": True, "action": "adopt"}),
    ("nodes", {}),
    ("limits", {}),
    ("metrics", {}),
)
_STANDS = ("timed_out",)  # errors of an answer that was given after the wish was durable


class Person:
    """``wishes`` and ``chunks``: by symbol what may be stored now, more than one where an answer never came.

    ``ask`` gives the results of a control request, or None when the process was not there, or died.
    """

    def __init__(self, oracle: Oracle, random: Random, ask: Ask, *, guarded: bool = False) -> None:
        self.wishes: dict[str, set[str]] = {}
        self.chunks: dict[str, set[int]] = {}
        self._oracle = oracle
        self._random = random
        self._ask = ask
        self._guarded = guarded
        self._asking: str | None = None  # the symbol of a request that is not answered yet

    def forget(self) -> None:
        """The database lost commits: what was acknowledged may be lost, and what is asked now may be done."""
        stored = {row["symbol"]: row for row in self._oracle.rows("SELECT symbol, status, chunks FROM settings")}
        # What one node asked another, which did it, is asked again.
        again = self._oracle.rows("SELECT symbol, verb, params FROM requests WHERE done_at IS NULL")
        for symbol in self.wishes:
            now = _LEADS_TO.get(stored[symbol]["status"] if symbol in stored else "off", {"on"})
            for each in (row for row in again if row["symbol"] == symbol):
                now = now | _LEADS_TO.get(each["verb"], set())
            self.wishes[symbol] = now | (self.wishes[symbol] if symbol == self._asking else set())
        for symbol in self.chunks:
            known = {stored[symbol]["chunks"] if symbol in stored else _CHUNKS}
            known |= {json.loads(row["params"]).get("chunks") for row in again if row["symbol"] == symbol}
            self.chunks[symbol] = known | (self.chunks[symbol] if symbol == self._asking else set())

    async def follow_a_whim(self, symbol: str, whims: Sequence[str]) -> None:
        match self._random.choice(whims):
            case "start":
                await self.start(symbol, wait=self._patient(), **self._settings(symbol))
            case "stop":
                await self.stop(symbol, self._random.choice(("none", "buys", "all")), wait=self._patient())
            case "shutdown":
                await self.shutdown(symbol, keep_buys=self._random.random() < 0.3)
            case _:
                settings = self._settings(symbol)
                if settings and symbol in self.wishes:
                    self._limit(symbol, settings)
                    await self._one("settings", symbol, **settings)

    async def start(self, symbol: str, **settings: object) -> None:
        if symbol not in self.wishes and not symbol.endswith("USDT"):
            settings.setdefault("budget", _budget(symbol, 500))  # the default is an amount of USDT
        self._oracle.started(symbol)
        self._limit(symbol, settings)
        await self._wish("start", symbol, {"on"}, **settings)

    async def stop(self, symbol: str, cancel: str = "none", *, wait: bool = True) -> None:
        result = await self._wish("stop", symbol, {"off"}, cancel=cancel, wait=wait)
        if result is not None and _stands(result):
            told = {o["client_order_id"] for o in result["open_orders"] if o["state"] in ("intended", "unknown")}
            # Without the node that has it, which of them are open is only told if the journal can be read in time.
            sent = self._oracle.under_way(symbol) if result["error"] is not None else frozenset()
            self._oracle.stopped(symbol, told | sent)

    async def shutdown(self, symbol: str, *, keep_buys: bool = False) -> None:
        if symbol not in self.wishes:
            return
        self._oracle.resumed(symbol)
        result = await self._wish("shutdown", symbol, {"shutdown", "off"}, keep_buys=keep_buys)
        if result is not None and _stands(result):
            self._oracle.shutting_down(symbol)

    async def resolve(self, symbol: str) -> None:
        """Take back whatever is quarantined or held."""
        self._oracle.resumed(symbol)
        await self._one("resolve", symbol, all=True, action="adopt")

    def _patient(self) -> bool:
        return self._random.random() < 0.7

    def _settings(self, symbol: str) -> Document:
        random = self._random
        chosen: Document = {}
        if random.random() < 0.5:
            chosen["chunks"] = random.randint(1, 6)
        if random.random() < 0.5:
            chosen["budget"] = _budget(symbol, random.randint(100, 2000))
        if random.random() < 0.5:
            chosen |= {
                "buy_down": str(random.choice((0, 0.0001, 0.005))),
                "profit": str(random.choice((0.001, 0.002, 0.005))),
                "rebuy": str(random.choice((0.002, 0.006, 0.01))),
                "reprice": str(random.choice((0, 0.003, 0.01))),
            }
        if self._guarded:
            chosen["fall_guard"] = random.choice(("none", "0.5%/30s", "1%/2m"))
            chosen["stop_loss"] = random.choice(("0", *_STOPS))
        return chosen

    def _limit(self, symbol: str, settings: Document) -> None:
        budget = int(parse_money(settings["budget"])) if "budget" in settings else None
        self._oracle.limited(symbol, budget, settings.get("chunks"))
        if settings.get("stop_loss") in _STOPS:
            self._oracle.standing(symbol).stop_loss = parse_rate(_STOPS[0])

    async def _wish(self, verb: str, symbol: str, outcome: set[str], **params: object) -> Document | None:
        if verb == "start" or symbol in self.wishes:
            self.wishes[symbol] = self.wishes.get(symbol, {"off"}) | outcome
        result = await self._one(verb, symbol, **params)
        if result is not None and _stands(result) and symbol in self.wishes:
            self.wishes[symbol] = outcome
        return result

    async def _one(self, verb: str, symbol: str, **params: object) -> Document | None:
        """The result; None also if the database lost commits meanwhile: what it says may be lost."""
        chunks = params.get("chunks")
        if isinstance(chunks, int):
            self.chunks.setdefault(symbol, {_CHUNKS}).add(chunks)
        takes_back = () if verb in ("start", "settings") else (symbol,)
        losses, self._asking = self._oracle.losses, symbol
        with self._oracle.unwanted(*takes_back):
            result = await self._insistently(verb, symbol, params)
        self._asking = None
        if losses != self._oracle.losses:
            return None
        if isinstance(chunks, int) and result is not None and _stands(result):
            self.chunks[symbol] = {chunks}
        return result

    async def _insistently(self, verb: str, symbol: str, params: Document) -> Document | None:
        """Ask again, as the same request, when no answer came; and now and then when one did."""
        losses = self._oracle.losses
        request_id = str(UUID(int=self._random.getrandbits(128), version=4))
        results = []
        for _ in range(2):
            document = await self._ask(verb, {"symbols": [symbol], "request_id": request_id, **params})
            if document is not None:
                (result,) = document["results"]
                results.append(dict(result))
                if self._random.random() < 0.8:
                    break
        answers = {result["changed"] for result in results if result["error"] is None}
        if len(answers) > 1 and losses == self._oracle.losses:
            self._oracle.blame(16, f"{verb} {symbol}: one request, two answers: {results}")
        return results[-1] if results else None


def question(random: Random, symbol: str, rows: Callable[..., list[Document]]) -> tuple[str, Document]:
    """One that changes nothing, and what comes with it; ``rows`` reads the journal."""
    method, params = random.choice(_QUESTIONS)
    match method:
        case "nodes" | "limits" | "metrics":
            return method, {}
        case "why":
            orders = rows("SELECT client_order_id FROM orders WHERE symbol = ?", symbol)
            known = random.choice(orders)["client_order_id"] if orders else "none"
            return method, {"symbols": [symbol], "client_order_id": known}
        case _:
            return method, {"symbols": [symbol], **params}


def _budget(symbol: str, dollars: int) -> str:
    """About so much, in the symbol's quote asset."""
    return str(dollars) if symbol.endswith("USDT") else f"0.{dollars:05}"


def _stands(result: Document) -> bool:
    error = result["error"]
    return error is None or error["kind"] in _STANDS
