"""The working copy of one step of a leader: traders are told, and what they command is carried out.

``leader.py`` and ``leader_coins.py`` use it.
"""

from collections.abc import Collection

from msgspec import Struct
from msgspec.structs import replace

from naived.core.amount import Money, Price, Quantity, format_amount, value_up
from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.state import Ended
from naived.core.price_guards import Peak
from naived.core.strategy import trader as trading
from naived.core.strategy.day import counted_in_day
from naived.core.strategy.formulas import Bought, Coins, Sold, dust_cost
from naived.core.strategy.guards import why_guarded
from naived.core.strategy.leader_state import Command, Leader, has_room
from naived.core.strategy.lots import NO_LOT, Lot, Lots, added
from naived.core.strategy.settings import Status
from naived.core.strategy.sizing import terms_of
from naived.core.strategy.standing import Standing
from naived.core.strategy.trader_state import (
    PAID_BACK,
    Buying,
    Carry,
    Directed,
    Fault,
    Finished,
    Holding,
    Leave,
    Note,
    OrderNews,
    Phase,
    Place,
    Selling,
    Traded,
    Trader,
    TraderEvent,
    Waiting,
)
from naived.core.strategy.traders import commitments, surplus
from naived.core.strategy.view import UNLIMITED, Funds, SymbolView

_HAND_PAUSE = 60_000  # ms before a successor buys, after a person cancelled the buy
_LIVING = (Waiting, Buying, Holding, Selling)


class Draft(Struct):
    """The working copy of one step; ``living`` are its traders by number, oldest first."""

    leader: Leader
    now: int
    blocked: str | None
    living: dict[int, Trader]
    commands: list[Command] = []
    touched: dict[int, Trader] = {}
    money: tuple[int, int] | None = None  # the commitments of ``living``; None: they have to be summed
    funds: Funds = UNLIMITED  # what the trade came with, less what was bought on it
    price: Price = Price(0)  # of the trade; set only while one is handled
    peak: Peak | None = None  # of the fall guard, with the trade
    held_back: bool = False  # did a guard keep a trader from starting?
    standings: list[Standing] = []  # of the traders that were refused a buy on this trade

    @property
    def commitments(self) -> tuple[int, int]:
        if self.money is None:
            self.money = commitments(self.living.values(), self.leader.lots)
        return self.money

    def view(self, *, deciding: bool) -> SymbolView:
        leader = self.leader
        info = leader.info
        room, lowest_sell, crowd, guarded = Money(0), None, None, None
        if deciding:
            settings, living = leader.settings, self.living.values()
            room = Money(max(0, (settings.budget or 0) - self.commitments[0]))
            sells = [trader.phase.intent.price for trader in living if type(trader.phase) is Selling]
            lowest_sell = min(sells, default=None)
            crowd = surplus(living, settings.chunks)
            guarded = self.why_guarded()
        return SymbolView(
            self.now,
            info.filters,
            leader.status,
            leader.desired.keep_buys,
            leader.halts,
            info.base,
            info.quote,
            leader.lots,
            None if info.trading else info.status,
            room,
            lowest_sell,
            crowd,
            guarded,
            self.funds,
        )

    def put(self, trader: Trader) -> None:
        if self.living.get(trader.number) is trader:
            return
        self.money = None
        self.touched[trader.number] = trader
        if type(trader.phase) is Finished:
            self.living.pop(trader.number, None)
        else:
            self.living[trader.number] = trader

    def tell(self, trader: Trader, event: TraderEvent) -> None:
        deciding = type(event) is Traded and type(trader.phase) is Waiting
        after, commands = trading.step_trader(trader, event, self.view(deciding=deciding))
        if type(after.phase) is Waiting and type(trader.phase) is not Waiting:  # whoever waits takes new settings
            after = replace(after, terms=terms_of(self.leader.settings, self.leader.fees))
        self.put(after)
        for command in commands:
            match command:
                case Place():
                    if command.intent.side is Side.BUY:
                        _reserve(self, command.intent)
                        if self.leader.told is not None:
                            self.leader = replace(self.leader, told=None)
                    self.commands.append(command)
                case Carry(lots):
                    self.put_lots(tuple([lot for lot in self.leader.lots if lot not in lots]))
                case Leave(lot):
                    leave(self, lot)
                case Standing():
                    self.standings.append(command)
                case Fault(reason):
                    _bar(self, reason)
                case _:
                    self.commands.append(command)
        if after is not trader and type(after.phase) is Finished:
            self.count(after.phase, after.since)
            self._ended(trader, after.phase, event, after.stop is not None or _sells_at_loss(trader))

    def put_lots(self, lots: Lots) -> None:
        self.leader = replace(self.leader, lots=lots)
        self.money = None

    def tell_all(self, event: TraderEvent, concerned: Collection[type[Phase]] = _LIVING) -> None:
        for trader in list(self.living.values()):
            if type(trader.phase) in concerned:
                self.tell(trader, event)

    def _ended(self, trader: Trader, finished: Finished, event: TraderEvent, stopped: bool) -> None:
        """Start a successor, which acts on a trade later than the end of this one.

        One that was ``stopped`` has none, and the rebuy that started its line does not come back.
        """
        if trader.sells_lots:
            return
        if stopped:
            parent = None if trader.origin is None else self.living.get(trader.origin)
            if parent is not None:
                self.put(replace(parent, rebuy_spent=True))
            return
        newest = event.news[-1] if type(event) is OrderNews else None
        if type(newest) is Ended and newest.trade_id is not None:
            self.start(behind=newest.trade_id, origin=trader.origin)
        else:
            pause = _HAND_PAUSE if finished.bought is None else 0
            self.start(after=self.now + pause, origin=trader.origin)

    def count(self, finished: Finished, since: int) -> None:
        """A cycle that ended ``since``: not ``now``, which may be earlier than what the trader did before."""
        leader = self.leader
        if finished.profit is not None:
            day, today = counted_in_day(leader.day, leader.day_profit, finished.profit, since)
            profit = Money(leader.profit + finished.profit)
            self.leader = replace(leader, cycles=leader.cycles + 1, profit=profit, day=day, day_profit=today)

    def may_start(self) -> bool:
        """Is there room for one more trader?"""
        return has_room(self.leader, self.living.values(), sum(self.commitments))

    def why_guarded(self) -> str | None:
        """Why a guard blocks a buy on this trade; the buys of this step count too."""
        return why_guarded(self.leader.settings, self.leader.info, self.living.values(), self.price, self.peak)

    def start(self, *, after: int = 0, behind: int = 0, origin: int | None = None) -> Trader | None:
        """One more trader; None if there is no room for it.

        It acts on a trade later than ``after`` (exchange ms) and with an id above ``behind``.
        """
        if self.leader.status is not Status.ON or not self.may_start():
            return None
        return self.add(Waiting(after, behind=behind), origin)

    def add(self, phase: Phase, origin: int | None = None) -> Trader:
        leader = self.leader
        trader = Trader(
            leader.info.symbol,
            leader.next_number,
            terms_of(leader.settings, leader.fees),
            phase,
            self.now,
            self.now,
            origin=origin,
        )
        self.leader = replace(leader, next_number=leader.next_number + 1)
        self.put(trader)
        return trader


def _sells_at_loss(trader: Trader) -> bool:
    """Is an order of the stop-loss on its way, although that was taken away meanwhile?"""
    return type(trader.phase) is Selling and trader.phase.intent.ioc


def _bar(draft: Draft, reason: str) -> None:
    """Buy nothing any more: what the exchange does not have yet is taken back."""
    draft.leader = replace(draft.leader, barred=reason)
    for trader in list(draft.living.values()):
        if type(trader.phase) is Buying and not trader.phase.accepted:
            draft.tell(trader, Directed(draft.leader.desired, frozenset({Side.BUY})))


def _reserve(draft: Draft, buy: OrderIntent) -> None:
    """Leave to the other buys of this step what this one does not take of the account's funds."""
    if draft.funds is UNLIMITED:
        return
    funds, value = draft.funds, value_up(buy.price, buy.quantity)
    draft.funds = replace(
        funds,
        quote=None if funds.quote is None else Money(funds.quote - value),
        position=None if funds.position is None else Quantity(funds.position + buy.quantity),
        room=None if funds.room is None else Money(funds.room - value),
    )


def leave(draft: Draft, lot: Lot) -> None:
    """One more lot of the symbol; coins that it owes are taken out of it first."""
    if lot.quantity < 0:
        owe(draft, Coins(lot.quantity, lot.cost))
        return
    if draft.leader.owed.quantity < 0:
        lot = _pay(draft, draft.leader.owed, lot)
    if lot.quantity > 0:
        draft.put_lots(added(draft.leader.lots, lot))


def owe(draft: Draft, coins: Coins) -> None:
    """Coins were sold that the symbol's traders did not have: its lots replace them, then those to come."""
    lots = draft.leader.lots
    draft.leader = replace(draft.leader, owed=draft.leader.owed + coins)
    draft.put_lots(())
    for lot in lots:
        leave(draft, lot)


def _pay(draft: Draft, owed: Coins, lot: Lot) -> Lot:
    """What is left of a lot after the coins that were sold by mistake; the difference is a profit or a loss."""
    paid = Quantity(min(lot.quantity, -owed.quantity))
    cost = dust_cost(lot.cost, paid, lot.quantity)
    received = dust_cost(Money(-owed.cost), paid, Quantity(-owed.quantity))
    draft.leader = replace(draft.leader, owed=Coins(Quantity(owed.quantity + paid), Money(owed.cost + received)))
    settle(draft, Bought(lot.price, paid, cost), Sold(paid, received), PAID_BACK)
    coins = f"{format_amount(paid)} {draft.leader.info.base}"
    draft.commands.append(Note("lot", f"{draft.leader.info.symbol}: {coins} of a lot replace coins that were owed"))
    return Lot(Quantity(lot.quantity - paid), Money(lot.cost - cost), lot.price)


def settle(draft: Draft, bought: Bought, sold: Sold, reason: str, of: Trader | None = None) -> None:
    """Book a profit or a loss as a cycle of its own, which ended when it began and has no successor."""
    profit = Money(sold.received - bought.cost - bought.fees_valued)
    finished = Finished(bought, sold, NO_LOT, NO_LOT, profit, reason)
    trader = draft.add(Waiting())
    if of is not None:
        trader = replace(trader, terms=of.terms, started_at=of.started_at)
    draft.put(replace(trader, phase=finished))
    draft.count(finished, trader.since)
