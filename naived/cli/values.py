"""What a text means that stands for a path, an exchange, an address or a way to log; raises ValueError."""

import ipaddress
import os
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

from naived.process.config import LogFormat, LogLevel, Venue


def absolute_path(text: str) -> Path:
    """The absolute path; with ``..`` in it, the one that it leads to. Raises ValueError."""
    try:
        path = Path(text).expanduser().absolute()
    except RuntimeError as error:  # neither HOME nor an entry among the system's users
        raise ValueError(f"{text[:80]!r} names no directory, for the user {os.geteuid()} has none") from error
    except OSError as error:
        why = f"the working directory cannot be found: {error.strerror}"
        raise ValueError(f"{text[:80]!r} leads nowhere, {why}; name a path that begins with /") from error
    if path.name == "..":
        return Path(os.path.realpath(path))
    return Path(os.path.realpath(path.parent)) / path.name if ".." in path.parts else path


def venue(text: str) -> Venue:
    if text not in list(Venue):
        raise ValueError(f"{text[:40]!r} is not one of {', '.join(Venue)}")
    return Venue(text)


def simulator_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "ws" or not parts.hostname or parts.port is None or parts.path not in ("", "/"):
        raise ValueError(f"{text[:80]!r} is not an address such as ws://127.0.0.1:9443")
    # On another machine it could be an exchange that executes simulated orders as real ones.
    if parts.hostname != "localhost" and not is_loopback(parts.hostname):
        raise ValueError(f"{parts.hostname} is not this machine: a simulator is reached on 127.0.0.1")
    return text.rstrip("/")


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def log_format(text: str) -> LogFormat:
    match text:
        case "console" | "json":
            return text
        case _:
            raise ValueError(f"{text[:40]!r} is not one of {', '.join(get_args(LogFormat))}")


def log_level(text: str) -> LogLevel:
    match text:
        case "debug" | "info" | "warning" | "error":
            return text
        case _:
            raise ValueError(f"{text[:40]!r} is not one of {', '.join(get_args(LogLevel))}")
