"""The points of a sweep on a Dask cluster (``dask scheduler``, ``dask worker``), which has naived installed."""

import logging
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from distributed import Client, KilledWorker
from distributed.comm import CommClosedError

from naived.backtest.parcel import packed, sources
from naived.backtest.sweep import Job, SweepError
from naived.backtest.workers import Spread

_PATIENCE = 10.0  # seconds to reach the scheduler, and for its first worker
_ABSENCE = 60.0  # seconds without any worker: what restarts them has done it by then


@contextmanager
def cluster(job: Job, address: str, patience: float = _PATIENCE, absence: float = _ABSENCE) -> Iterator[Spread]:
    """Workers of the scheduler at this address, which end only their own tasks with the context.

    A task whose worker is gone is given to another one by the scheduler, three times by default. Raises SweepError.
    """
    for name in ("distributed", "distributed.client", "tornado.application"):  # Dask gives each its own level
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters is raised
    client = Client.__new__(Client)  # in two steps: what is half made must be closed, or the exit waits for 20 s
    try:
        _connect(client, address, patience)
        width = _width(client, address, patience)
        look = partial(_look, client, address, absence)
        yield Spread(_elsewhere(job), width, _Packing(client.get_executor(pure=False)), look=look)
    except KilledWorker as error:
        raise SweepError(f"workers of {address} died again and again: {error}") from error
    except ModuleNotFoundError as error:
        raise SweepError(
            f"{_strangers(client, address)} cannot run naived: {error}; install it there, from the same sources: "
            "pip install '.[cluster]'"
        ) from error
    except (CancelledError, CommClosedError) as error:
        raise SweepError(f"the Dask scheduler at {address} went away") from error
    finally:
        client.close(timeout=patience)


class _Packing(Executor):
    """Sends calls as bytes: a worker that cannot unpickle what comes with a task ends, and so would all of them."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        return self._executor.submit(pickle.loads, packed(partial(function, *arguments, **named)))


def _connect(client: Client, address: str, patience: float) -> None:
    try:
        client.__init__(address, timeout=patience, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SweepError(f"there is no Dask scheduler at {address}: {error}") from error
    except (ImportError, RuntimeError, TypeError) as error:  # TLS without certificates, encryption that is required
        raise SweepError(f"{address} cannot be used as Dask is configured here: {error}") from error


def _width(client: Client, address: str, patience: float) -> int:
    """How many batches the workers run at once."""
    try:
        client.wait_for_workers(1, timeout=patience)
    except TimeoutError as error:
        raise SweepError(
            f"the Dask scheduler at {address} has no workers; start one with: dask worker {address}"
        ) from error
    return sum(client.nthreads().values())


def _look(client: Client, address: str, absence: float) -> None:
    """Raise SweepError if no worker is left, and none comes within ``absence`` seconds.

    Raises CancelledError without a connection: what a worker has done is lost then, and Dask may not say so.
    """
    if client.status != "running":
        raise CancelledError
    if not client.nthreads():
        _width(client, address, absence)


def _strangers(client: Client, address: str) -> str:
    """The workers that have no naived."""
    answers = client.run(pickle.loads, packed(sources), on_error="return")
    found = [worker for worker, answer in answers.items() if isinstance(answer, ModuleNotFoundError)]
    return f"workers of {address} ({', '.join(found)})"


def _elsewhere(job: Job) -> Job:
    return replace(job, recording=replace(job.recording, elsewhere=True))
