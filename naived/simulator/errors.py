"""The simulator's errors: a configuration that it cannot run, and a refused request."""

from collections.abc import Mapping
from typing import Any


class SimulatorError(Exception):
    """The simulator cannot run its configuration; the message names the setting or file, and the cause."""


class TapeError(SimulatorError):
    """A tape cannot be read; the message names the file and the line."""


class ApiError(SimulatorError):
    """A refused request: the exchange's code and message, and the status of the answer."""

    def __init__(self, code: int, message: str, status: int = 400, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = status
        self.data = data


def missing(name: str) -> ApiError:
    return ApiError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def invalid(name: str) -> ApiError:
    return ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")


def filter_failure(name: str) -> ApiError:
    return ApiError(-1013, f"Filter failure: {name}")


def rejected(message: str) -> ApiError:
    """A refusal by the matching engine: all have this code, only the message gives the reason."""
    return ApiError(-2010, message)


def amend_rejected(message: str) -> ApiError:
    """A refusal to amend an order, by the matching engine."""
    return ApiError(-2038, message)
