"""The profit of the day, from 00:00 UTC. The leader counts it, and the database in the same way."""

from naived.core.amount import Money

DAY = 86_400_000  # ms


def counted_in_day(day: int, total: Money, profit: Money, now: int) -> tuple[int, Money]:
    """The newest day and its profit, after a profit at ``now`` (ms); one of an earlier day changes nothing."""
    today = now // DAY
    if today < day:
        return day, total
    return today, Money(profit + (total if today == day else 0))
