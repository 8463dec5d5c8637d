"""Whose account an API key is for, as the exchange said once: a start without the exchange may rely on it."""

import hashlib
import os
import re
import stat
from contextlib import suppress
from pathlib import Path

_NAME = "naived.account"
_LINE = re.compile(r"([0-9a-f]{64}) (\S+)\n")
_MOST = 1024  # bytes read


class KnownAccount:
    """A file of the home with one line: a digest of exchange and key, and the account. It holds no key."""

    def __init__(self, home: Path, *credentials: str) -> None:
        self._path = home / _NAME
        self._digest = hashlib.sha256("\n".join(credentials).encode()).hexdigest()

    @property
    def uid(self) -> str | None:
        """The account of these credentials, None if the exchange never said."""
        match = _LINE.fullmatch(self._read())
        return match[2] if match is not None and match[1] == self._digest else None

    def remember(self, uid: str) -> None:
        """Write it down. Without the file the next start asks the exchange first; a foreign file stays as it is."""
        if self.uid == uid or not (self._is_absent() or _LINE.fullmatch(self._read())):
            return
        temporary = self._path.with_name(f"{_NAME}.{os.getpid()}")
        with suppress(OSError):
            temporary.unlink(missing_ok=True)  # of an earlier process with our number, as in a container
            try:
                self._write(temporary, f"{self._digest} {uid}\n")
                temporary.replace(self._path)
            except OSError:
                temporary.unlink(missing_ok=True)
                raise

    def _write(self, path: Path, line: str) -> None:
        """With its bytes on the disk: a rename may be durable before what was written."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def _is_absent(self) -> bool:
        """Is there none, or an empty one, as a power failure may leave it?"""
        try:
            found = os.lstat(self._path)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and not found.st_size

    def _read(self) -> str:
        with suppress(OSError):
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:
                return file.read(_MOST).decode("ascii", "replace")
        return ""
