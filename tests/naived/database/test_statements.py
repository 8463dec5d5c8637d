"""The statements are built once per dialect and shape of row; what they do is tested through the store."""

import pytest
import sqlalchemy as sa

from naived.database.statements import upsert_order, upsert_settings, upsert_trader

_ROW = ("client_order_id", "symbol", "trader", "side", "seq", "price", "quantity", "state")


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_a_statement_is_built_once_for_each_shape_of_row(dialect: str) -> None:
    assert upsert_order(dialect, _ROW) is upsert_order(dialect, _ROW)
    assert upsert_order(dialect, _ROW) is not upsert_order(dialect, (*_ROW, "reason"))
    assert upsert_trader(dialect, ("symbol", "number", "phase"), cycle=True) is not upsert_trader(
        dialect, ("symbol", "number", "phase"), cycle=False
    )


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_what_an_intent_stands_for_is_never_updated(dialect: str) -> None:
    text = str(upsert_order(dialect, _ROW).compile(dialect=_dialect(dialect)))
    updated = text.split("DO UPDATE SET")[1].split("WHERE")[0]
    assert "state = excluded.state" in updated
    assert all(f"{name} = excluded" not in updated for name in _ROW[:-1])


def test_a_wish_leaves_counters_and_owed_coins_of_a_known_symbol_alone() -> None:
    names = ("symbol", "status")
    text = str(upsert_settings("sqlite", names).compile(dialect=_dialect("sqlite"), column_keys=names))
    assert "next_trader" in text
    assert "next_trader" not in text.split("DO UPDATE SET")[1]


def _dialect(name: str) -> sa.Dialect:
    return sa.create_mock_engine(f"{name}://", lambda statement: None).dialect
