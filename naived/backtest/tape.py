"""A tape: the recorded trades of one symbol, from files of data.binance.vision or of ``naived record``.

The files may be trades or aggTrades, .csv, .csv.gz or .zip, days or months, in any order. What is wrong with them
is a TapeError, or put right and counted in a line of ``Tape.warnings``.
"""

import os
import re
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from naived.backtest.columns import BLOCK, Columns, Progress, TapeError
from naived.backtest.reading import opened, parsed
from naived.backtest.seams import joined
from naived.backtest.source import Broken, member

__all__ = ["BLOCK", "Columns", "Progress", "Tape", "TapeError", "cache_directory", "load"]

_PUBLIC = re.compile(r"(?P<symbol>[^-]+)-(trades|aggTrades)-\d{4}-\d{2}(-\d{2})?(?!\d)")
_SUFFIXES = (".csv", ".gz", ".zip")


@dataclass(frozen=True, slots=True)
class Tape:
    symbol: str
    parts: tuple[Columns, ...]  # in order; never empty, each with at least one trade
    warnings: tuple[str, ...]  # one line each, counted

    @property
    def length(self) -> int:
        """Trades on the tape."""
        return sum(len(part.ids) for part in self.parts)


def load(
    symbol: str,
    paths: Sequence[Path],
    *,
    cache: Path | None,
    jobs: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Tape:
    """The trades of these files in order of their ids; raises TapeError.

    ``cache`` is where columns are kept, None for nowhere. ``jobs`` is how many files are parsed at once: by default
    one for each core.
    """
    if not paths:
        raise TapeError("a tape needs at least one file; name it with --tape")
    warnings: list[str] = []
    sources = _sources(symbol, paths, warnings)
    files = {} if cache is None else opened(sources, cache)
    missing = [path for path in sources if path not in files]
    for path in missing:
        _check_name(symbol, path, _member(path))
    jobs = jobs or len(os.sched_getaffinity(0))
    files |= parsed(missing, cache, jobs, progress or (lambda _: None), warnings)
    for path in sources:
        _check_name(symbol, path, files[path].findings.member)
    parts, more = joined([files[path] for path in sources])
    return Tape(symbol, parts, (*warnings, *more))


def cache_directory() -> Path:
    """Where columns are kept: ``$XDG_CACHE_HOME/naived/tapes``, by default ``~/.cache/naived/tapes``.

    Raises TapeError for a user who has no home.
    """
    home = os.environ.get("XDG_CACHE_HOME", "")
    try:
        base = Path(home) if home.startswith("/") else Path.home() / ".cache"
    except RuntimeError as error:
        raise TapeError(f"there is no place for a cache: {error}; set HOME, or use --no-cache") from error
    return base / "naived" / "tapes"


def _sources(symbol: str, paths: Sequence[Path], warnings: list[str]) -> list[Path]:
    """The files, each once, all of which are there and of this symbol as far as their names say."""
    seen: dict[str, Path] = {}
    for path in paths:
        real = os.path.realpath(path)
        if real in seen:
            warnings.append(f"{path.name}: named twice, read once")
            continue
        seen[real] = path
        _check_name(symbol, path, path.name)
        mode = _mode(path)
        if stat.S_ISDIR(mode):
            raise TapeError(f"{path}: it is a directory; name the files in it")
        if not stat.S_ISREG(mode):
            raise TapeError(f"{path}: it is a pipe or a device; write what it gives into a file")
        if path.suffix not in _SUFFIXES:
            raise TapeError(f"{path}: it is neither .csv nor .csv.gz nor .zip; is it a table of trades?")
    return list(seen.values())


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise TapeError(f"{path}: there is no such file; look at its name") from error
    except OSError as error:  # a directory that may not be searched, a name too long, links in a circle
        raise TapeError(f"{path}: it cannot be read: {error.strerror or error}; look at its name") from error


def _member(path: Path) -> str:
    """The name of what is in a .zip, before it is parsed for a minute."""
    try:
        return member(path)
    except Broken as error:
        raise TapeError(f"{path}: {error}") from error


def _check_name(symbol: str, path: Path, name: str) -> None:
    public = _PUBLIC.match(name.rpartition("/")[2])
    if public and public["symbol"].upper() != symbol.upper():
        within = f" holds {name}, which" if name != path.name else ""
        raise TapeError(f"{path}{within} has the name of {public['symbol']}, not of {symbol}; leave it out")
