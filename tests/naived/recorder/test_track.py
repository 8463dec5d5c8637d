from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from naived.core.amount import Price, Quantity
from naived.recorder.layout import Cause, Gap, Trade
from naived.recorder.track import Entry, Track

START = 1_795_867_200_000_000


def trade(number: int, time: int | None = None) -> Trade:
    """Trades of one second's distance."""
    when = START + 1_000_000 * number if time is None else time
    return Trade(number, Price(number + 1), Quantity(1), when, False)


class Written:
    """A track, and what it wrote: ids of trades, and gaps as (first, last, cause)."""

    def __init__(self, last: int | None = None) -> None:
        self.entries: list[Entry] = []
        self.track = Track(None if last is None else trade(last), self.entries.append)

    @property
    def ids(self) -> list[int]:
        return [each.id for each in self.entries if isinstance(each, Trade)]

    @property
    def gaps(self) -> list[tuple[int, int, Cause]]:
        return [(each.from_id, each.to_id, each.cause) for each in self.entries if isinstance(each, Gap)]

    def take(self, *numbers: int) -> None:
        for number in numbers:
            self.track.take(trade(number))

    def fill(self, *numbers: int) -> None:
        self.track.fill([trade(number) for number in numbers])


def test_trades_in_order_are_written_as_they_come() -> None:
    written = Written()
    written.take(7, 8, 9)
    assert (written.ids, written.gaps, written.track.asking) == ([7, 8, 9], [], None)


def test_a_double_is_dropped_and_counted() -> None:
    written = Written(last=6)
    written.take(7, 7, 6, 8)
    assert written.ids == [7, 8]
    assert written.track.doubles == 2


def test_trades_behind_a_gap_are_held_until_it_is_filled() -> None:
    written = Written()
    written.take(1, 4, 5)
    assert written.ids == [1]
    assert written.track.asking == Gap(2, 3, trade(1).time, trade(4).time, Cause.SEQUENCE)
    assert (written.track.next_id, written.track.held) == (2, 2)
    written.fill(2)
    assert written.ids == [1, 2]
    written.fill(3, 4, 5, 6)
    assert (written.ids, written.gaps, written.track.held) == ([1, 2, 3, 4, 5], [], 0)
    written.take(6)
    assert written.ids[-1] == 6


def test_what_the_exchange_does_not_have_is_a_gap() -> None:
    written = Written()
    written.take(1, 6)
    written.fill(3)
    written.track.give_up()
    assert written.ids == [1, 3, 6]
    assert written.gaps == [(2, 2, Cause.SEQUENCE), (4, 5, Cause.SEQUENCE)]
    assert [type(each) for each in written.entries] == [Trade, Gap, Trade, Gap, Trade]


def test_a_gap_among_what_was_held_is_asked_for_next() -> None:
    written = Written()
    written.take(1, 3, 6, 7)
    written.track.give_up()
    assert written.ids == [1, 3]
    assert written.track.asking == Gap(4, 5, trade(3).time, trade(6).time, Cause.SEQUENCE)
    written.fill(4, 5)
    assert written.ids == [1, 3, 4, 5, 6, 7]


def test_the_cause_of_a_gap_is_what_happened_first_since_the_last_trade() -> None:
    written = Written(last=1)
    written.take(3)
    written.track.give_up()
    written.track.lost(Cause.CONNECTION)
    written.track.lost(Cause.FULL)
    written.take(5)
    written.track.give_up()
    written.take(7)
    written.track.give_up()
    causes = [cause for _, _, cause in written.gaps]
    assert causes == [Cause.NOT_RUNNING, Cause.CONNECTION, Cause.SEQUENCE]


def test_a_loss_after_which_nothing_is_missing_leaves_no_trace() -> None:
    written = Written(last=1)
    written.take(2)
    written.track.lost(Cause.CONNECTION)
    written.take(3, 5)
    assert written.track.asking is not None
    assert written.track.asking.cause is Cause.SEQUENCE


def test_one_absurd_id_is_no_gap() -> None:
    written = Written(last=1)
    written.track.take(trade(2**62, START + 10_000_000))
    written.take(2, 3)
    assert (written.ids, written.gaps) == ([2, 3], [])


def test_an_absence_of_more_than_a_million_trades_is_a_gap_from_the_second_trade_on() -> None:
    written = Written(last=1)
    written.take(5_000_000)
    assert written.track.asking is None
    written.take(5_000_001)
    assert written.track.asking == Gap(2, 4_999_999, trade(1).time, trade(5_000_000).time, Cause.NOT_RUNNING)
    written.track.give_up()
    assert written.ids == [5_000_000, 5_000_001]


def test_ids_that_began_again_are_told_before_their_trades() -> None:
    written = Written(last=1000)
    late = START + 2_000_000_000
    written.track.take(trade(1, late))
    written.track.take(trade(2, late))
    written.track.take(trade(4, late + 1))
    assert written.entries[0] == Gap(1001, 0, trade(1000).time, late, Cause.RESTART)
    assert written.ids == [1, 2]
    assert written.track.asking is not None
    assert written.track.asking.from_id == 3


def test_ids_that_begin_again_end_what_is_asked_for() -> None:
    written = Written(last=1000)
    written.take(1005, 1008)
    late = START + 2_000_000_000
    written.track.take(trade(1, late))
    written.track.take(trade(2, late))
    assert written.ids == [1005, 1008, 1, 2]
    assert written.gaps == [
        (1001, 1004, Cause.NOT_RUNNING),
        (1006, 1007, Cause.SEQUENCE),
        (1009, 0, Cause.RESTART),
    ]


def test_an_answer_that_nobody_waits_for_changes_nothing() -> None:
    written = Written(last=1)
    written.fill(2, 3)
    written.track.give_up()
    assert written.entries == []


@given(
    first=st.integers(1, 40),
    stream=st.lists(st.one_of(st.integers(1, 60), st.sampled_from(["fill", "lost", "late"])), max_size=80),
    known=st.sets(st.integers(1, 60)),
    page=st.integers(1, 7),
)
def test_each_id_is_written_once_or_in_one_gap_and_ids_rise(
    first: int, stream: Iterable[int | str], known: set[int], page: int
) -> None:
    written = Written(last=first)
    for each in stream:
        match each:
            case "fill":
                ask(written, known, page)
            case "lost":
                written.track.lost(Cause.CONNECTION)
            case "late":
                written.track.give_up()
            case int(number):
                written.take(number)
    while written.track.asking is not None:
        ask(written, known, page)
    assert written.ids == sorted(set(written.ids))
    missing = [number for low, high, _ in written.gaps for number in range(low, high + 1)]
    last = written.ids[-1] if written.ids else first
    assert sorted(written.ids + missing) == list(range(first + 1, last + 1))


def ask(written: Written, known: set[int], page: int) -> None:
    """As the filler does, with a history that has the ids ``known``."""
    gap = written.track.asking
    if gap is None:
        return
    rows = sorted(number for number in known if number >= written.track.next_id)[:page]
    written.fill(*rows)
    if written.track.asking is gap and (len(rows) < page or rows[-1] > gap.to_id):
        written.track.give_up()
