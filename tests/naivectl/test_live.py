import signal

import pytest

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"
WRAP = "\x1b[?7h"


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_live_view_gives_the_terminal_back(daemon, read_until, on_terminal, row, signum, code):
    process, terminal = on_terminal("status", "--live")
    assert ENTER in read_until(terminal, lambda text: "BTCUSDT" in text)
    daemon.rows = [row("NEWUSDT", "trading")]
    redrawn = read_until(terminal, lambda text: "NEWUSDT" in text)
    assert "\x1b[H" in redrawn
    assert LEAVE not in redrawn
    process.send_signal(signum)
    left = read_until(terminal)
    assert WRAP in left
    assert left.endswith(LEAVE)
    assert process.wait(10) == code


def test_a_live_view_gives_the_terminal_back_when_the_daemon_goes(
    home, fake_daemon, serving, on_terminal, read_until
):
    with serving(fake_daemon(), home / "control.sock"):
        process, terminal = on_terminal("status", "--live")
        read_until(terminal, lambda text: "BTCUSDT" in text)
    text = read_until(terminal)
    assert process.wait(10) == 7
    assert "went away" in text.rpartition(LEAVE)[2]
