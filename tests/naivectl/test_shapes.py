"""What a document must have, and what it may have."""

import pytest

from naivectl.shapes import SHAPES, Maybe, fits


@pytest.mark.parametrize(
    ("value", "shape", "right"),
    [
        (1, int, True),
        ("1", int, False),
        ([], [int], True),
        ([1, "2"], [int], False),
        ({"a": 1, "more": 2}, {"a": int}, True),
        ({}, {"a": object}, False),
        ({}, {"a": Maybe(int)}, True),
        ({"a": None}, {"a": Maybe(int)}, True),
        ({"a": "1"}, {"a": Maybe(int)}, False),
        ([], {}, False),
        (None, [int], False),
    ],
)
def test_a_value_fits_its_shape_or_not(value: object, shape: object, right: bool) -> None:
    assert fits(value, shape) is right


def test_fields_that_a_later_daemon_adds_are_welcome() -> None:
    assert fits({"v": 1, "symbols": [], "daemon": {"new": 1}, "new": [1]}, SHAPES["status"])
