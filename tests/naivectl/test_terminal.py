import re

from naivectl.table import Column, Table
from naivectl.terminal import lines

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def plain(tables, width, height=10):
    return [_COLOUR.sub("", line).rstrip() for line in lines(tables, "headline", width, height)]


def test_a_drawing_is_no_higher_than_the_screen():
    table = Table([Column("N", number=True)], [[str(number)] for number in range(100)])
    assert len(plain([table], 40)) == 10


def test_on_a_narrow_screen_prose_is_broken_and_nothing_is_left_out():
    table = Table([Column("BUY PRICE"), Column("REASON", prose=True)], [["1 2 3", "the exchange is away"]])
    assert plain([table], 80)[2:] == ["BUY PRICE  REASON", "1 2 3      the exchange is away"]
    assert plain([table], 24)[3:] == ["1 2 3      the exchange", "           is away"]
    assert plain([table], 5)[2:4] == ["BUY PRICE  REASON", "1 2 3      the"]


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
    assert "\x1b" not in text


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
