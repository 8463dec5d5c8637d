"""Follows what the account's trading is worth, and halts the account when a loss reaches its limit.

It looks once a second and at each fill that is booked, never at each trade. What is measured becomes durable with a
halt, at once when a limit needs it, else once a minute. What halts or limits the account is read again while it is
in doubt. ``app.py`` runs it.
"""

import structlog
import trio
from msgspec.structs import replace

from naived.core.amount import Price
from naived.core.losses import with_limit
from naived.core.risk import Halt, Worth
from naived.ports import JournalError, Unit
from naived.runtime.account import AccountKeeper, told
from naived.runtime.funds import AccountFunds
from naived.runtime.notification import Notification
from naived.runtime.session import Session
from naived.runtime.symbol_task import Context
from naived.runtime.valuation import Valuation

_EVERY = 1.0  # seconds between two looks
_KEPT_EVERY = 60_000  # ms between two writings of what decides nothing now
_ENDED = "the day of its limit has ended: the account is not halted any more"

log = structlog.get_logger()


class ValueWatch:
    """What is measured is in ``funds.account.worth``. ``shared``: other nodes measure their symbols as well."""

    def __init__(
        self,
        context: Context,
        session: Session,
        funds: AccountFunds,
        valuation: Valuation,
        keeper: AccountKeeper,
        *,
        shared: bool = False,
    ) -> None:
        self._context = context
        self._session = session
        self._funds = funds
        self._valuation = valuation
        self._keeper = keeper
        self._shared = shared
        self._booked = Notification()
        self._kept, self._kept_at = funds.account.worth, 0

    def booked(self) -> None:
        """A fill was booked: look at once."""
        self._booked.notify()

    async def run(self) -> None:
        """Until cancelled."""
        ready = self._session.ready
        while True:
            try:
                await self._look()
            except JournalError as error:  # while the database is away nothing is bought
                log.warning("losses wait for the database", error=str(error))
                await trio.sleep(_EVERY)
            with trio.move_on_after(_EVERY):
                await (self._booked if ready.is_set() else ready).wait()

    @property
    def worth(self) -> Worth | None:
        """What is known of this moment, or was last; None before all of it is."""
        known = self._valuation.worth(self._context.exchange.now()) if self._session.ready.is_set() else None
        return known or self._funds.account.worth

    def doubts(self) -> dict[str, str]:
        """Why a symbol neither trips nor releases a limit now, by symbol; if for one no loss counts, that alone."""
        return self._valuation.awaited() or self._valuation.doubts()

    @property
    def reached(self) -> Halt | None:
        """The halt of a limit that is reached now; None if none is."""
        worth = self.worth
        return None if worth is None else self._valuation.reached(worth, self._context.exchange.now())

    def mark(self, name: str) -> Price | None:
        """The last confirmed price of a symbol; None if there was none."""
        return self._valuation.mark(name)

    async def _look(self) -> None:
        async with self._keeper.turn:
            if self._funds.doubt is not None:
                await self._keeper.refresh()
            if not self._session.ready.is_set():  # the exchange's clock is not known yet, and no price is
                return
            if self._shared:  # the keeper follows what other nodes write
                self._kept = self._funds.account.worth
            now = self._context.exchange.now()
            worth = self._valuation.worth(now)
            if worth is not None:
                self._funds.account = replace(self._funds.account, worth=worth)
            known = self._funds.account.worth
            halt = self._halt(worth, now)
            if halt != self._keeper.halt:
                words = told(halt) if halt is not None else ("resumed", _ENDED)
                await self._keeper.commit_halt(halt, known, words, gains=self._valuation.gains())
            elif self._is_due(worth, now):
                await self._keep(worth, now)
            else:
                return
            self._kept = known

    def _halt(self, worth: Worth | None, now: int) -> Halt | None:
        """The account's halt as it has to be: a day ends whatever is known of its value."""
        before = self._keeper.halt
        if before is not None and before.until is not None and before.until <= now:
            before = None
        limit = None if worth is None else self._valuation.reached(worth, now)
        return before if limit is None else with_limit(before, limit)

    def _is_due(self, worth: Worth | None, now: int) -> bool:
        kept, of_losses = self._kept, self._funds.account.limits.of_losses
        if worth is not None and kept is None:
            made = any(gain.money for gain in self._valuation.gains().values())
            return made or bool(worth.value) or of_losses
        changed = worth is not None and worth != kept
        if of_losses and self._shared:
            return changed or bool(self._valuation.gains())
        if of_losses and worth is not None and kept is not None and replace(worth, value=kept.value) != kept:
            return True
        return now - self._kept_at >= _KEPT_EVERY and bool(changed or self._valuation.gains())

    async def _keep(self, worth: Worth | None, now: int) -> None:
        """With what each symbol made: other nodes need that at once, we only after a restart."""
        gains = {}
        # With an older gain a restart would begin above a peak that was begun anew.
        anew = worth is not None and self._kept is not None and self._kept.round != worth.round
        minutely = not (self._shared and self._funds.account.limits.of_losses)
        if anew or not minutely or now - self._kept_at >= _KEPT_EVERY:
            self._kept_at = now
            gains = self._valuation.gains()
        await self._context.journal.commit(Unit("", worth=worth, gains=gains))
        known = {**self._funds.account.gains, **gains}
        self._funds.account = replace(self._funds.account, gains=known)
