"""Is a bug that was put into naived caught? A run is over with its first violation."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from unittest.mock import patch

from tests.simulation.mutants import mutated
from tests.simulation.oracle import Oracle
from tests.simulation.plan import Plan
from tests.simulation.world import run


class _Caught(BaseException):
    """Nothing of naived or of the world handles it."""


def caught(mutant: str, plan: Plan) -> str | None:
    """The first violation of this plan with this bug in; None if it survives."""
    return first_violation(mutated(mutant), lambda: run(plan))


def first_violation(mutation: AbstractContextManager[None], live: Callable[[], object]) -> str | None:
    """The same of any way to live."""
    found: list[str] = []

    def blame(_oracle: Oracle, number: int, what: str) -> None:
        found.append(f"invariant {number}: {what}")
        raise _Caught

    with mutation, patch.object(Oracle, "blame", blame):
        try:
            live()
        except BaseExceptionGroup:  # a world that is ended in the middle may say more than _Caught
            if not found:
                raise
    return found[0] if found else None
