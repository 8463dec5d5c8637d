"""Reads API keys from files that no other user can read, never from a flag or the environment."""

import os
import re
import stat
from pathlib import Path

from naived.process.config import ApiKeys, ConfigError, Secret

_MAX_KEY_FILE = 16 * 1024  # bytes; an Ed25519 key in PEM has about 120
_PEM = "-----BEGIN "
_LIKE_A_KEY = re.compile(r"[A-Za-z0-9+=]{32}|-----BEGIN")
_ANEW = "Write it anew, as plain text: what the exchange gave, and nothing else"


def read_keys(key_file: Path, secret_file: Path) -> ApiKeys:
    """Both files must be ours or root's and closed to other users (0600); raises ConfigError."""
    return _keys(key_file, secret_file, forbidden=0o077)


def read_credentials(directory: Path) -> ApiKeys | None:
    """Read ``binance.key`` and ``binance.secret``, made by systemd's LoadCredential=; None if one is missing.

    Raises ConfigError.
    """
    key_file, secret_file = directory / "binance.key", directory / "binance.secret"
    try:
        if not key_file.exists() or not secret_file.exists():
            return None
    except OSError as error:
        raise ConfigError(
            f"cannot look for API keys in {directory}: {error.strerror}. Unset CREDENTIALS_DIRECTORY, or give "
            "--api-key-file and --api-secret-file"
        ) from error
    # The file is root's. systemd gives us access by an access control list; its mask appears as the group bits.
    return _keys(key_file, secret_file, forbidden=0o007)


def _keys(key_file: Path, secret_file: Path, *, forbidden: int) -> ApiKeys:
    key, secret = _read(key_file, forbidden), _read(secret_file, forbidden)
    if len(key.split()) != 1:
        raise ConfigError(f"{key_file} must hold the API key on one line and nothing else. {_ANEW}")
    if secret.startswith(_PEM):
        if not secret.startswith(f"{_PEM}PRIVATE KEY"):
            kind = secret.splitlines()[0].strip(" -").removeprefix("BEGIN ").lower()
            raise ConfigError(
                f"{secret_file} holds {kind!r} in PEM; an unencrypted Ed25519 private key is needed. "
                "Make one: openssl genpkey -algorithm ed25519, or unlock yours: openssl pkey -in OLD -out NEW"
            )
    elif len(secret.split()) != 1:
        raise ConfigError(f"{secret_file} must hold the HMAC secret on one line, or a private key in PEM. {_ANEW}")
    return ApiKeys(Secret(key), Secret(secret))


def _open_nonblocking(path: str, flags: int) -> int:
    """Open with O_NONBLOCK: without it, a FIFO at this path would block for ever."""
    return os.open(path, flags | os.O_NONBLOCK)


def _read(path: Path, forbidden: int) -> str:
    try:
        file = open(path, "rb", opener=_open_nonblocking)  # noqa: SIM115 (the with is below, out of the try)
    except OSError as error:
        if _LIKE_A_KEY.search(str(path)):  # the key itself, where the name of its file is wanted
            raise ConfigError(
                f"cannot read a key file whose name looks like a key: {error.strerror}. Write the key into a file, "
                "and name that with --api-key-file or --api-secret-file"
            ) from None
        raise ConfigError(
            f"cannot read the key file {path}: {error.strerror}. See that it is there, and of user {os.geteuid()}"
        ) from error
    with file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"the key file {path} is not a regular file. Name the file itself")
        if status.st_uid not in (os.geteuid(), 0):
            raise ConfigError(
                f"the key file {path} belongs to another user. Mend it with: chown {os.geteuid()} {path}"
            )
        if status.st_mode & forbidden:
            mode = stat.S_IMODE(status.st_mode)
            raise ConfigError(
                f"the key file {path} is open to others (mode {mode:04o}). Mend it with: chmod 600 {path}"
            )
        content = file.read(_MAX_KEY_FILE + 1)
    if len(content) > _MAX_KEY_FILE:
        raise ConfigError(f"the key file {path} is longer than {_MAX_KEY_FILE} bytes: it is not a key. {_ANEW}")
    try:
        text = content.decode("ascii").strip()
    except UnicodeDecodeError:
        # Without the cause: its message quotes the file's bytes.
        raise ConfigError(f"the key file {path} is not plain text. {_ANEW}") from None
    if not text:
        raise ConfigError(f"the key file {path} is empty. {_ANEW}")
    if not all(char.isprintable() or char in "\r\n" for char in text):
        raise ConfigError(
            f"the key file {path} is not plain text: it has a zero byte or another control character. {_ANEW}"
        )
    return text
