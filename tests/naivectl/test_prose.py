import os
import pty

from naivectl.prose import say, wrapped


def test_a_sentence_is_wrapped_at_words():
    text = "ETHUSDT: stopped; nothing remains open at the exchange; 0.37 ETH stay unsold"
    assert wrapped(text, 40) == [
        "ETHUSDT: stopped; nothing remains open",
        "    at the exchange; 0.37 ETH stay",
        "    unsold",
    ]


def test_a_command_is_never_broken():
    text = "ETHUSDT: 0.37 ETH stay unsold: `naivectl start ETHUSDT` or `naivectl shutdown ETHUSDT` sells them"
    assert wrapped(text, 40) == [
        "ETHUSDT: 0.37 ETH stay unsold:",
        "    `naivectl start ETHUSDT` or",
        "    `naivectl shutdown ETHUSDT` sells",
        "    them",
    ]
    assert (
        wrapped("see `naivectl settings ETHUSDT --budget 1000`", 20)[1]
        == "    `naivectl settings ETHUSDT --budget 1000`"
    )


def test_wide_characters_count_twice():
    assert wrapped("币安人生USDT trades now", 20) == ["币安人生USDT trades", "    now"]


def test_a_pipe_gets_one_line_and_a_terminal_several(capfd, monkeypatch):
    text = "naivectl: " + "a long story " * 10 + "ends"
    say(text)
    assert capfd.readouterr().out == text + "\n"
    ours, theirs = pty.openpty()
    monkeypatch.setenv("COLUMNS", "40")
    with os.fdopen(theirs, "w") as terminal:
        say(text, terminal)
        terminal.flush()
        shown = os.read(ours, 4096).decode()
    os.close(ours)
    assert max(map(len, shown.splitlines())) <= 40
    assert " ".join(shown.split()) == text
