"""Processes that are begun anew: a fork would copy whatever threads and locks this process has.

Ctrl-C in a terminal is sent to them too. It is for the process that began them, which then ends them.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process

CONTEXT = get_context("spawn")


@contextmanager
def no_interrupt() -> Iterator[None]:
    """Ctrl-C waits until the end, and a process that begins meanwhile never gets it. For the main thread only.

    To block it is not enough: a thread that a library began, as OpenBLAS does, takes it all the same. This process
    would then end, or raise, while another has only half begun, and that one would end with a traceback.
    """
    came: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        signal.signal(signal.SIGINT, handler)
        if came:
            signal.raise_signal(signal.SIGINT)


def end_with_parent() -> None:
    """Called in a child: it ends when the process that began it is gone, however that ended."""
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
