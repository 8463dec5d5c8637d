"""Notifies systemd of the state of a service that it started with ``Type=notify`` (sd_notify)."""

import os
import socket
from contextlib import suppress


def notify(state: str) -> None:
    """Send a state such as ``READY=1``; does nothing without NOTIFY_SOCKET, and raises nothing."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notifier:
        notifier.setblocking(False)
        notifier.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
