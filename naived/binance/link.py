"""Requests to the WebSocket API over whichever session is up, within the rate limits, on the server's clock.

Every request is signed by itself, so that any kind of key works and no logon state has to be kept.
"""

from collections.abc import Mapping

import structlog
import trio

from naived.binance.answers import described, halt_until
from naived.binance.api import NoAnswer, Session
from naived.binance.clock import ServerClock
from naived.binance.codec import ApiAnswer, Garbled, read_result
from naived.binance.limits import Limits, Use
from naived.binance.rows import ServerTime
from naived.binance.signing import Credentials, Params, signed
from naived.ports import CredentialsError, ExchangeError

_log = structlog.get_logger(__name__)

_QUERY_TIMEOUT = 10  # seconds, the time after which the exchange itself gives up
_PATIENCE = 60_000  # ms, the longest window of the request weight
_UNTOLD = 0.1  # seconds in which a loss is told, nearly always
_WINDOW = 5000  # ms, the recvWindow of requests that may be repeated


class Link:
    """Whoever keeps the sessions up says so by ``adopt`` and ``drop``."""

    def __init__(self, who: Credentials, clock: ServerClock | None = None) -> None:
        self.clock = clock or ServerClock()
        self.limits = Limits()
        self._who = who
        self._session: Session | None = None
        self._up = trio.Event()
        self._absence = ExchangeError, "not connected yet"

    @property
    def session(self) -> Session | None:
        """The newest session that is up."""
        if self._session is None or self._session.closed:
            return None
        return self._session

    async def up(self) -> None:
        """Wait for a session."""
        await self._up.wait()
        while self.session is None:  # closed, and whoever reads from it has not told yet
            await trio.sleep(_UNTOLD)
            await self._up.wait()

    def adopt(self, session: Session) -> None:
        """From now on requests go this way."""
        self._session = session
        self._up.set()

    def drop(self, session: Session | None, reason: str, *, refused: bool) -> bool:
        """This session, or the attempt to make one, is over; True if none is left and that is news."""
        if self._session is not session and self.session is not None:
            return False
        absence = (CredentialsError if refused else ExchangeError), reason
        if self._session is None and self._absence == absence:
            return False
        self._session, self._absence = None, absence
        if self._up.is_set():
            self._up = trio.Event()
        return True

    async def slot(self, use: Use, weight: int) -> None:
        """Wait until the rate limits let a request go, and count it; raises ExchangeError during a ban."""
        while True:
            now = self.clock.now()
            if self.limits.take(use, weight, now):
                return
            delay = self.limits.delay(use, weight, now)
            if delay > _PATIENCE:
                raise ExchangeError(f"rate limit exceeded: nothing may be asked for {delay // 1000} s")
            await trio.sleep(delay / 1000)

    async def send(self, method: str, params: Params, within: float) -> ApiAnswer:
        """Sign the parameters as they are, send once; raises NoAnswer, or ExchangeError without a session."""
        return await self.request(self._present(), method, signed(params, self._who), within)

    async def ask(self, method: str, params: Mapping[str, object], weight: int) -> ApiAnswer:
        """An unsigned question, in its turn; raises ExchangeError."""
        await self.slot(Use.QUERY, weight)
        return await self._answered(method, params)

    async def ask_signed(self, method: str, params: Params, weight: int) -> ApiAnswer:
        """A question on our account, in its turn; raises ExchangeError."""
        await self.slot(Use.QUERY, weight)
        return await self._answered(method, signed({**params, **self.stamp()}, self._who))

    def stamp(self) -> dict[str, int]:
        """Timestamp and window of a request that may be repeated."""
        return {"timestamp": self.clock.now(), "recvWindow": _WINDOW}

    async def request(
        self, session: Session, method: str, params: Mapping[str, object], within: float
    ) -> ApiAnswer:
        """Send on this session, and learn the limits from the answer; raises NoAnswer."""
        asked_at = trio.current_time()
        answer = await session.request(method, params, within)
        if answer.error is not None and answer.error.data is not None and answer.error.data.server_time is not None:
            # Who is told when to come back before the first contact must not reckon by the machine's own clock.
            self.clock.received(answer.error.data.server_time, asked_at)
        self.learn(answer)
        return answer

    def heed(self, answer: ApiAnswer) -> None:
        """Stop at once when we are told to: others may ask before the one that was told so wakes."""
        data = None if answer.error is None else answer.error.data
        if data is not None and data.retry_after is not None:
            self.limits.halt(data.retry_after)

    def learn(self, answer: ApiAnswer) -> None:
        """Take over what an answer says of the rate limits."""
        now = self.clock.now()
        self.limits.learn(answer.rate_limits, now)
        until = halt_until(answer, now)
        if until is not None:
            _log.warning("rate limit exceeded, everything waits", until=until, answer=described(answer))
            self.limits.halt(until)

    async def read_time(self, session: Session | None = None) -> int:
        """The server's clock (ms), just received, over this session or the present one; raises ExchangeError."""
        asked_at = trio.current_time()
        answer = await self._answered("time", {}, session)
        result = read_result(answer, ServerTime)
        if isinstance(result, Garbled):
            raise ExchangeError(f"time: {described(answer)}")
        self.clock.received(result.server_time, asked_at)
        return result.server_time

    def _present(self) -> Session:
        session = self.session
        if session is None:
            kind, reason = self._absence
            raise kind(reason)
        return session

    async def _answered(
        self, method: str, params: Mapping[str, object], session: Session | None = None
    ) -> ApiAnswer:
        try:
            return await self.request(session or self._present(), method, params, _QUERY_TIMEOUT)
        except NoAnswer as error:
            raise ExchangeError(f"{method}: {error}") from error
