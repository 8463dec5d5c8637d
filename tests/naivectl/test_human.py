"""What the verbs print on a real terminal."""

import re

import pytest

from naivectl.cells import width

_CODES = re.compile(r"\x1b\[[0-9;]*m")
_COLOURS = re.compile(r"\x1b\[(?:[0-9]+;)*[34][0-7][;m]")


def plain(text):
    return _CODES.sub("", text).replace("\r\n", "\n")


@pytest.fixture
def shown(daemon, on_terminal, read_until):
    def show(*arguments, columns=80, **environment):
        process, terminal = on_terminal(*arguments, size=(columns, 24), **environment)
        text = read_until(terminal)
        assert process.wait(10) == 0
        assert max(map(width, plain(text).splitlines()), default=0) <= columns
        return text

    return show


def test_a_terminal_gets_colour_and_the_daemon_in_one_line(shown):
    text = shown("status")
    assert "\x1b[32mtrading" in text
    assert plain(text).startswith("naived 0.1.0  simulator  sqlite")


def test_no_color_keeps_bold_and_dim(shown):
    text = shown("status", "ETHUSDT", NO_COLOR="1")
    assert not _COLOURS.search(text)
    assert "\x1b[1mETHUSDT" in text


def test_a_dumb_terminal_gets_plain_columns(shown):
    """They are those of a pipe, which has every setting in a row."""
    assert "\x1b" not in shown("settings", columns=150, TERM="dumb")


def test_hostile_text_reaches_no_terminal(shown, daemon, row):
    evil = "\x1b[2J[bold]\x9b\u202e"
    daemon.rows = [row("ETHUSDT", "faulted", reason=evil, next_step=evil, quote=evil, base=evil, node=evil)]
    for arguments in (["status"], ["status", "ETHUSDT"]):
        text = shown(*arguments)
        assert "\x1b[2J" not in text
        assert "\\x1b[2J[bold]\\x9b\\u202e" in plain(text)


def test_numbers_that_are_none_are_shown_as_nothing(shown, daemon, row):
    daemon.rows = [
        row("ETHUSDT", "trading", last_price="1e999999", budget="NaN", realized_profit="Infinity", tick="\x1b[2J"),
        row("BTCUSDT", "off", last_price=[], last_trade_at={}, held_cost="1" * 500, chunks="x", base=5, halt=7),
    ]
    assert "ETHUSDT" in plain(shown("status"))
    assert "BTCUSDT" in plain(shown("status", "BTCUSDT"))


def test_without_utf_8_what_cannot_be_written_is_escaped(shown, daemon, row):
    daemon.rows = [row("币安人生USDT", "off")]
    text = plain(shown("status", PYTHONIOENCODING="ascii"))
    assert text.isascii()
    assert "\\u5e01\\~fUSDT" in text or "~" in text


def test_json_is_json_on_a_terminal_too(daemon, on_terminal, read_until):
    _, terminal = on_terminal("status", "--json")
    assert read_until(terminal).startswith('{"v":1,')


def test_one_symbol_is_its_ladder_with_whole_ids_and_events(shown, daemon):
    event = {
        "at": "2026-11-22T07:00:05.000Z",
        "symbol": "ETHUSDT",
        "kind": "finished",
        "message": "ETHUSDT-16: good",
    }
    daemon.answers["events"] = {"v": 1, "events": [event], "next": None}
    text = plain(shown("status", "ethusdt"))
    assert "BTCUSDT" not in text
    assert "  17      selling  2,689.45  +0.21%    0.0744    0%" in text
    assert "  sell 17  - " in text
    assert "07:00:05  finished   16: good" in text
    assert daemon.calls[-1][1]["limit"] == 10


ORDER = {
    "symbol": "BTCUSDT",
    "trader": "BTCUSDT-41",
    "side": "sell",
    "client_order_id": "n15r6u-dhb7j56tc5p37ohcflvxkiuida",
    "order_id": 2,
    "price": "97356.12",
    "quantity": "0.00207",
    "executed": "0",
    "state": "open",
    "fence_at": None,
    "created_at": "2026-11-22T07:00:00.000Z",
    "updated_at": "2026-11-22T07:00:00.000Z",
}


def test_orders_have_the_id_that_people_type(shown, daemon):
    daemon.answers["orders"] = {"v": 1, "orders": [ORDER], "next": None}
    heading, line = plain(shown("orders")).splitlines()
    assert heading.split() == ["AGE", "TRADER", "SIDE", "PRICE", "QUANTITY", "DONE", "STATE", "ID"]
    assert line.split()[1:] == ["BTCUSDT-41", "sell", "97,356.12", "0.00207", "0%", "open", "dhb7j56t"]


@pytest.mark.parametrize(
    ("verb", "key", "text"),
    [
        ("orders", "orders", "No orders yet.\n"),
        ("trades", "trades", "No finished cycles yet; 1 trader is selling (naivectl status).\n"),
        ("events", "events", "No events.\n"),
    ],
)
def test_nothing_is_said_in_words(shown, daemon, naivectl, verb, key, text):
    daemon.answers[verb] = {"v": 1, key: [], "next": None}
    assert plain(shown(verb)) == text
    assert len(naivectl(verb).out.splitlines()) <= 1  # a pipe has nothing but the heading


@pytest.mark.parametrize(
    ("verb", "since", "text"),
    [
        ("events", "2026-11-28T14:00:00Z", "No events since 2026-11-28 14:00 UTC.\n"),
        ("events", "2026-11-28T23:00:00+05:00", "No events since 2026-11-28 18:00 UTC.\n"),
        ("orders", "20261128T105109Z", "No orders since 2026-11-28 10:51 UTC.\n"),
        ("trades", "2026-11-28T14:00:00Z", "No finished cycles since 2026-11-28 14:00 UTC; 1 trader is selling.\n"),
    ],
)
def test_a_list_of_nothing_names_the_time(shown, daemon, verb, since, text):
    daemon.answers[verb] = {"v": 1, verb: [], "next": None}
    assert plain(shown(verb, "--since", since)).startswith(text)


def test_a_list_of_nothing_since_today_names_the_time_alone(shown, daemon):
    daemon.answers["events"] = {"v": 1, "events": [], "next": None}
    assert re.fullmatch(r"No events since \d\d:\d\d UTC\.\n", plain(shown("events", "--since", "0s")))


def test_settings_of_one_say_what_each_does(shown, daemon, done):
    settings = {
        **{"chunks": 5, "budget": "1000", "buy_down": "0.0001", "profit": "0.001"},
        **{"rebuy": "0.006", "reprice": "0"},
    }
    daemon.answers["settings"] = {"v": 1, "results": [done("ETHUSDT", changed=False, settings=settings)]}
    text = plain(shown("settings", "ETHUSDT"))
    assert text.startswith("ETHUSDT is off. What stands above the line, running traders keep as it was.\n")
    assert "  budget         1,000        at most tied up; 200.00 a trader\n" in text
    assert "  reprice        off " in text
    assert "SYMBOL" in plain(shown("settings"))


def test_followed_events_are_lines_with_their_day(home, fake_daemon, serving, on_terminal, read_until):
    with serving(fake_daemon(), home / "control.sock") as publish:
        publish(0, "ETHUSDT", "kind", "before")
        process, terminal = on_terminal("events", "-f")
        assert "kind       before" in plain(read_until(terminal, lambda text: "before" in text))
        publish(86_400_000, "ETHUSDT", "kind", "after")
        assert "-- 1970-01-02 UTC\n00:00:00  ETHUSDT  kind       after" in plain(
            read_until(terminal, lambda text: "after" in text)
        )
        process.terminate()
        process.wait(10)
