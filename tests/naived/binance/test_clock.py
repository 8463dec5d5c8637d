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
