"""Signals: the first asks for a suspend, a second ends the process at once, and so does the end of patience.

To leave at once is what a crash is, and a crash is safe at any moment: the exchange is never ahead of the journal.
"""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
import trio

_SUSPENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_CRASHED = 1  # exit code
_PATIENCE = 9  # seconds; `docker stop` kills after 10, and nothing else here takes longer but a hung database

log = structlog.get_logger()


@asynccontextmanager
async def suspendable() -> AsyncIterator[trio.Event]:
    """The event is set when a signal has asked for a suspend, also one that comes while everything is being opened.

    From then on the block has ``_PATIENCE`` seconds to end.
    """
    # nohup says so by ignoring it: whoever uses it wants the process to outlive the terminal.
    asking = [each for each in _SUSPENDING if each is not signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN]
    with trio.open_signal_receiver(*asking) as signals:
        async with trio.open_nursery() as nursery:
            wanted = trio.Event()
            nursery.start_soon(_obey, signals, wanted)
            yield wanted
            nursery.cancel_scope.cancel()


async def _obey(signals: AsyncIterator[int], wanted: trio.Event) -> None:
    log.info("suspending", signal=signal.Signals(await anext(signals)).name)
    wanted.set()
    with trio.move_on_after(_PATIENCE):
        async for number in signals:
            # A terminal that closes may hang up twice, as a shell's job and as its session.
            if number != signal.SIGHUP:
                os._exit(_CRASHED)
    log.warning("something hangs: left without it; what it never acknowledged is looked at again at the next start")
    os._exit(0)
