"""A call for a worker on another machine, as bytes: ``pickle.loads`` of them makes it, and is its result.

    packed ──> opened ──same sources?──> function()

What is inside is not read before the worker's naived is known to be this one: another release may read the same
bytes as other settings. A worker that has no naived raises ModuleNotFoundError, and goes on.
"""

import hashlib
import pickle
import socket
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import naived
from naived.backtest.sweep import SweepError


class _Call:
    def __init__(self, inside: bytes) -> None:
        self._inside = inside

    def __reduce__(self) -> tuple[Callable[[str, bytes], Any], tuple[str, bytes]]:
        return opened, (sources(), self._inside)


def packed(function: Callable[[], object]) -> bytes:
    """A call that is made where its bytes are unpickled."""
    return pickle.dumps(_Call(pickle.dumps(function)))


def opened(wanted: str, inside: bytes) -> Any:
    """Make a call that sources with this hash packed; raises SweepError if this process has others."""
    if sources() != wanted:
        raise SweepError(
            f"the worker on {socket.gethostname()} has other sources of naived than this sweep: their hash is "
            f"{sources()[:12]}, here {wanted[:12]}; install the same ones there, and start the worker again"
        )
    return pickle.loads(inside)()


@lru_cache(maxsize=1)
def sources() -> str:
    """The hash of naived's sources as this process found them first: it does not run those that came later."""
    root = Path(naived.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        if "_migrations" not in path.parts:  # only what was installed has them
            digest.update(b"%s\0%s\0" % (path.relative_to(root).as_posix().encode(), path.read_bytes()))
    return digest.hexdigest()
