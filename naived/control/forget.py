"""``forget``: takes a symbol out of `status` that is off and has nothing but lots; they are written off with it."""

from functools import partial

from msgspec.structs import replace

from naived.control import holdings, messages
from naived.control.call import Call, Outcome
from naived.control.desired import desire
from naived.control.lookup import find
from naived.control.service import Service
from naived.control.verbs import try_to_learn_rules
from naived.core.strategy.formulas import NO_COINS
from naived.core.strategy.leader_events import LotsLost
from naived.core.strategy.settings import DesiredState, Status
from naived.core.strategy.summary import owned
from naived.runtime.symbol_task import Symbol


async def forget(service: Service, call: Call) -> Outcome:
    """Raises ControlError while it trades, has open orders, or coins of a trader."""
    symbol = await find(service, call)
    if symbol is None or symbol.desired.forgotten:
        changed = False
        if symbol is not None and not call.params["dry_run"]:  # that it is forgotten may not be durable yet
            changed = await desire(service, call, symbol, lambda before: before)
        return Outcome(changed, messages.FORGOTTEN, more={"lost": []})
    await try_to_learn_rules(service, symbol)
    obstacle = _obstacle(symbol)
    # Else it is looked at when the change is made: a repeated request is answered as it was, whatever came since.
    if obstacle is not None and call.params["dry_run"]:
        raise messages.not_forgotten(symbol, obstacle)
    lots = owned(symbol.engine.leader) if obstacle is None else NO_COINS
    lost = {"lost": [] if (document := holdings.document(symbol, lots)) is None else [document]}
    if call.params["dry_run"]:
        return Outcome(False, messages.would_forget(symbol, lots), more=lost)
    changed = await desire(service, call, symbol, partial(_forgotten, symbol))
    return Outcome(changed, messages.forgotten(symbol, lots), more=lost)


def _forgotten(symbol: Symbol, before: DesiredState) -> DesiredState:
    """The desired state without it, whose lots are written off; raises ControlError if it was started meanwhile."""
    obstacle = _obstacle(symbol)
    if obstacle is not None:
        raise messages.not_forgotten(symbol, obstacle)
    if symbol.engine.leader.lots:
        symbol.offer(LotsLost())
    return replace(before, forgotten=True)


def _obstacle(symbol: Symbol) -> str | None:
    """What is left to do before it can be forgotten."""
    engine = symbol.engine
    if symbol.desired.status is not Status.OFF or symbol.tended:
        return f"it is {symbol.desired.status}"
    if engine.resting or engine.quarantined:
        return "it has orders that are open or in quarantine"
    if engine.leader.traders:
        return f"its traders hold {holdings.words(symbol, holdings.everything(engine))}"
    if engine.leader.owed.quantity:
        return "it sold coins that its next lots have to replace"
    return None
