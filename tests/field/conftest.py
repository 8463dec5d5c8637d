"""The same fixtures as the acceptance tests have: the real programs, in a home of their own."""

from tests.acceptance.conftest import daemon, exchange, home, naived, programs, simulate

__all__ = ["daemon", "exchange", "home", "naived", "programs", "simulate"]
