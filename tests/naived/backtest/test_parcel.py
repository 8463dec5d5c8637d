"""Calls as bytes: made where they are unpickled, if the sources are the same there."""

import pickle
from functools import partial

import pytest

from naived.backtest import parcel
from naived.backtest.sweep import SweepError


def test_a_call_is_made_where_it_is_unpickled() -> None:
    assert pickle.loads(parcel.packed(partial(divmod, 7, 2))) == (3, 1)


def test_what_other_sources_packed_is_not_read() -> None:
    with pytest.raises(SweepError, match=f"has other sources of naived .+ {parcel.sources()[:12]}, here other;"):
        parcel.opened("other", b"anything")
