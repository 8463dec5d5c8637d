from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naivectl import cells


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (-5, "0.0s"),
        (0.25, "0.2s"),
        (9.99, "9.9s"),
        (12.7, "12s"),
        (59.9, "59s"),
        (60, "1m"),
        (23 * 60 + 59, "23m"),
        (4 * 3600, "4h"),
        (12.5 * 86400, "12d"),
    ],
)
def test_an_age_is_one_number_and_one_letter(seconds, text):
    assert cells.age(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.2, "4s"), (61, "1m"), (3 * 3600 + 240, "3h 4m"), (3 * 86400 + 4 * 3600, "3d 4h")]
)
def test_an_uptime_has_two_numbers_from_an_hour_on(seconds, text):
    assert cells.uptime(seconds) == text


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        ("1234.5", 2, "+1,234.50"),
        ("-0.00000001", 2, "-0.00"),
        ("0.00000001", 2, "+0.00"),
        ("0", 2, "0.00"),
        ("0.000187", 6, "+0.000187"),
    ],
)
def test_a_profit_has_a_sign_but_for_exactly_nothing(value, places, text):
    assert cells.gain(Decimal(value), places) == text


@pytest.mark.parametrize(
    ("budget", "places"), [("1000", 2), ("0.1", 6), ("0.05", 6), ("10", 4), ("50000000", 2), (None, 2), ("0", 2)]
)
def test_the_decimals_of_money_follow_from_the_largest_budget(budget, places):
    assert cells.money_decimals(None if budget is None else Decimal(budget)) == places


@pytest.mark.parametrize(
    ("tick", "price", "text"),
    [("0.01", "97123.4", "97,123.40"), ("0.00000001", "0.00000052", "0.00000052"), ("10", "1230", "1,230")],
)
def test_a_price_has_the_decimals_of_its_tick(tick, price, text):
    assert cells.fixed(Decimal(price), cells.decimals(Decimal(tick))) == text


@pytest.mark.parametrize(
    ("price", "last", "falls", "text"),
    [
        ("99.99", "100", True, "-0.01%"),
        ("112.34", "100", False, "+12.3%"),
        ("250", "100", False, "+150%"),
        ("100", "100", True, "now"),
        ("101", "100", True, "now"),
        ("99", "100", False, "now"),
        (None, "100", False, "-"),
        ("1", None, False, "-"),
        ("1", "0", False, "-"),
    ],
)
def test_a_distance_is_what_the_price_must_move(price, last, falls, text):
    price, last = (None if each is None else Decimal(each) for each in (price, last))
    assert cells.distance(price, last, falls=falls) == text


def test_all_digits_of_a_quantity_are_shown():
    assert cells.plain("9800000000000") == "9,800,000,000,000"
    assert cells.plain("0.0745") == "0.0745"


@pytest.mark.parametrize("value", [None, "", "x", "NaN", "Infinity", "1e99999", "1" * 100, "٣", [], {}, 1.5])
def test_what_is_no_number_is_none(value):
    assert cells.number(value) is None
    assert cells.plain(value) == "-"


@pytest.mark.parametrize("value", [None, "", "yesterday", 5, "2026-13-01T00:00:00.000Z", "\x1b[2J"])
def test_what_is_no_time_is_none(value):
    assert cells.moment(value) is None


def test_a_time_is_seconds_since_1970():
    assert cells.moment("1970-01-02T00:00:01.500Z") == 86_401.5


def test_a_symbol_that_is_too_wide_is_cut_in_its_middle():
    assert cells.middle_cut("1000000MOGCOINUSDT20") == "1000000MOGCOINUSDT20"
    assert cells.middle_cut("1000000MOGCOINXUSDT20") == "1000000MO~OINXUSDT20"


@given(st.text(), st.integers(4, 30))
def test_a_cut_symbol_is_never_wider(text, columns):
    assert cells.width(cells.middle_cut(text, columns)) <= columns


@given(st.text(alphabet="ab 币é", max_size=200), st.integers(2, 40), st.integers(2, 40))
def test_wrapped_lines_fit_and_lose_nothing(text, first, rest):
    lines = cells.wrap(text, first, rest)
    assert cells.width(lines[0]) <= first
    assert all(cells.width(line) <= rest for line in lines[1:])
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_the_leading_zeros_of_a_small_price_are_dim():
    assert list(cells.price_pieces("0.00000052", "")) == [("0.000000", "past"), ("52", "")]
    assert list(cells.price_pieces("0.18", "")) == [("0.18", "")]


def test_a_sentence_for_people_has_short_ids():
    text = "1: buy 1081 at 0.18498 placed (n1uu66-uadsubcskhv4llrzgvil4iq5om, order 1)"
    assert cells.with_short_ids(text) == "1: buy 1081 at 0.18498 placed (uadsubcs, order 1)"
    assert cells.with_short_ids("n1test-x and m1uu66-uadsubcskhv4llrzgvil4iq5om") == (
        "n1test-x and m1uu66-uadsubcskhv4llrzgvil4iq5om"
    )


def test_the_short_id_is_what_people_type():
    assert cells.short_id("n15r6u-dhb7j56tc5p37ohcflvxkiuida") == "dhb7j56t"
    assert cells.short_id(None) == "-"
