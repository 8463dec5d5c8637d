"""How often something may crash, and how long to wait before each restart. The supervisor uses it per symbol."""

from dataclasses import dataclass

_WINDOW = 600_000  # ms in which crashes count
_MOST = 5  # crashes in the window that still lead to a restart
_FIRST = 1_000  # ms before the first restart, doubled with each crash in the window
_LONGEST = 60_000  # ms


@dataclass(frozen=True, slots=True)
class Crashes:
    """The times of the recent crashes (ms of any monotonic clock)."""

    times: tuple[int, ...] = ()

    def add(self, now: int) -> "Crashes":
        """One more crash, at ``now``; crashes older than the window are dropped."""
        return Crashes((*(time for time in self.times if now - time < _WINDOW), now))

    @property
    def hopeless(self) -> bool:
        return len(self.times) > _MOST

    @property
    def pause(self) -> int:
        """ms to wait before the next try."""
        return min(_FIRST << max(len(self.times) - 1, 0), _LONGEST)
