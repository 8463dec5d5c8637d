from naived.core.restart import Crashes

MINUTE = 60_000


def crashed(*times: int) -> Crashes:
    crashes = Crashes()
    for time in times:
        crashes = crashes.add(time)
    return crashes


def test_each_crash_doubles_the_pause_up_to_a_minute() -> None:
    assert [crashed(*range(count)).pause for count in range(1, 9)] == [
        1_000,
        2_000,
        4_000,
        8_000,
        16_000,
        32_000,
        60_000,
        60_000,
    ]


def test_the_sixth_crash_in_ten_minutes_is_one_too_many() -> None:
    assert not crashed(0, 1, 2, 3, 4).hopeless
    assert crashed(0, 1, 2, 3, 4, 10 * MINUTE - 1).hopeless


def test_a_crash_is_forgotten_after_ten_minutes() -> None:
    crashes = crashed(0, 1, 2, 3, 4, 10 * MINUTE)
    assert not crashes.hopeless
    assert crashes.times == (1, 2, 3, 4, 10 * MINUTE)


def test_after_a_quiet_time_the_pause_is_short_again() -> None:
    assert crashed(0, 1, 2, 30 * MINUTE).pause == 1_000
