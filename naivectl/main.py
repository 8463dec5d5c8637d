"""The entry point: the verbs of every minute start without Typer, all others with it. The grammar is Typer's."""

import signal
import sys
from collections.abc import Sequence

from naivectl import queries
from naivectl.client import Failure
from naivectl.invocation import Invocation, hoist, read
from naivectl.render import fail


def main() -> None:
    """Run `naivectl` and exit with its code."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Perform a command line; its exit code."""
    front, rest = hoist(arguments)
    invocation = read(front)
    try:
        code = None if invocation is None else _fast(invocation, rest)
        if code is None:
            from naivectl.app import perform

            code = perform([*front, *rest], machine=invocation is not None and invocation.machine)
    except Failure as failure:
        return fail(invocation or Invocation(), failure)
    except KeyboardInterrupt:
        return 130
    return code


def _fast(invocation: Invocation, rest: Sequence[str]) -> int | None:
    """The exit code, or None for whatever is not plainly one of the frequent forms."""
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
        case "__symbols", []:
            return queries.symbols(invocation)
        case _:
            return None
