"""The lock of a home and its control socket: the first things that a naived has, and the last that it gives back.

``cli`` opens both before it imports the rest, which takes a second: from then on a client waits and is not told
that naived does not run. This module, and all that it imports, use the standard library alone.
"""

import resource
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

from naived.control.endpoint import Endpoint, EndpointError
from naived.process.config import Config, refused_by_system
from naived.process.lock import locked

SUSPENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # what asks a naived to suspend


@contextmanager
def opened(config: Config) -> Iterator[Endpoint]:
    """Hold the lock, and listen at the control socket; raises LockedError, ConfigError."""
    with locked(config.home):
        try:
            endpoint = Endpoint(config.socket)
        except EndpointError as error:
            raise refused_by_system(str(error), error.__cause__) from error
        with closing(endpoint):
            yield endpoint


def raise_file_limit() -> None:
    """Set the limit of open files to the highest allowed: a connection or a file of trades needs a descriptor."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError):  # macOS reports "unlimited" and refuses to set it
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
