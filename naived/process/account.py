"""Whose account an API key is for, as the exchange said once: a start without the exchange may rely on it."""

import hashlib
import os
import re
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
        if self.uid == uid or not (_LINE.fullmatch(self._read()) or not os.path.lexists(self._path)):
            return
        temporary = self._path.with_name(f"{_NAME}.{os.getpid()}")
        with suppress(OSError):
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(f"{self._digest} {uid}\n")
            temporary.replace(self._path)

    def _read(self) -> str:
        with suppress(OSError):
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:
                return file.read(_MOST).decode("ascii", "replace")
        return ""
