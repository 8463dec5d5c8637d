import re

from naivectl.render import Column, Table
from naivectl.terminal import lines

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def test_a_drawing_fits_the_screen_it_is_for():
    table = Table([Column("NAME"), Column("N", number=True)], [["x" * 50, str(number)] for number in range(100)])
    drawn = lines([table], "headline", 40, 10)
    assert len(drawn) == 10
    assert all(len(_COLOUR.sub("", line)) <= 40 for line in drawn)


def test_a_terminal_gets_colour_and_a_headline(daemon, on_terminal, read_until):
    process, terminal = on_terminal("status")
    text = read_until(terminal)
    assert process.wait(10) == 0
    assert "\x1b[32mtrading" in text
    assert "simulator  ready" in text


def test_no_color_is_honoured(daemon, on_terminal, read_until):
    _, terminal = on_terminal("status", "ETHUSDT", NO_COLOR="1")
    text = read_until(terminal)
    assert "trading" in text
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", text)


def test_a_dumb_terminal_gets_plain_columns(daemon, on_terminal, read_until):
    _, terminal = on_terminal("status", TERM="dumb")
    assert "\x1b" not in read_until(terminal)


def test_hostile_text_reaches_no_terminal(daemon, on_terminal, read_until, row):
    daemon.rows = [row("ETHUSDT", "faulted", reason="\x1b[2J[bold]\x9b\u202e")]
    _, terminal = on_terminal("status", NO_COLOR="1")
    text = read_until(terminal)
    assert "\x1b[2J" not in text
    assert "\\x1b[2J[bold]\\x9b\\u202e" in text


def test_json_is_json_on_a_terminal_too(daemon, on_terminal, read_until):
    _, terminal = on_terminal("status", "--json")
    assert read_until(terminal).startswith('{"v":1,')
