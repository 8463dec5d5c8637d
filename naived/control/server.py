"""The control socket: who may connect, how much one connection may cost, and how answers and streams leave.

The server knows nothing of the runtime: all it calls is a `Service`.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from naived.control.events import EventLog

Document = dict[str, Any]  # JSON-able; decimals are texts


class Service(Protocol):
    """What the socket is a window to. Documents are those of CONTRACT.md, ``"v": 1`` included.

    Parameters come parsed and complete (`requests.METHODS`): ``symbols`` is a tuple of upper-case names, ``all``,
    ``wait`` and ``keep_buys`` are bool, ``timeout`` is seconds or None (without end), ``request_id``,
    ``client_order_id`` a text or None, ``limit``, ``after`` a whole number or None, ``since`` milliseconds or None;
    ``cancel``, ``for`` and ``action`` are one of their words. Of `protocol.SETTINGS` only those sent are there:
    ``chunks`` as an int, decimals and rates as the texts a person wrote.
    """

    @property
    def events(self) -> EventLog:
        """Where the runtime publishes what happens; the server follows it for `events` with ``follow``."""
        ...

    def status(self, symbols: Sequence[str]) -> Document:
        """The `status` document, of every symbol if none is named, from memory; raises ControlError."""
        ...

    async def call(self, method: str, params: Document) -> Document:
        """Answer any other method; raises ControlError when nothing was done for any symbol.

        ``hello``: {server, instance_id, pid, state, db, started_at}; the server adds the protocol's part.
        ``start stop shutdown settings resolve wait``: a document whose ``results`` has one entry a symbol, in which
        ``error`` is None or `ControlError.document()`; it returns, and does not raise, when only some failed. It
        keeps track of the change by itself: a caller that is cancelled, gone or timed out undoes nothing.
        ``orders trades events``: at most `protocol.MAX_ROWS` rows, oldest first, and ``"next"``: the ``after`` that
        asks for the rows behind the last one, None if there is none. ``limit`` without ``after`` means the newest
        so many, which may be more than one document holds; with ``after`` the next so many.
        """
        ...
