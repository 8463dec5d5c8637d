"""Small worlds to their end, and every mutant; ``python -m tests.model`` searches the large ones."""

import pytest

from naived.core.orders.state import State
from tests.model.cases import HOLDS, MUTANTS, NEEDLESS, Case
from tests.model.checker import Search
from tests.model.values import NONE, STATES


def _small(cases: tuple[Case, ...]) -> list[object]:
    return [pytest.param(case, id=case.name) for case in cases if not case.large]


@pytest.mark.parametrize("case", _small(HOLDS))
def test_the_protocol_holds_in_every_state_and_each_leads_to_one_where_all_is_known(case: Case) -> None:
    result = Search(case.model).run(progress=True)

    assert result.complete
    assert result.broken is None, "\n".join(result.trace)
    assert result.stuck == 0


@pytest.mark.parametrize("case", _small(MUTANTS))
def test_a_mutant_is_found(case: Case) -> None:
    result = Search(case.model).run()

    assert case.finds is not None
    assert result.broken is not None
    assert result.broken.startswith(case.finds)
    assert result.trace


@pytest.mark.parametrize("case", _small(NEEDLESS))
def test_without_a_rule_that_another_one_makes_needless_the_protocol_holds(case: Case) -> None:
    result = Search(case.model).run()

    assert result.complete
    assert result.broken is None, "\n".join(result.trace)


def test_the_states_of_the_model_are_those_of_the_orders() -> None:
    elsewhere = {State.PARTIALLY_FILLED, State.EXPIRED, State.QUARANTINED}  # one fill an order; no contradictions

    assert set(STATES) - {STATES[NONE]} == set(State) - elsewhere
