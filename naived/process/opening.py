"""The lock of a home and its control socket: the first things that a naived has, and the last that it gives back.

``cli`` opens both before it imports the rest, which takes a second: from then on a client waits and is not told
that naived does not run. This module, and all that it imports, use the standard library alone.
"""

import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager

from naived.control.endpoint import Endpoint, EndpointError
from naived.process.config import Config, ConfigError
from naived.process.lock import locked

SUSPENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # what asks a naived to suspend


@contextmanager
def opened(config: Config) -> Iterator[Endpoint]:
    """Hold the lock, and listen at the control socket; raises LockedError, ConfigError."""
    with locked(config.home):
        try:
            endpoint = Endpoint(config.socket)
        except EndpointError as error:
            raise ConfigError(str(error)) from error
        with closing(endpoint):
            yield endpoint
