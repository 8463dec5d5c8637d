"""Keep a session with its user data stream up, and hand on what the exchange pushes.

A session is up once the server's clock was read and the user data stream is subscribed. Its successor is up
before it leaves, and it leaves only when nothing is in flight on it any more.
"""

from dataclasses import dataclass
from functools import partial
from typing import assert_never

import structlog
import trio

from naived.binance.answers import OK, described, placed, refuses_credentials
from naived.binance.api import NoAnswer, Session
from naived.binance.codec import ApiAnswer, ExecutionReport, OtherEvent, Shutdown, StreamTerminated, UserEvent
from naived.binance.limits import Use
from naived.binance.link import Link
from naived.binance.relay import Connect, Leg, attend
from naived.binance.results import report_of_event
from naived.binance.signing import Credentials, signed
from naived.core.order import Accepted
from naived.ports import CredentialsError, ExchangeError, Sink
from naived.websocket import Closed, ConnectError, Connection

_log = structlog.get_logger(__name__)

PLACE = "order.place"
_SUBSCRIBE = "userDataStream.subscribe.signature"

_OPEN_TIMEOUT = 10  # seconds for the subscription
_OPEN_WEIGHT = 5  # of a connection (2), the time (1) and the subscription (2)
_DRAIN = 15  # seconds; the exchange gives up a request after 10
_TIME_EVERY = 20  # seconds between readings of the server's clock: drift stays far below a millisecond
_DEAF = 3  # readings in a row that failed: what answers our pings may have lost what is behind it
_REFUSED_PAUSE = 60  # seconds between attempts with a key that was refused: only a person can mend it


class _KeyRevoked(Closed):
    """The exchange says, to no request of ours, that it refuses our key: every answer in flight is unknown."""


@dataclass(frozen=True, slots=True)
class Upkeep:
    """``run_leg`` is one session's life, for a relay."""

    link: Link
    who: Credentials
    url: str
    connect: Connect
    sink: Sink

    async def run_leg(self, leg: Leg) -> None:
        try:
            await self.link.slot(Use.CANCEL, _OPEN_WEIGHT)
            async with self.connect(self.url) as connection, trio.open_nursery() as nursery:
                session = Session(
                    connection,
                    on_answer=self.link.heed,
                    on_event=partial(self._take, leg),
                    on_late=self._take_late,
                    on_unnamed=self._take_unnamed,
                )
                nursery.start_soon(self._attend, connection, session, leg, nursery.cancel_scope)
                if await self._opened(session, leg):
                    nursery.start_soon(self._keep_time, session, leg)
                    await leg.serve()
                    await session.drained(_DRAIN)
                nursery.cancel_scope.cancel()
        except (ConnectError, ExchangeError) as error:
            self._end(None, leg, str(error))

    async def _opened(self, session: Session, leg: Leg) -> bool:
        try:
            await self._log_on(session)
        except CredentialsError as error:
            self._end(None, leg, str(error), refused=True)
            return False
        except (NoAnswer, ExchangeError) as error:
            if not session.closed:  # else that is the reason, and told already
                self._end(None, leg, str(error))
            return False
        self.link.adopt(session)
        leg.take_over()
        _log.info("session is up", url=self.url)
        self.sink.opened()
        return True

    async def _log_on(self, session: Session) -> None:
        await self.link.read_time(session)
        params = signed(self.link.stamp(), self.who)
        answer = await self.link.request(session, _SUBSCRIBE, params, _OPEN_TIMEOUT)
        if answer.status != OK:
            kind = CredentialsError if refuses_credentials(answer) else ExchangeError
            raise kind(f"the exchange refuses a session: {described(answer)}")

    async def _attend(self, connection: Connection, session: Session, leg: Leg, scope: trio.CancelScope) -> None:
        end = Closed("naived ends")
        try:
            end = await attend(connection, session.take)
        finally:
            session.lose(str(end))
        self._end(session, leg, str(end), refused=isinstance(end, _KeyRevoked))
        scope.cancel()

    async def _keep_time(self, session: Session, leg: Leg) -> None:
        failures = 0
        while True:
            await trio.sleep(_TIME_EVERY)
            try:
                await self.link.slot(Use.QUERY, 1)
                await self.link.read_time(session)
                failures = 0
            except ExchangeError as error:
                _log.warning("the exchange's clock was not read", reason=str(error))
                failures += 1
                if failures == _DEAF:
                    leg.end("pings are answered, requests are not")

    def _end(self, session: Session | None, leg: Leg, reason: str, *, refused: bool = False) -> None:
        leg.end(reason, _REFUSED_PAUSE if refused else 0)
        if self.link.drop(session, reason, refused=refused):
            self.sink.closed(reason)

    def _take(self, leg: Leg, event: UserEvent) -> None:
        match event:
            case ExecutionReport():
                try:
                    report = report_of_event(event)
                except ValueError as error:
                    _log.error("unreadable execution report", symbol=event.symbol, why=str(error))
                    return
                self.sink.report(report)
            case Shutdown():
                leg.end("the server shuts down")
            case StreamTerminated():
                raise Closed("the user data stream was terminated")
            case OtherEvent(kind):
                _log.debug("user event", kind=kind)
            case _:
                assert_never(event)

    def _take_late(self, method: str, answer: ApiAnswer) -> None:
        self.link.learn(answer)
        if method != PLACE:
            return
        outcome = placed(answer)
        if isinstance(outcome, Accepted):
            self.sink.report(outcome.report)

    def _take_unnamed(self, answer: ApiAnswer) -> None:
        self.link.learn(answer)
        if refuses_credentials(answer):
            raise _KeyRevoked(f"the exchange refuses our key from now on: {described(answer)}")
        _log.warning("answer to no request", answer=described(answer))
