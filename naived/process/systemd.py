"""Tells systemd the state of a service that it started with ``Type=notify`` (sd_notify), and feeds its watchdog.

The watchdog is fed while the event loop turns and the journal answers. A writer that hangs for less than
``WatchdogSec=`` is never punished; one that hangs longer ends the process at the latest after one and a half of it.
"""

import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import trio

_LOOK = 1.0  # seconds between two looks at the status line
_PARTS = 4  # of the watchdog's time: as often it is fed, and the journal is asked
_PATIENCE = 2  # of these parts without an answer of the journal, after which feeding ends
_MOST = 300  # characters of a status line


def notify(state: str) -> None:
    """Send a state such as ``READY=1``; does nothing without NOTIFY_SOCKET, and raises nothing."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notifier:
        notifier.setblocking(False)
        notifier.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)


def ready() -> None:
    notify("READY=1")


def reloading() -> None:
    """The configuration is read again, until ``ready``; with the time that ``Type=notify-reload`` asks for."""
    notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")


def stopping(within: float, doing: str) -> None:
    """The end has begun, which takes at most so many seconds."""
    notify(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={int(within * 1_000_000)}\nSTATUS={doing}")


def watchdog(environ: Mapping[str, str]) -> float | None:
    """The seconds after which systemd ends a service that says nothing; None if it does not watch this process."""
    text, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID")
    if not (text.isascii() and text.isdigit() and int(text)) or pid not in (None, "", str(os.getpid())):
        return None
    return int(text) / 1_000_000


async def tend(line: Callable[[], str], ask: Callable[[], Awaitable[object]]) -> None:
    """Until cancelled: show ``line`` as the status, and feed the watchdog while ``ask`` returns.

    ``ask`` goes through the journal; it may raise nothing. Returns at once where no manager listens.
    """
    if not os.environ.get("NOTIFY_SOCKET"):
        return
    async with trio.open_nursery() as nursery:
        limit = watchdog(os.environ)
        if limit is not None:
            nursery.start_soon(_feed, limit / _PARTS, ask)
        await _show(line)


async def _show(line: Callable[[], str]) -> None:
    shown = None
    while True:
        text = line()
        if text != shown:
            notify(f"STATUS={' '.join(text.split())[:_MOST]}")
            shown = text
        await trio.sleep(_LOOK)


async def _feed(part: float, ask: Callable[[], Awaitable[object]]) -> None:
    answered_at = trio.current_time()

    async def keep_asking() -> None:
        nonlocal answered_at
        while True:
            await ask()
            answered_at = trio.current_time()
            notify("WATCHDOG=1")
            await trio.sleep(part)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_asking)
        while True:
            await trio.sleep(part)
            if trio.current_time() - answered_at < _PATIENCE * part:
                notify("WATCHDOG=1")
