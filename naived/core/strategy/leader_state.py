"""What a symbol's leader is, and what one step of it returns. ``leader.py`` changes it; everybody may read it."""

from collections.abc import Collection
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from naived.core.amount import Money, Price
from naived.core.market import SymbolInfo
from naived.core.price_guards import Peak
from naived.core.risk import NO_HALTS, Halts
from naived.core.strategy.formulas import NO_COINS, Coins, Fees
from naived.core.strategy.lots import Lots
from naived.core.strategy.settings import DesiredState, Settings, Status
from naived.core.strategy.standing import Standing
from naived.core.strategy.trader_state import (
    LONGEST_PAUSE,
    Cancel,
    Count,
    Holding,
    Measure,
    Note,
    Place,
    Recall,
    Reread,
    Take,
    Trader,
    Waiting,
)
from naived.core.strategy.traders import chunks_taken

_SAME_MARKET = 12 * 3_600_000  # ms: the exchange's longest maintenance; a coin is exchanged for another in days


class Guarded(Struct, frozen=True):
    """A guard holds somebody back from buying at ``price``; ``peak`` is that of the fall guard."""

    price: Price
    peak: Peak | None = None


class Leader(Struct, frozen=True):
    """One symbol's traders and money; ``traders`` are the living ones, oldest first.

    ``active``: rules were read, orders compared and trades subscribed, so the desired state is in effect.
    ``told``: the cause that a person was told last of why a guard holds somebody back; None after a buy.
    ``standing``: until when no waiting trader need be asked again; None: one asks at the next trade.
    ``day_profit`` is the part of ``profit`` that came on ``day``, in days of UTC since 1970.
    ``barred``: why the exchange takes no buy, until a person acts; in memory only. Sells go on.
    ``closed_at`` (exchange ms): when the market was found closed; 0: it is open, and means what it meant before.
    """

    info: SymbolInfo
    fees: Fees
    desired: DesiredState
    active: bool = False
    traders: tuple[Trader, ...] = ()
    next_number: int = 1
    lots: Lots = ()
    owed: Coins = NO_COINS
    cycles: int = 0
    profit: Money = Money(0)
    day: int = 0
    day_profit: Money = Money(0)
    guarded: Guarded | None = None
    told: str | None = None
    halts: Halts = NO_HALTS
    barred: str | None = None
    standing: Standing | None = None
    closed_at: int = 0

    @property
    def settings(self) -> Settings:
        return self.desired.settings

    @property
    def status(self) -> Status:
        """The status that traders act by: ``off`` while the symbol is not active."""
        return self.desired.status if self.active else Status.OFF

    @property
    def may_buy(self) -> bool:
        """Does neither its status, nor a halt, nor the exchange keep it from buying?"""
        return self.status is Status.ON and self.halts.why is None and self.barred is None

    @property
    def least(self) -> Money | None:
        """The band holds while the account's funds leave less than this for a buy; None: whatever they leave."""
        return None if self.standing is None else self.standing.least

    @property
    def wakes_at(self) -> int | None:
        """When (exchange ms) ``Woke`` would change something; None if it would not. See ``overslept``."""
        times = [
            trader.phase.retry_at
            for trader in self.traders
            if type(trader.phase) is Holding and trader.phase.retry_at is not None
        ]
        if self.guarded is not None and self.guarded.peak is not None:
            times.append(self.guarded.peak.until)
        return min(times, default=None)

    def overslept(self, now: int) -> bool:
        """Would ``Woke`` change something at once, because the exchange's clock went back behind a refused sell?"""
        phases = [trader.phase for trader in self.traders]
        return any(type(phase) is Holding and (phase.retry_at or 0) - now > LONGEST_PAUSE for phase in phases)


def closed_at(leader: Leader, info: SymbolInfo, now: int) -> int:
    """What ``closed_at`` is with these rules. After a long time it stays as it is until a person looked.

    One that never bought, and was started while its market was closed, took it for nothing yet.
    """
    off = leader.desired.status is Status.OFF
    held = bool(leader.lots) or any(type(trader.phase) is not Waiting for trader in leader.traders)
    if off and not held:
        return 0
    if doubt(leader, now) is not None:
        return leader.closed_at
    if off or info.trading:
        return 0
    bought = leader.next_number > 2 or any(trader.buys for trader in leader.traders)
    known = held or bought or (leader.active and leader.info.trading)
    return leader.closed_at or (now if known else 0)


def deactivated(leader: Leader, now: int) -> Leader:
    """The leader of a symbol whose task ended after a stop."""
    off = replace(leader, active=False)
    return replace(off, closed_at=closed_at(off, off.info, now))


def doubt(leader: Leader, now: int) -> str | None:
    """Why nothing may be placed, also before the market opens, as sells are sent when it does; or None."""
    if not 0 < leader.closed_at < now - _SAME_MARKET:
        return None
    return "its market was closed for over 12 hours: it may trade another coin now, or count in another unit"


def has_room(leader: Leader, traders: Collection[Trader], committed: int) -> bool:
    """May one more trader start, by chunks, by orders and by money?"""
    settings = leader.settings
    most = leader.info.filters.max_orders
    return (
        settings.budget is not None
        and (len(traders) < settings.chunks or chunks_taken(traders) < settings.chunks)
        and (not most or len(traders) < most)
        and committed < settings.budget
    )


class Drained(Struct, frozen=True):
    """The last trader of a drain has ended: make the status ``off``, unless it is not ``shutdown`` any more."""


Command: TypeAlias = Place | Take | Cancel | Note | Reread | Count | Measure | Recall | Drained


class LeaderStep(Struct, frozen=True):
    """``touched`` are the traders that changed, including those that ended, in their last state."""

    leader: Leader
    commands: tuple[Command, ...] = ()
    touched: tuple[Trader, ...] = ()
