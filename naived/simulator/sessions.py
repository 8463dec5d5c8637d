"""The methods of sessions and of subscriptions to the user data stream."""

from typing import Any

from naived.simulator.errors import ApiError
from naived.simulator.params import Params, integer, required
from naived.simulator.users import Session
from naived.simulator.venue import Venue


def logon(venue: Venue, session: Session, params: Params) -> Any:
    if venue.key.secret is not None:
        raise ApiError(-4056, "HMAC_SHA256 API key is not supported.")
    session.api_key = required(params, "apiKey")
    session.authorized_since = venue.clock()
    return status(venue, session, params)


def logout(venue: Venue, session: Session, params: Params) -> Any:
    session.api_key = session.authorized_since = None
    session.subscriptions.logout()
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
    session.subscriptions.close(integer(params, "subscriptionId"))
    return {}


def subscriptions(venue: Venue, session: Session, params: Params) -> Any:
    return [{"subscriptionId": number} for number in session.subscriptions]
