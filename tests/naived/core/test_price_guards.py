"""What blocks a buy's limit, and the prices of trades that stay blocked."""

import pytest
from hypothesis import given
from hypothesis import settings as bounds
from hypothesis import strategies as st

from naived.core.amount import SCALE, Price, Rate, parse_price, parse_rate
from naived.core.price_guards import PriceGuards, blocked_band, limit_of, why_blocked

prices = st.integers(1, 3_000).map(Price)


@st.composite
def guarded(draw: st.DrawFn) -> tuple[PriceGuards, list[Price], Rate, Price]:
    """Guards, living buys, the distance of a buy from its trade, and a tick, all of few units."""
    floor = draw(st.one_of(st.none(), prices))
    ceiling = draw(st.one_of(st.none(), st.integers(floor or 1, 4_000).map(Price)))
    spacing = Rate(draw(st.sampled_from([0, 1, SCALE // 200, SCALE // 10, SCALE // 2])))
    buys = draw(st.lists(prices, max_size=5))
    buy_down = Rate(draw(st.sampled_from([0, SCALE // 10_000, SCALE // 100, SCALE // 3])))
    return PriceGuards(spacing, floor, ceiling), buys, buy_down, Price(draw(st.sampled_from([1, 3, 10, 700])))


@bounds(deadline=None)  # it looks at every price
@given(guarded(), prices)
def test_the_band_holds_every_price_that_stays_blocked_and_no_other(
    of: tuple[PriceGuards, list[Price], Rate, Price], price: Price
) -> None:
    guards, buys, buy_down, tick = of

    def blocked(at: int) -> bool:
        return why_blocked(guards, limit_of(Price(at), buy_down, tick), buys, "USDT") is not None

    band = blocked_band(guards, price, buys, buy_down, tick)
    assert (band is not None) == blocked(price)
    if band is not None:
        low, high = band
        assert low < price < high
        assert all(blocked(at) for at in range(max(1, low + 1), min(high, 8_000)))
        assert low < 1 or not blocked(low)
        assert high > 8_000 or not blocked(high)


@pytest.mark.parametrize(
    ("guards", "limit", "begins"),
    [
        (PriceGuards(floor=parse_price("2000")), "1999.99", "a buy would be below the floor 2000: at 1999.99 USDT"),
        (PriceGuards(floor=parse_price("2000")), "2000", None),
        (PriceGuards(ceiling=parse_price("2000")), "2000", None),
        (PriceGuards(ceiling=parse_price("2000")), "2000.01", "a buy would be above the ceiling 2000: at 2000.01"),
        (
            PriceGuards(parse_rate("0.01")),
            "1980.01",
            "a buy would be too near the one at 2000 (spacing 0.01): at 19",
        ),
        (PriceGuards(parse_rate("0.01")), "1980", None),
        (PriceGuards(parse_rate("0.01")), "2019.99", "a buy would be too near the one at 2000"),
        (PriceGuards(parse_rate("0.01")), "2020", None),
        (PriceGuards(), "2000", None),
    ],
)
def test_a_limit_is_blocked_below_the_floor_above_the_ceiling_and_nearer_than_the_spacing(
    guards: PriceGuards, limit: str, begins: str | None
) -> None:
    why = why_blocked(guards, parse_price(limit), [parse_price("2000")], "USDT")
    assert why is None if begins is None else (why or "").startswith(begins)
