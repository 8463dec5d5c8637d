"""The programs of the acceptance tests."""

from tests.acceptance.conftest import daemon, exchange, home, naived, programs, simulate

__all__ = ["daemon", "exchange", "home", "naived", "programs", "simulate"]
