"""Many fields at once mean what each means alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from naived.backtest.digits import PAD, Text
from naived.core.amount import AmountError, format_amount, format_wire, parse_price

LARGEST = 2**63 - 1
decimals = st.builds(
    lambda value, form: form(value), st.integers(0, 10**18 - 1), st.sampled_from([format_amount, format_wire])
)


def fields(texts: list[str]) -> tuple[Text, NDArray[np.int64], NDArray[np.int64]]:
    text = Text("".join(f"{text}," for text in texts).encode())
    ends = np.flatnonzero(text.bytes == ord(","))
    return text, np.append(PAD, ends[:-1] + 1), ends


def whole(texts: list[str]) -> list[int] | None:
    text, start, end = fields(texts)
    numbers = text.whole(start, end)
    return None if numbers is None else numbers.tolist()


def decimal(texts: list[str]) -> list[int] | None:
    text, start, end = fields(texts)
    numbers = text.decimal(start, end)
    return None if numbers is None else numbers.tolist()


@given(st.lists(st.integers(0, LARGEST) | st.integers(0, 10**8), min_size=1))
def test_whole_numbers_of_any_length_are_read_together(numbers: list[int]) -> None:
    assert whole([str(number) for number in numbers]) == numbers


@given(st.lists(decimals, min_size=1))
def test_decimals_of_any_form_are_read_together(texts: list[str]) -> None:
    assert decimal(texts) == [parse_price(text) for text in texts]


@given(st.text("0123456789.-+e ,x\0\xff", max_size=24).map(lambda text: text.replace(",", "")))
def test_whatever_is_read_means_what_it_means_alone(text: str) -> None:
    text = text.encode("latin-1", "replace").decode("ascii", "replace").replace("�", "?")
    among = decimal(["1.5", text, "2683.80000000"])
    if among is not None:
        assert among == [150_000_000, parse_price(text), 268_380_000_000]
    numbers = whole(["15", text, "123456789"])
    if numbers is not None:
        assert numbers == [15, int(text), 123_456_789]


@pytest.mark.parametrize(
    "text", ["", "x", "1x", "12345678x", "x12345678", "1-", "9223372036854775808", "1" * 20, "/", ":"]
)
def test_what_is_no_whole_number_of_64_bits_is_left_to_others(text: str) -> None:
    assert whole(["1", text]) is None
    assert whole([text]) is None


@pytest.mark.parametrize(
    "text", ["", ".", "1.", ".5", "1..5", "1.2.3", "-1", "1e5", "nan", "1.5x", "1.123456789", "10000000000"]
)
def test_what_is_no_plain_decimal_is_left_to_others(text: str) -> None:
    assert decimal(["1", text]) is None
    assert decimal(["1.00000000", text]) is None


@pytest.mark.parametrize("text", ["True", "true", "TRUE", "False", "false"])
def test_flags_have_any_case(text: str) -> None:
    flags, start, end = fields(["True", text])
    assert flags.flags(start, end)


@pytest.mark.parametrize("text", ["", "Tru", "Fals", "rue", "alse", "1", "None", "xTrue", "Truex", "Falsex"])
def test_what_is_neither_true_nor_false_is_no_flag(text: str) -> None:
    flags, start, end = fields(["True", text])
    assert not flags.flags(start, end)


def test_the_measure_itself_refuses_what_is_no_decimal() -> None:
    for text in ("1.", ".5", "-1", "1e5"):
        with pytest.raises(AmountError):
            parse_price(text)
