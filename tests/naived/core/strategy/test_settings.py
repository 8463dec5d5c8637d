from typing import Any

import pytest

from naived.core.amount import SCALE, Money, format_amount, parse_money, parse_rate
from naived.core.strategy.settings import MAX_CHUNKS, Settings, SettingsError


def test_a_symbol_that_was_never_set_has_the_promised_defaults() -> None:
    settings = Settings()
    assert (settings.chunks, settings.budget) == (5, None)
    assert settings.buy_down == parse_rate("0.0001")
    assert settings.profit == parse_rate("0.001")
    assert settings.rebuy == parse_rate("0.006")
    assert settings.reprice == parse_rate("0.01")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chunks": 0}, "chunks must be 1 to 1000, not 0"),
        ({"chunks": MAX_CHUNKS + 1}, "chunks must be 1 to 1000, not 1001"),
        ({"budget": Money(0)}, "budget must be above 0"),
        ({"budget": Money(-1)}, "budget must be above 0"),
        ({"buy_down": -1}, "buy-down must be at least 0 and below 1"),
        ({"buy_down": SCALE}, "buy-down must be at least 0 and below 1"),
        ({"profit": 0}, "profit must be above 0 and below 1"),
        ({"rebuy": 0}, "rebuy must be above 0 and below 1"),
        ({"rebuy": SCALE}, "rebuy must be above 0 and below 1"),
        ({"reprice": -1}, "reprice must be at least 0 and below 1"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Settings(**change)


def test_the_edges_of_the_ranges_are_accepted() -> None:
    for settings in (
        Settings(chunks=1, budget=Money(1), buy_down=parse_rate("0"), reprice=parse_rate("0")),
        Settings(chunks=MAX_CHUNKS, profit=parse_rate("0.99999999"), rebuy=parse_rate("0.00000001")),
    ):
        assert settings.chunks in (1, MAX_CHUNKS)


def test_a_share_is_the_budget_over_the_chunks_rounded_down() -> None:
    assert format_amount(Settings(chunks=3, budget=parse_money("100")).allocation) == "33.33333333"
    assert Settings(budget=None).allocation == 0
