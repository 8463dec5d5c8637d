"""Prices that are needed although no symbol that trades has them.

A fee in a third asset, such as BNB, is a cost, at its value when it was paid: the exchange pairs such an asset with
the quote asset (BNBUSDT). The account view says which to follow; symbols ask for the value of a fee when they book
a fill. So is the value of a quote asset in the account's currency, and of the coins of a symbol that is off.

The exchange goes on telling the last price of a pair that it does not trade any more: that is no price.
"""

import math
from collections import defaultdict

import structlog
import trio

from naived.core.amount import SCALE, Money, Price, money_up
from naived.core.market import SymbolInfo
from naived.core.orders.report import Fill
from naived.ports import Exchange, ExchangeError, RefusedError
from naived.runtime.batcher import Batcher
from naived.runtime.price_gate import PriceGates

_PATIENCE = 2.0  # seconds that a start waits for the first price of a fee's asset
_RETRY = 10.0  # seconds before a price that was not told is asked for again
_LOOK, _CLOSED_LOOK = 3_600.0, 60.0  # seconds between two looks whether a pair is traded

log = structlog.get_logger()


class FeePrices:
    def __init__(self, exchange: Exchange, gates: PriceGates) -> None:
        self._exchange = exchange
        self._gates = gates
        self._rules = Batcher(exchange.symbols)
        self._followed: set[str] = set()
        self._closed: set[str] = set()  # pairs that the exchange does not trade
        self._answers = defaultdict[str, trio.Event](trio.Event)  # set once the exchange answered for a pair
        self._waited: set[str] = set()
        self._send, self._pairs = trio.open_memory_channel[str](math.inf)

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            async for pair in self._pairs:
                nursery.start_soon(self._follow, pair)

    def follow(self, asset: str, quote: str) -> None:
        """Know the price of the asset in the quote asset from now on."""
        if asset != quote:
            self.follow_pair(f"{asset}{quote}")

    def follow_pair(self, pair: str) -> None:
        """The same for a symbol."""
        if pair not in self._followed:
            self._followed.add(pair)
            self._send.send_nowait(pair)

    def follows(self, pair: str) -> bool:
        """Are trades of this symbol wanted as long as naived runs?"""
        return pair in self._followed

    def price(self, asset: str, quote: str) -> Price | None:
        """The last believed price of the asset in the quote asset, which is followed from now on.

        None before, and where the exchange does not trade one for the other.
        """
        self.follow(asset, quote)
        pair = f"{asset}{quote}"
        return None if pair in self._closed else self._gates.gate(pair).price

    def answered(self, asset: str, quote: str) -> bool:
        """Did the exchange answer for the price of the asset? Before, nobody knows whether there is one."""
        return self._answers[f"{asset}{quote}"].is_set()

    async def until_told(self, asset: str, quote: str) -> None:
        """Follow the price, and wait for the first one, not for long and not again: fills of before need it."""
        self.follow(asset, quote)
        pair = f"{asset}{quote}"
        if asset != quote and pair not in self._waited:
            with trio.move_on_after(_PATIENCE):
                await self._answers[pair].wait()
            self._waited.add(pair)

    def value(self, fill: Fill, base: str, quote: str) -> Money | None:
        """What the fill's fee is worth in quote; None for a fee in base or quote, and if no price is known."""
        if not fill.fee or fill.fee_asset in (base, quote):
            return None
        price = self.price(fill.fee_asset, quote)
        return None if price is None else money_up(fill.fee * price, SCALE)

    async def _follow(self, pair: str) -> None:
        """Look now and then whether the pair is traded; while it is, its price is known."""
        listed, known = True, False
        while True:
            pause = _LOOK
            try:
                # Among others the name of one that is not listed would cost many questions.
                found = await self._rules.ask(pair) if listed else await self._exchange.symbols([pair])
                info = found.get(pair)
                listed = info is not None
                if info is None:
                    self._close(pair)
                    known = False
                elif isinstance(info, SymbolInfo) and not info.trading:
                    self._close(pair)
                    known, pause = False, _CLOSED_LOOK
                elif not known:
                    await self._watch(pair)
                    known = True
                self._answers[pair].set()
            except RefusedError as error:
                log.warning("its price is not followed", symbol=pair, error=str(error))
                self._answers[pair].set()
            except ExchangeError:
                pause = _RETRY
            await trio.sleep(pause)

    def _close(self, pair: str) -> None:
        if pair not in self._closed:
            log.warning("its price is not followed: the exchange does not trade it", symbol=pair)
            self._closed.add(pair)

    async def _watch(self, pair: str) -> None:
        price = (await self._exchange.last_prices([pair])).get(pair)
        gate = self._gates.gate(pair)
        if price is not None and (gate.price is None or pair in self._closed):
            gate.check.told(price)
        self._closed.discard(pair)
        await self._exchange.watch(pair)
