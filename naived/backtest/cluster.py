"""The points of a sweep on a Dask cluster (``dask scheduler``, ``dask worker``), which has naived installed."""

import logging
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import replace

from distributed import Client, KilledWorker
from distributed.comm.addressing import get_address_host_port

from naived.backtest.sweep import Job, SweepError
from naived.backtest.workers import Spread

_PATIENCE = 10.0  # seconds to reach the scheduler, and for its first worker


@contextmanager
def cluster(job: Job, address: str, patience: float = _PATIENCE) -> Iterator[Spread]:
    """Workers of the scheduler at this address, which end only their own tasks with the context.

    A task whose worker is gone is given to another one by the scheduler, three times by default. Raises SweepError.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is raised
    try:
        get_address_host_port(address)  # a client of no address at all hangs for 20 s when it is collected
        client = Client(address, timeout=patience, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SweepError(f"there is no Dask scheduler at {address}: {error}") from error
    try:
        yield Spread(_elsewhere(job), _width(client, address, patience), client.get_executor(pure=False))
    except KilledWorker as error:
        raise SweepError(f"workers of {address} died again and again: {error}") from error
    except CancelledError as error:
        raise SweepError(f"the Dask scheduler at {address} went away") from error
    finally:
        client.close(timeout=patience)


def _width(client: Client, address: str, patience: float) -> int:
    """How many batches the workers run at once."""
    try:
        client.wait_for_workers(1, timeout=patience)
    except TimeoutError as error:
        raise SweepError(
            f"the Dask scheduler at {address} has no workers; start one with: dask worker {address}"
        ) from error
    return sum(client.nthreads().values())


def _elsewhere(job: Job) -> Job:
    return replace(job, recording=replace(job.recording, elsewhere=True))
