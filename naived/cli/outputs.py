"""The files that a backtest or a sweep is to write: refused before hours of work, not after."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from naived.backtest import files
from naived.backtest.files import STDOUT
from naived.cli.options import UsageError


def check(named: Mapping[str, Path | None], inputs: Sequence[Path], *, machine: bool) -> None:
    """Raise UsageError for files that would overwrite what is read or one another, or share standard output.

    ``named`` are the files by their flags; ``machine``: a document goes to standard output. Raises OutputError for
    a file that certainly cannot be written.
    """
    given = {flag: path for flag, path in named.items() if path is not None}
    if given.get("--html") == STDOUT:
        raise UsageError("--html -: a page is not for standard output; name a file")
    to_stdout = [flag for flag, path in given.items() if path == STDOUT]
    if len(to_stdout) + machine > 1:
        flags = " and ".join(["--json"] * machine + to_stdout)
        raise UsageError(f"{flags} cannot share standard output; name a file")
    seen = {os.path.realpath(path): str(path) for path in inputs}
    for flag, path in given.items():
        if path == STDOUT:
            continue
        files.check(path)
        target = os.path.realpath(path)
        if target in seen and not (path.exists() and not path.is_file()):  # /dev/null may be named twice
            raise UsageError(f"{flag} {path} would overwrite {seen[target]}; name another file")
        seen[target] = f"{flag} {path}"
