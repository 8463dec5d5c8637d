"""What the server knows of one WebSocket API connection."""

from dataclasses import dataclass

from naived.simulator.outbox import Outbox
from naived.simulator.users import Subscriptions


@dataclass(slots=True)
class Session:
    """``api_key`` is set from session.logon to session.logout. Times are ms of server time."""

    outbox: Outbox
    subscriptions: Subscriptions
    connected_since: int
    return_rate_limits: bool = True
    api_key: str | None = None
    authorized_since: int | None = None
