"""The prices that the exchange's filters compare with, on a tape."""

from dataclasses import replace

import numpy as np
import pytest

from naived.backtest.reference import References
from naived.core.amount import Price
from tests.support.tape import columns

MINUTE = 60_000  # ms
BEGAN = 28_333_334 * MINUTE


@pytest.mark.parametrize(
    ("minutes", "later", "price"),
    [
        (5, 0, 2000),  # the reference price: the mean of both trades
        (10, 5 * MINUTE - 1, 2000),
        (0, 5 * MINUTE - 1, 2000),
        (10, 5 * MINUTE, 1020),  # the average, weighted by volume
        (0, 5 * MINUTE, 3000),  # the last price
        (5, 5 * MINUTE, None),
        (10, 10 * MINUTE, None),
    ],
)
def test_a_filter_compares_with_the_reference_price_and_without_one_with_the_average(
    minutes: int, later: int, price: int | None
) -> None:
    part = replace(columns([1000, 3000], [BEGAN, BEGAN]), quantities=np.array([99, 1], np.int64))
    references = References([part], index=1)
    asked: list[Price] = []

    def fits(measure: Price) -> bool:
        asked.append(measure)
        return measure == price

    assert references.fits(minutes, BEGAN + later, fits)
    assert price is None or asked[-1] == price
    assert references.fits(minutes, BEGAN + later, lambda _: False) is (price is None)
