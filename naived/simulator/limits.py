"""Rate limits: clock-aligned windows of request weight, unfilled orders and connections.

This exchange has one client address and one account, so every count is global.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from naived.simulator.errors import ApiError

_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86_400}
_BAN = 120_000  # milliseconds: the shortest ban that is documented
_BAN_FACTOR = 2  # a client above this many times the limit is banned


@dataclass(slots=True)
class _Window:
    kind: str
    interval: str
    number: int
    limit: int
    began: int = 0
    count: int = 0

    def roll(self, now: int) -> None:
        began = now - now % self.length
        if began != self.began:
            self.began, self.count = began, 0

    @property
    def length(self) -> int:
        return _SECONDS[self.interval] * self.number * 1000

    @property
    def name(self) -> str:
        return f"{self.number} {self.interval}"

    def row(self) -> dict[str, Any]:
        return {
            "rateLimitType": self.kind,
            "interval": self.interval,
            "intervalNum": self.number,
            "limit": self.limit,
            "count": self.count,
        }


class Limits:
    """Counts always; refuses only when ``enforced``. Times are milliseconds of server time."""

    def __init__(self, rows: Iterable[Mapping[str, Any]], *, enforced: bool) -> None:
        self._windows = [
            _Window(row["rateLimitType"], row["interval"], row["intervalNum"], row["limit"]) for row in rows
        ]
        self._enforced = enforced
        self._banned_until = 0

    def take_weight(self, weight: int, now: int) -> None:
        """Count a request; raises ApiError -1003 (429, or 418 while banned) if it exceeds the limit."""
        if now < self._banned_until:
            raise self._banned(now)
        for window in self._of("REQUEST_WEIGHT", now):
            window.count += weight
            if not self._enforced or window.count <= window.limit:
                continue
            if window.count > _BAN_FACTOR * window.limit:
                raise self.ban(now, now + _BAN)
            text = (
                f"Too much request weight used; current limit is {window.limit} request weight per "
                f"{window.name}. Please use WebSocket Streams for live updates to avoid polling the API."
            )
            raise ApiError(-1003, text, 429, _retry(now, window.began + window.length))

    def ban(self, now: int, until: int) -> ApiError:
        """Refuse every request before ``until``; returns the refusal."""
        self._banned_until = until
        return self._banned(now)

    def count_weight(self, change: int, now: int) -> None:
        """Change the count without a refusal: for a connection, or to give back the weight of a free request."""
        for window in self._of("REQUEST_WEIGHT", now):
            window.count = max(window.count + change, 0)

    def check_order(self, now: int) -> None:
        """Raises ApiError -1015 (429) if one more unfilled order would exceed the limit."""
        for window in self._of("ORDERS", now):
            if self._enforced and window.count >= window.limit:
                text = f"Too many new orders; current limit is {window.limit} orders per {window.name}."
                raise ApiError(-1015, text, 429, _retry(now, window.began + window.length))

    def count_order(self, change: int, now: int) -> None:
        """Change the count of unfilled orders: up with a new order, down with a first fill."""
        for window in self._of("ORDERS", now):
            window.count = max(window.count + change, 0)

    def connect(self, now: int) -> bool:
        """Count a connection attempt; False if it exceeds the limit."""
        allowed = True
        for window in self._of("CONNECTIONS", now):
            window.count += 1
            allowed = allowed and window.count <= window.limit
        return allowed or not self._enforced

    def rows(self, now: int, *, kinds: Sequence[str]) -> list[dict[str, Any]]:
        """The rows of these kinds, as ``rateLimits`` of an answer has them."""
        return [window.row() for kind in kinds for window in self._of(kind, now)]

    def _of(self, kind: str, now: int) -> list[_Window]:
        found = [window for window in self._windows if window.kind == kind]
        for window in found:
            window.roll(now)
        return found

    def _banned(self, now: int) -> ApiError:
        text = (
            f"Way too much request weight used; IP banned until {self._banned_until}. "
            "Please use WebSocket Streams for live updates to avoid bans."
        )
        return ApiError(-1003, text, 418, _retry(now, self._banned_until))


def _retry(now: int, at: int) -> dict[str, int]:
    return {"serverTime": now, "retryAfter": at}
