"""The methods of sessions and of subscriptions to the user data stream.

A subscription that ends while its connection lives is told so by an event, before the answer.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from naived.simulator.errors import ApiError
from naived.simulator.params import Params, integer, required
from naived.simulator.users import Session
from naived.simulator.venue import Venue
from naived.simulator.wire import in_microseconds


def logon(venue: Venue, session: Session, params: Params) -> Any:
    if venue.key.secret is not None:
        raise ApiError(-4056, "HMAC_SHA256 API key is not supported.")
    session.api_key = required(params, "apiKey")
    session.authorized_since = venue.clock()
    return status(venue, session, params)


def logout(venue: Venue, session: Session, params: Params) -> Any:
    session.api_key = session.authorized_since = None
    _tell_ended(venue, session, session.subscriptions.logout())
    return status(venue, session, params)


def status(venue: Venue, session: Session, params: Params) -> Any:
    return {
        "apiKey": session.api_key,
        "authorizedSince": session.authorized_since,
        "connectedSince": session.connected_since,
        "returnRateLimits": session.return_rate_limits,
        "serverTime": venue.clock(),
        "userDataStream": any(True for _ in session.subscriptions),
    }


def subscribe(venue: Venue, session: Session, params: Params) -> Any:
    if session.api_key is None:
        raise ApiError(-2015, "Invalid API-key, IP, or permissions for action.")
    return {"subscriptionId": session.subscriptions.open(by_session=True)}


def subscribe_signed(venue: Venue, session: Session, params: Params) -> Any:
    return {"subscriptionId": session.subscriptions.open(by_session=False)}


def unsubscribe(venue: Venue, session: Session, params: Params) -> Any:
    _tell_ended(venue, session, session.subscriptions.close(integer(params, "subscriptionId")))
    return {}


def subscriptions(venue: Venue, session: Session, params: Params) -> Any:
    return [{"subscriptionId": number} for number in session.subscriptions]


def _tell_ended(venue: Venue, session: Session, numbers: Iterable[int]) -> None:
    event = {"e": "eventStreamTerminated", "E": venue.clock()}
    for number in numbers:
        frame = {"subscriptionId": number, "event": in_microseconds(event) if session.micro else event}
        session.outbox.send(msgspec.json.encode(frame).decode())
