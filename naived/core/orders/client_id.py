"""The ids under which our orders and cancels are known at the exchange.

    n1TAG-RANDOM      an order; TAG names the journal, RANDOM is 26 characters for 16 bytes
    n1TAG-RANDOM-x    the cancel of that order

At most 36 characters of ``[a-z0-9-]``, which is what Binance takes.
"""

import base64
import re
from enum import StrEnum

TAG = "n1"  # how every id of any naived begins
_CANCEL = "-x"
_OF_A_JOURNAL = re.compile(rf"{TAG}([a-z2-7]{{4}})-")


class Foreign(StrEnum):
    """What open orders with another journal's tag do to their symbol, see ``runtime/foreign_orders.py``."""

    BLOCKS = "blocks"
    IGNORED = "ignored"


def prefix(tag: str) -> str:
    """How the ids of the journal with this tag begin."""
    return f"{TAG}{tag}-"


def make(tag: str, random: bytes) -> str:
    """A new order's id."""
    return prefix(tag) + base64.b32encode(random).decode().rstrip("=").lower()


def cancel_id(client_order_id: str) -> str:
    """The id of the cancel of this order."""
    return client_order_id + _CANCEL


def is_cancel(client_order_id: str) -> bool:
    """Is this the id of a cancel of any naived?"""
    return is_naived(client_order_id) and client_order_id.endswith(_CANCEL)


def is_naived(client_order_id: str) -> bool:
    """Is this the id of an order or cancel of any naived, with any journal?

    What the exchange makes up for a person's orders and cancels is 22 letters and digits: it may begin alike.
    """
    return tag_of(client_order_id) is not None


def tag_of(client_order_id: str) -> str | None:
    """The tag of the journal that an order or cancel of some naived is from; None for any other id."""
    match = _OF_A_JOURNAL.match(client_order_id)
    return None if match is None else match[1]


def placed_id(client_order_id: str) -> str:
    """The id with which an order was placed: after our cancel the exchange reports the cancel's id instead."""
    return client_order_id.removesuffix(_CANCEL) if is_naived(client_order_id) else client_order_id
