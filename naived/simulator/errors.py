"""What can go wrong in the simulator: a configuration that cannot run, and a request that is refused."""

from collections.abc import Mapping


class SimulatorError(Exception):
    """The simulator cannot do what its configuration asks; the message names the thing and the cause."""


class TapeError(SimulatorError):
    """A tape cannot be read; the message names the file and the line."""


class ApiError(SimulatorError):
    """A refused request, as the exchange words it: a universal code, a text, and the status of the answer."""

    def __init__(self, code: int, message: str, status: int = 400, data: Mapping[str, int] | None = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = status
        self.data = data


def missing(name: str) -> ApiError:
    return ApiError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def filter_failure(name: str) -> ApiError:
    return ApiError(-1013, f"Filter failure: {name}")


def rejected(message: str) -> ApiError:
    """The matching engine said no: the text, not the code, tells why."""
    return ApiError(-2010, message)
