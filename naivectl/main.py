"""The entry point: frequent verbs run without Typer, which is slow to import; all others are run by `app`."""

import _signal  # type: ignore[import-not-found]  # `signal` without its enums
import gc
import os
import sys
from collections.abc import Sequence
from io import BufferedWriter, FileIO, TextIOWrapper
from types import FrameType

from naivectl import queries, shipped, words
from naivectl.client import Failure, garbled
from naivectl.invocation import Invocation, check_values, hoist, read
from naivectl.render import complain, fail

# `typing` takes milliseconds of every `status`: what a frequent verb imports does without it.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from _typeshed import ReadableBuffer


def main() -> None:
    """Run `naivectl` and exit with its code."""
    _fill_closed_streams()
    _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)
    _signal.signal(_signal.SIGTERM, _terminate)
    if isinstance(sys.stdout, TextIOWrapper):  # a symbol may have letters that the terminal's encoding lacks
        sys.stdout.reconfigure(errors="backslashreplace")
    complaints = BufferedWriter(_Stderr(sys.stderr.fileno(), "w", closefd=False))
    sys.stderr = TextIOWrapper(complaints, sys.stderr.encoding, "backslashreplace", line_buffering=True)
    code = 0
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except OSError as error:  # errors of the socket are Failures: this one is of our own output
        complain(f"cannot write the answer: {error.strerror}", None)
        # Else Python would try to write the rest of the buffer at exit, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = code or 1  # that of a failure says more
    sys.exit(code)


def _fill_closed_streams() -> None:
    """Open /dev/null for a closed standard stream: the next opened file would get its number.

    For stdout it is open for reading, so that to write to it is the error that it is for a closed one.
    The number stays taken, whatever becomes of the stream.
    """
    for name, mode, flags in (
        ("stdin", "r", os.O_RDONLY),
        ("stdout", "w", os.O_RDONLY),
        ("stderr", "w", os.O_WRONLY),
    ):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.open(os.devnull, flags), mode, closefd=False))  # noqa: SIM115


class _Stderr(FileIO):
    """What it does not take is lost, and the exit code stays the same."""

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            written: int | None = super().write(data)
        except OSError:
            written = None
        return memoryview(data).nbytes if written is None else written


def _terminate(signum: int, _: FrameType | None) -> "NoReturn":
    raise SystemExit(128 + signum)


def run(arguments: Sequence[str]) -> int:
    """Run a command line; returns its exit code."""
    front, rest = hoist(arguments)
    invocation = read(front)
    try:
        check_values(arguments)
        code = _fast(invocation, rest)
        if code is None:
            gc.disable()  # what is imported stays: to look for garbage in it takes a tenth of a verb
            from naivectl.app import perform

            gc.enable()
            code = perform(
                [*front, *rest],
                machine=invocation.machine,
                verb=rest[0] if rest else None,
            )
    except Failure as failure:
        return fail(invocation, failure)
    except RecursionError:  # it was decoded, but is nested too deep to be printed
        return fail(invocation, garbled("it is nested too deep"))
    except KeyboardInterrupt:
        return _interrupted(invocation, 130)
    except SystemExit as end:
        return _interrupted(invocation, end.code) if isinstance(end.code, int) else 1
    return code


def _interrupted(invocation: Invocation, code: int) -> int:
    """For a program it is a failure like any other."""
    if not invocation.machine:
        return code
    return fail(invocation, Failure("interrupted", "interrupted before the answer came", None, code))


def _fast(invocation: Invocation, rest: Sequence[str]) -> int | None:
    """Run a frequent verb and return its exit code; None for any other command line."""
    if not rest or any(argument.startswith("-") or not argument for argument in rest):
        return None
    verb, *arguments = rest
    match verb, arguments:
        case "status", _:
            return queries.status(invocation, arguments)
        case "is-trading", [symbol]:
            return queries.is_trading(invocation, symbol)
        case "ping", []:
            return queries.ping(invocation)
        case "version", []:
            return queries.version(invocation)
        case "metrics", []:
            return queries.metrics(invocation)
        case "schema", ([] | [_]):
            return shipped.schema(*arguments or (None,))
        case "catalogue", []:
            return shipped.catalogue()
        case "__symbols", ([] | [_]):
            return words.symbols(invocation, *arguments)
        case "__orders", ([_, _] | [_, _, _]):
            return words.orders(invocation, *arguments)
        case "__nodes", []:
            return words.nodes(invocation)
        case _:
            return None
