import pytest
from hypothesis import given
from hypothesis import strategies as st

from naived.core.amount import (
    SCALE,
    AmountError,
    Price,
    Quantity,
    amount_up,
    format_amount,
    format_wire,
    money_down,
    money_up,
    parse_amount,
    parse_money,
    parse_price,
    parse_quantity,
    parse_rate,
    parse_whole,
    price_down,
    price_up,
    quantity_down,
    quantity_up,
    value_down,
    value_up,
)

numerators = st.integers(-(10**30), 10**30)
denominators = st.integers(1, 10**20)
steps = st.integers(1, 10**12)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("2683.80", 268_380_000_000),
        ("0.00000001", 1),
        ("0.10000000000", 10_000_000),
        ("00012", 12 * SCALE),
        ("99999999999999999999", 99_999_999_999_999_999_999 * SCALE),
    ],
)
def test_a_decimal_is_read_exactly(text: str, value: int) -> None:
    assert parse_price(text) == value
    assert parse_quantity(text) == value
    assert parse_amount(text) == value
    assert parse_money(text) == value
    assert parse_rate(text) == value


@pytest.mark.parametrize(
    "text",
    ["", ".", "1.", ".5", "1e3", "+1", "-1", " 1", "1 ", "1,5", "1_000", "0x1", "nan", "Infinity", "1.2.3", "٣"],
)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(AmountError, match="is not a plain decimal"):
        parse_price(text)


def test_a_ninth_decimal_is_refused_rather_than_rounded() -> None:
    with pytest.raises(AmountError, match="more than 8 decimals"):
        parse_quantity("0.006316659")


@pytest.mark.parametrize("text", ["", "-", "--1", "+1", "1.0", "1e3", " 1", "1 ", "1_000", "0x1", "٣", "1" * 21])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(AmountError, match="is not a whole number"):
        parse_whole(text)


def test_a_number_longer_than_the_exchange_writes_is_refused() -> None:
    with pytest.raises(AmountError, match="is too large: more than 20 digits before the point"):
        parse_price("1" * 21)


@pytest.mark.parametrize("letter", ["x", "9"])
def test_a_refusal_quotes_no_more_than_the_beginning_of_a_long_text(letter: str) -> None:
    with pytest.raises(AmountError) as caught:
        parse_price(letter * 10_000)
    assert len(str(caught.value)) < 100


def test_only_money_may_be_negative() -> None:
    assert parse_money("-0.01") == -1_000_000
    with pytest.raises(AmountError):
        parse_money("--1")
    with pytest.raises(AmountError):
        parse_amount("-0.01")


def test_a_rate_may_be_a_percentage() -> None:
    assert parse_rate("0.1%") == parse_rate("0.001") == 100_000
    assert parse_rate("0.000001%") == 1
    with pytest.raises(AmountError, match="more than 8 decimals"):
        parse_rate("0.0000001%")


@pytest.mark.parametrize(
    ("value", "text", "wire"),
    [
        (0, "0", "0.00000000"),
        (1, "0.00000001", "0.00000001"),
        (268_380_000_000, "2683.8", "2683.80000000"),
        (100 * SCALE, "100", "100.00000000"),
    ],
)
def test_an_amount_is_written_short_for_people_and_long_for_the_exchange(value: int, text: str, wire: str) -> None:
    assert format_amount(value) == text
    assert format_wire(value) == wire


def test_a_negative_amount_keeps_its_sign_below_one() -> None:
    assert format_amount(-1) == "-0.00000001"
    assert format_amount(-150_000_000) == "-1.5"


@given(st.integers(-(10**27), 10**27))
def test_what_is_written_is_read_back(value: int) -> None:
    assert parse_money(format_amount(value)) == value
    assert parse_amount(format_wire(abs(value))) == abs(value)


@given(numerators, denominators, steps)
def test_rounding_never_goes_the_wrong_way_nor_further_than_one_step(
    numerator: int, denominator: int, step: int
) -> None:
    for down, up in (
        (price_down(numerator, denominator, Price(step)), price_up(numerator, denominator, Price(step))),
        (
            quantity_down(numerator, denominator, Quantity(step)),
            quantity_up(numerator, denominator, Quantity(step)),
        ),
    ):
        assert down % step == up % step == 0
        assert down * denominator <= numerator <= up * denominator
        assert numerator < (down + step) * denominator
        assert numerator > (up - step) * denominator


@given(numerators, denominators)
def test_money_is_rounded_to_its_last_decimal(numerator: int, denominator: int) -> None:
    down, up = money_down(numerator, denominator), money_up(numerator, denominator)
    assert down * denominator <= numerator < (down + 1) * denominator
    assert (up - 1) * denominator < numerator <= up * denominator
    assert amount_up(numerator, denominator) == up


def test_a_product_with_nine_decimals_is_rounded_as_asked() -> None:
    price, quantity = parse_price("0.05123"), parse_quantity("0.1233")  # G14: 0.006316659
    assert format_amount(value_down(price, quantity)) == "0.00631665"
    assert format_amount(value_up(price, quantity)) == "0.00631666"
