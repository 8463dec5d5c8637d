from naived.binance.clock import ServerClock


class Time:
    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


def test_before_the_first_contact_it_is_the_local_clock():
    clock = ServerClock(monotonic=Time(), wall=lambda: 1_700_000_000.5)
    assert clock.now() == clock.latest() == 1_700_000_000_500


def test_it_runs_on_from_the_last_server_time_and_never_ahead_of_the_server():
    time = Time()
    clock = ServerClock(monotonic=time, wall=lambda: 0.0)
    asked_at = time.seconds
    time.seconds += 0.2  # the round trip: the server wrote its time somewhere in between
    clock.received(5_000_000, asked_at)
    assert clock.now() == 5_000_000
    time.seconds += 3
    assert clock.now() == 5_003_000


def test_the_latest_it_can_be_is_a_whole_round_trip_further():
    time = Time()
    clock = ServerClock(monotonic=time, wall=lambda: 0.0)
    asked_at = time.seconds
    time.seconds += 0.25
    clock.received(5_000_000, asked_at)
    assert 250 <= clock.latest() - clock.now() <= 252


def test_a_new_server_time_replaces_the_old_one_also_backwards():
    time = Time()
    clock = ServerClock(monotonic=time, wall=lambda: 0.0)
    clock.received(5_000_000, time.seconds)
    time.seconds += 10
    clock.received(5_009_000, time.seconds)
    assert clock.now() == 5_009_000


def read(clock, time, server_time, round_trip):
    """A reading that took so many seconds from the question to the answer."""
    asked_at = time.seconds
    time.seconds += round_trip
    clock.received(server_time, asked_at)


def test_a_slow_answer_does_not_replace_a_fresh_reading():
    time = Time()
    clock = ServerClock(monotonic=time, wall=lambda: 0.0)
    read(clock, time, 5_000_000, 0.01)
    read(clock, time, 5_000_005, 4.0)  # written at once, 4 s on its way back
    assert (clock.now(), clock.latest()) == (5_004_000, 5_004_011)
    time.seconds += 60
    read(clock, time, 5_064_005, 4.0)  # there is no better one any more
    assert clock.latest() - clock.now() == 4_001


def test_a_slow_answer_that_contradicts_what_was_known_counts():
    for server_time in (5_010_000, 4_990_000):  # this machine slept; the exchange set its clock back
        time = Time()
        clock = ServerClock(monotonic=time, wall=lambda: 0.0)
        read(clock, time, 5_000_000, 0.01)
        read(clock, time, server_time, 1.0)
        assert (clock.now(), clock.latest()) == (server_time, server_time + 1_001)


def test_how_far_the_servers_clock_is_ahead_lies_within_the_round_trip():
    time = Time()
    clock = ServerClock(monotonic=time, wall=lambda: 1_700_000_000.0)
    assert clock.ahead is None
    asked_at = time.seconds
    time.seconds += 0.2
    clock.received(1_700_000_001_000, asked_at)
    assert clock.ahead == (1000, 1201)


def test_a_clock_of_this_machine_that_is_wrong_is_told_until_it_is_set():
    time, wall = Time(), Time()
    clock = ServerClock(monotonic=time, wall=wall)
    wall.seconds = 1_700_000_000.0
    clock.received(1_700_000_030_000, time.seconds)
    assert clock.wrong is None
    wall.seconds += 3_600
    clock.received(1_700_000_000_000, time.seconds)
    assert clock.wrong is not None
    assert clock.wrong.startswith("this machine's clock is 3600 s ahead of the exchange's: set it")
    wall.seconds -= 3_900
    clock.received(1_700_000_000_000, time.seconds)
    assert clock.wrong is not None
    assert "300 s behind" in clock.wrong
    wall.seconds += 300
    clock.received(1_700_000_000_000, time.seconds)
    assert clock.wrong is None
