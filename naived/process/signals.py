"""Signals: the first starts a suspend; a second one, or a suspend that takes too long, ends the process at once.

That is a crash, with the exit code of a crash. It is safe at any moment: what is sent to the exchange is
in the journal already. `naived record` ends in the same way, and its next start fills what it did not write.
"""

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
import trio

from naived.process import log_stream, systemd
from naived.process.opening import SUSPENDING

_CRASHED = 1  # exit code
_ONCE = 0.5  # seconds: what comes so soon is the same wish, as timeout(1) signals the process and then its group

log = structlog.get_logger()


@asynccontextmanager
async def suspendable(
    patience: float, hangup: Callable[[], Awaitable[None]] | None = None, doing: str = "suspending: orders rest"
) -> AsyncIterator[trio.Event]:
    """The event is set by the first signal, even if it comes while everything is being opened.

    From then on the block has ``patience`` seconds to end. Until then SIGHUP calls ``hangup``, if that is given.
    Signals that were held back before are received now. ``doing`` is told to the service manager.
    """
    # nohup ignores SIGHUP, so that the process outlives the terminal. One that has none is asked to read again.
    ignored = hangup is None and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    numbers = [each for each in SUSPENDING if each is not signal.SIGHUP or not ignored]
    with trio.open_signal_receiver(*numbers) as signals:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SUSPENDING)
        async with trio.open_nursery() as nursery:
            wanted = trio.Event()
            nursery.start_soon(_handle, signals, wanted, patience, hangup, doing)
            yield wanted
            nursery.cancel_scope.cancel()


async def _handle(
    signals: AsyncIterator[int],
    wanted: trio.Event,
    patience: float,
    hangup: Callable[[], Awaitable[None]] | None,
    doing: str,
) -> None:
    while (number := await anext(signals)) == signal.SIGHUP and hangup is not None:
        await hangup()
    log.info(doing.partition(":")[0], signal=signal.Signals(number).name)
    systemd.stopping(patience, doing)
    wanted.set()
    first = trio.current_time()
    with trio.move_on_after(patience):
        async for number in signals:
            # When a terminal closes, SIGHUP may come twice: for the shell's job, and for the session.
            if number != signal.SIGHUP and trio.current_time() - first >= _ONCE:
                log_stream.drain()
                os._exit(_CRASHED)
    log.warning("something hangs: leaving without it; the next start looks again at what was never acknowledged")
    log_stream.drain()
    os._exit(_CRASHED)
