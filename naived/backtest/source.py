"""The bytes of a file of trades: ``.csv``, ``.csv.gz`` or ``.zip`` with one ``.csv`` in it.

Whatever is wrong with the file is a ``Broken``, which says the cause and the next step; its reader knows the line.
"""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PIECE = 1 << 20  # bytes of text at once: with all that is made of them they stay in the caches of a core
_COMPRESSED = 1 << 18  # bytes of a .gz read at once
_GZIP = 16 + zlib.MAX_WBITS
_AGAIN = "download it again"


class Broken(Exception):
    """The cause, and what to do about it."""

    def __init__(self, cause: str, step: str) -> None:
        super().__init__(f"{cause}; {step}")


class Source:
    """An open file; ``done`` counts its bytes as they are on the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done = 0

    def pieces(self) -> Iterator[bytes]:
        """The text in pieces of about ``PIECE`` bytes; raises Broken, also at the end of what is cut off."""
        with _told():
            match self.path.suffix:
                case ".csv":
                    yield from self._plain()
                case ".gz":
                    yield from self._unzipped()
                case ".zip":
                    yield from self._member()
                case _:
                    raise Broken("it is neither .csv nor .csv.gz nor .zip", "give it the name that says what it is")

    def _plain(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            while piece := file.read(PIECE):
                self.done += len(piece)
                yield piece

    def _unzipped(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            stream = zlib.decompressobj(_GZIP)
            begun = False
            while raw := file.read(_COMPRESSED):
                self.done += len(raw)
                while raw:
                    piece = stream.decompress(raw, PIECE)
                    begun = True
                    if piece:
                        yield piece
                    raw = stream.unconsumed_tail
                    if stream.eof:  # another file may follow, as `cat a.gz b.gz` makes it
                        raw = stream.unused_data.lstrip(b"\0")
                        stream = zlib.decompressobj(_GZIP)
                        begun = False
            if begun:
                raise Broken("the .gz is cut off", _AGAIN)

    def _member(self) -> Iterator[bytes]:
        with zipfile.ZipFile(self.path) as archive, archive.open(_only(archive)) as member:
            size = self.path.stat().st_size
            total = max(archive.getinfo(member.name).file_size, 1)
            read = 0
            while piece := member.read(PIECE):
                read += len(piece)
                self.done = size * read // total
                yield piece


def member(path: Path) -> str:
    """The name of the file in a ``.zip``; the empty string for any other. Raises Broken."""
    if path.suffix != ".zip":
        return ""
    with _told(), zipfile.ZipFile(path) as archive:
        return _only(archive).filename


def _only(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    tables = [
        info
        for info in archive.infolist()
        if info.filename.endswith(".csv") and not info.filename.startswith("__MACOSX/")
    ]
    if len(tables) != 1:
        raise Broken(f"it holds {len(tables)} .csv files, not one", "unpack it and name the files in it")
    return tables[0]


@contextmanager
def _told() -> Iterator[None]:
    """What the libraries raise about a file, as a Broken."""
    try:
        yield
    except FileNotFoundError as error:
        raise Broken("there is no such file", "look at its name") from error
    except IsADirectoryError as error:
        raise Broken("it is a directory", "name the files in it") from error
    except OSError as error:
        raise Broken(f"it cannot be read: {error.strerror or error}", "look at the file and its disk") from error
    except (EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise Broken(f"it is damaged or cut off: {error}", _AGAIN) from error
    except (NotImplementedError, RuntimeError) as error:  # a method of compression, a password
        raise Broken(f"it cannot be unpacked: {error}", "unpack it with another program") from error
