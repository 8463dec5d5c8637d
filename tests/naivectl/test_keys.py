import pytest
from hypothesis import given
from hypothesis import strategies as st

from naivectl.keys import Keys


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        (b"j", ["j"]),
        (b"\x1b[A\x1b[B", ["up", "down"]),
        (b"\x1bOA\x1bOB", ["up", "down"]),
        (b"\x1b[5~\x1b[6~", ["page up", "page down"]),
        (b"\x1b[H\x1b[F\x1b[1~\x1b[4~", ["home", "end", "home", "end"]),
        (b"\r\n", ["enter", "enter"]),
        (b"\x7f\x08", ["backspace", "backspace"]),
        ("币".encode(), ["币"]),
        (b"\x1b\x1b[A", ["esc", "up"]),
        (b"\x1b[200~x", ["x"]),  # one that we have no use for
        (b"\x1bx", []),
        (b"\x01\x02", []),
    ],
)
def test_bytes_become_names_of_keys(typed, names):
    assert Keys().feed(typed) == names


def test_a_key_may_come_in_pieces():
    keys = Keys()
    assert keys.feed(b"\x1b") == keys.feed(b"[") == []
    assert keys.pending
    assert keys.feed(b"A") == ["up"]
    assert not keys.pending
    assert [keys.feed(bytes([byte])) for byte in "é".encode()] == [[], ["é"]]


def test_esc_is_alone_if_nothing_follows():
    keys = Keys()
    assert keys.feed(b"\x1b") == []
    assert keys.flush() == ["esc"]
    assert keys.flush() == []


@given(st.lists(st.binary(max_size=20)))
def test_no_bytes_are_an_error_or_more_than_a_character(chunks):
    keys = Keys()
    for chunk in chunks:
        for name in keys.feed(chunk):
            assert name.isprintable()
