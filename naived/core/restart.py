"""How often something may crash before we give up on it."""

from dataclasses import dataclass

_WINDOW = 600_000  # ms in which crashes count
_MOST = 5  # crashes in the window that are still answered with a restart
_FIRST = 1_000  # ms before the first restart, doubled with each crash in the window
_LONGEST = 60_000  # ms


@dataclass(frozen=True, slots=True)
class Crashes:
    """When the recent ones were (ms of any steady clock)."""

    times: tuple[int, ...] = ()

    def add(self, now: int) -> "Crashes":
        """One more, at ``now``; those that left the window are forgotten."""
        return Crashes((*(time for time in self.times if now - time < _WINDOW), now))

    @property
    def hopeless(self) -> bool:
        return len(self.times) > _MOST

    @property
    def pause(self) -> int:
        """ms to wait before the next try."""
        return min(_FIRST << max(len(self.times) - 1, 0), _LONGEST)
