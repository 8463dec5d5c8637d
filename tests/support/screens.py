"""Documents of a daemon for the screens of `naivectl`, and what the screens must look like."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from naivectl.board import Board
from naivectl.cells import moment
from naivectl.paint import Medium
from naived.control.protocol import format_time

Document = dict[str, Any]

NOW = "2026-11-28T14:03:27.000Z"
NOW_SECONDS = moment(NOW) or 0.0

_PHASES = {"W": "waiting", "B": "buying", "H": "holding", "S": "selling", "!": "holding", "?": "buying"}


def ago(seconds: float) -> str:
    """The time so long before NOW."""
    return format_time(int((NOW_SECONDS - seconds) * 1000))


def order(price: str, state: str = "open", quantity: str = "1") -> Document:
    executed = quantity if state == "filled" else "0"
    name = "n15r6u-dhb7j56tc5p37ohcflvxkiuida"
    return {
        **{"client_order_id": name, "order_id": 1204, "price": price, "quantity": quantity},
        **{"executed": executed, "state": state},
    }


def traders(symbol: str, letters: str, buy: str, sell: str) -> Iterable[Document]:
    """One trader a letter, all with the same prices; a quarantined one has a buy that may be there or not."""
    for number, letter in enumerate(letters, 17):
        quarantined = letter == "!" and bool(buy)
        phase = "buying" if quarantined else _PHASES[letter]
        state = "quarantined" if quarantined else "unknown" if letter == "?" else "open"
        yield {
            "id": f"{symbol}-{number}",
            "phase": phase,
            "reason": "cannot sell" if phase == "holding" and letter == "!" else None,
            "since": ago(60),
            "rebuy_notified": False,
            "buy": None if phase == "waiting" else order(buy, state if phase == "buying" else "filled"),
            "sell": order(sell) if phase in ("selling", "holding") and sell else None,
        }


def symbol(name: str, state: str = "trading", letters: str = "", **more: Any) -> Document:
    """An entry of `status`; ``buy`` and ``sell`` are the prices of its orders, ``age`` is of its last trade."""
    quote = "BTC" if name.endswith("BTC") else "USDT"
    buy, sell, age = more.pop("buy", ""), more.pop("sell", ""), more.pop("age", 1.0)
    status = {"off": "off", "draining": "shutdown", "stopping": "off"}.get(state, "on")
    return {
        **{"symbol": name, "status": status, "state": state, "reason": None, "next_step": None, "halt": None},
        **{"chunks": 5, "budget": "1000", "cycles": 0, "base": name.removesuffix(quote), "quote": quote},
        **{"held": "0", "held_cost": "0", "tied_up": "0", "leftover": [], "last_trade_at": ago(age)},
        **{"realized_profit": "0", "profit_today": "0", "unrealized_profit": "0"},
        "traders": list(traders(name, letters, buy, sell)),
        **more,
    }


def daemon(**more: Any) -> Document:
    return {
        **{"version": "0.2.0", "pid": 4711, "started_at": ago(3 * 86_400 + 4 * 3_600), "exchange": "paper"},
        **{"database": "sqlite", "state": "ready", "reason": None, "exchange_state": "up", "halt": None},
        **more,
    }


def status(*symbols: Document, **more: Any) -> Document:
    return {"v": 1, "daemon": daemon(**more), "symbols": list(symbols)}


def board(*symbols: Document, directions: str = "", medium: Medium | None = None, **more: Any) -> Board:
    """A board of these symbols; of ``directions`` each character is how the price of one has moved."""
    made = Board(medium or Medium())
    if directions:
        moved = zip(symbols, directions, strict=True)
        made.take(status(*(_before(each, way) for each, way in moved), **more))
    made.take(status(*symbols, **more))
    return made


def _before(row: Document, way: str) -> Document:
    """The entry a tick ago."""
    ticks = {"▴": -1, "▾": 1, " ": 0}[way]
    return {**row, "last_price": str(Decimal(row["last_price"]) + ticks * Decimal(row["tick"]))} if ticks else row


def ten() -> list[Document]:
    """The symbols of the first picture: what is wrong, what waits, what works and what is off."""
    return [
        symbol(
            "ARBUSDT",
            "quarantined",
            "!S",
            reason="buy 7fh2mjs4 may rest at the exchange or not: it did not answer until 14:01:23.",
            next_step="naivectl why ARBUSDT 7fh2mjs4     then: naivectl resolve, see there",
            **{"last_price": "0.7312", "tick": "0.0001", "age": 0.9, "buy": "0.73", "sell": "0.74"},
            **{"realized_profit": "4.12", "held_cost": "199.9"},
        ),
        symbol(
            "DOGEUSDT",
            "degraded",
            "!",
            reason="cannot sell: the market is closed (BREAK) since 13:41:07. 1,085 DOGE held (199.80 USDT). "
            "Asked again every minute; nothing to do.",
            **{"last_price": "0.18413", "tick": "0.00001", "age": 23 * 60.0, "sell": "0.1921"},
            **{"realized_profit": "3.21", "held_cost": "199.8"},
        ),
        symbol(
            "XRPUSDT",
            "trading",
            "WSS",
            reason="waits for 200.00 USDT: 12.05 are free above the reserve. A sell that fills, or a deposit, "
            "ends it.",
            **{"last_price": "2.2134", "tick": "0.0001", "age": 0.4, "sell": "2.2201"},
            **{"realized_profit": "22.9", "profit_today": "0.41", "held_cost": "399.2"},
        ),
        symbol(
            "BTCUSDT",
            "trading",
            "BSS",
            **{"last_price": "97123.45", "tick": "0.01", "age": 0.2, "buy": "97113.74", "sell": "97356.12"},
            **{"realized_profit": "1118.04", "profit_today": "4.12", "held_cost": "399.61", "tied_up": "199.9"},
        ),
        symbol(
            "ETHUSDT",
            "trading",
            "WBSS",
            **{"last_price": "2683.8", "tick": "0.01", "age": 0.4, "buy": "2683.53", "sell": "2689.45"},
            **{"realized_profit": "61.77", "profit_today": "1.2", "held_cost": "401.14", "tied_up": "199.92"},
        ),
        symbol("SOLUSDT", "trading", "W", last_price="168.32", tick="0.01", age=0.1, realized_profit="9.3"),
        symbol(
            "BTTCUSDT",
            "trading",
            "B",
            **{"last_price": "0.00000052", "tick": "0.00000001", "age": 12.0, "buy": "0.00000051"},
            **{"realized_profit": "-0.00000001", "tied_up": "200"},
        ),
        symbol(
            "币安人生USDT",
            "trading",
            "BS",
            **{"last_price": "0.1873", "tick": "0.0001", "age": 1.2, "buy": "0.1872", "sell": "0.189"},
            **{"realized_profit": "1.02", "profit_today": "0.2", "held_cost": "199.9", "tied_up": "199.9"},
        ),
        symbol(
            "BNBUSDT",
            "draining",
            "S",
            **{"last_price": "612.4", "tick": "0.1", "age": 0.6, "sell": "613.5"},
            **{"realized_profit": "11.73", "held_cost": "199.98"},
        ),
        symbol("LINKUSDT", "off", last_price="13.91", tick="0.01", age=2.5 * 86_400, realized_profit="2.4"),
    ]
