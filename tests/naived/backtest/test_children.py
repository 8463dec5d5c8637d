"""Ctrl-C while processes begin: it waits until they have begun, whoever takes it, and they never get it."""

import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from naived.backtest import children


def _interrupted(reached: list[str]) -> None:
    taken, tell = os.pipe()
    os.set_blocking(tell, False)
    before = signal.set_wakeup_fd(tell)  # written to by whichever thread takes a signal
    try:
        with children.no_interrupt():
            os.kill(os.getpid(), signal.SIGINT)
            os.read(taken, 1)
            reached.append("the end")
    finally:
        signal.set_wakeup_fd(before)
        os.close(taken)
        os.close(tell)


def test_an_interrupt_waits_even_where_a_thread_of_a_library_takes_it() -> None:
    ended = threading.Event()
    other = threading.Thread(target=ended.wait)
    other.start()  # blocks no signal, as a thread of OpenBLAS
    reached: list[str] = []
    try:
        with pytest.raises(KeyboardInterrupt):
            _interrupted(reached)
        assert reached == ["the end"]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    finally:
        ended.set()
        other.join()


def test_without_an_interrupt_nothing_is_raised_and_whoever_ignores_it_goes_on_ignoring() -> None:
    with children.no_interrupt():
        pass
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with children.no_interrupt():
            os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def _blocked() -> str:
    status = Path("/proc/self/status").read_text()
    return next(line for line in status.splitlines() if line.startswith("SigBlk")).split()[1]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell signals")
def test_a_process_that_begins_meanwhile_blocks_it_and_nothing_else() -> None:
    with ProcessPoolExecutor(1, children.CONTEXT, children.end_with_parent) as pool:
        with children.no_interrupt():
            future = pool.submit(_blocked)
        assert int(future.result(), 16) == 1 << signal.SIGINT - 1
