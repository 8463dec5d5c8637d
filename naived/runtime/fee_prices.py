"""Prices that are needed although no symbol that trades has them.

A fee in a third asset, such as BNB, is a cost, at its value when it was paid: the exchange pairs such an asset with
the quote asset (BNBUSDT). The account view says which to follow; symbols ask for the value of a fee when they book
a fill. So is the value of a quote asset in the account's currency, and of the coins of a symbol that is off.
"""

import math

import structlog
import trio

from naived.core.amount import SCALE, Money, Price, money_up
from naived.core.orders.report import Fill
from naived.ports import Exchange, ExchangeError, RefusedError
from naived.runtime.price_gate import PriceGates

_RETRY = 10.0  # seconds before a price that was not told is asked for again

log = structlog.get_logger()


class FeePrices:
    def __init__(self, exchange: Exchange, gates: PriceGates) -> None:
        self._exchange = exchange
        self._gates = gates
        self._followed: set[str] = set()
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
        """The last believed price of the asset in the quote asset, which is followed from now on; None before."""
        self.follow(asset, quote)
        return self._gates.gate(f"{asset}{quote}").price

    def value(self, fill: Fill, base: str, quote: str) -> Money | None:
        """What the fill's fee is worth in quote; None for a fee in base or quote, and if no price is known."""
        if not fill.fee or fill.fee_asset in (base, quote):
            return None
        price = self.price(fill.fee_asset, quote)
        return None if price is None else money_up(fill.fee * price, SCALE)

    async def _follow(self, pair: str) -> None:
        """Ask for the last price, then subscribe to trades."""
        gate = self._gates.gate(pair)
        while True:
            try:
                price = (await self._exchange.last_prices([pair])).get(pair)
                break
            except RefusedError as error:
                log.warning("its price is not followed", symbol=pair, error=str(error))
                return
            except ExchangeError:
                await trio.sleep(_RETRY)
        if gate.price is None and price is not None:
            gate.check.told(price)
        await self._exchange.watch(pair)
