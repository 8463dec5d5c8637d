"""Verbs on symbols of other nodes: asked for in the database, carried out by the node that has the symbol.

A request is durable before it is waited for, and names the symbol, not a node: whoever has the symbol carries it
out, also after a takeover, one change of a symbol after the other in the order in which they were asked. What it
changes is made durable with the mark that it is done, once for its id, as any request of a client. Its answer is
what the owner's own client would get.
"""

import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog
import trio

from naived.control import answers, messages, node_messages
from naived.control.call import Call, Outcome
from naived.control.caller import Caller
from naived.control.orders import open_orders
from naived.control.protocol import ControlError
from naived.control.service import Service
from naived.nodes import Errand
from naived.ports import JournalError, SymbolRecord

_EVERY = 0.3  # seconds between two looks for requests, and for an answer
_SLACK = 3.0  # seconds beyond a client's patience in which an owner's answer arrives

Document = dict[str, Any]
Verb = Callable[[Service, Call], Awaitable[Outcome]]

log = structlog.get_logger()


async def perform_errands(service: Service, verbs: Mapping[str, Verb]) -> None:
    """Carry out what other nodes ask about our symbols. Runs until cancelled."""
    mailbox = service.mailbox
    if mailbox is None:
        return
    begun: dict[str, Caller] = {}
    async with trio.open_nursery() as nursery:
        while True:
            try:
                waiting = await mailbox.errands()
            except JournalError as error:
                log.warning("requests of other nodes not read", error=str(error))
                await trio.sleep(_EVERY)
                continue
            for gone in begun.keys() - {errand.id for errand in waiting}:
                begun.pop(gone).leave()
            behind: set[str] = set()  # symbols of which an earlier change is not durable yet
            for errand in waiting:
                known = errand.symbol in service.supervisor.symbols and errand.symbol not in behind
                if errand.id not in begun and known:
                    begun[errand.id] = Caller()
                    nursery.start_soon(_perform, service, verbs, errand, begun)
                if errand.changes and not errand.done:
                    behind.add(errand.symbol)
            await trio.sleep(_EVERY)


async def in_turn(service: Service, call: Call) -> None:
    """Wait until what other nodes asked of this symbol before is done, so that the last request has the last word.

    Raises ControlError.
    """
    mailbox = service.mailbox
    if mailbox is None:
        return
    with trio.move_on_at(call.until_stored):
        while True:
            try:
                waiting = await mailbox.errands()
            except JournalError as error:
                raise messages.away(call.name, error) from error
            if not any(each.symbol == call.name and each.changes and not each.done for each in waiting):
                return
            await trio.sleep(_EVERY)
    raise node_messages.behind(call.name)


async def _perform(service: Service, verbs: Mapping[str, Verb], errand: Errand, begun: dict[str, Caller]) -> None:
    """Do it and answer; what is interrupted because the symbol is lost is left to its next owner."""
    caller = begun[errand.id]
    symbol = service.supervisor.symbols.get(errand.symbol)
    params = json.loads(errand.params)
    params["symbols"] = (errand.symbol,)
    call = Call(errand.symbol, params, caller, errand.verb, changes=errand.changes)
    log.info("asked by another node", verb=errand.verb, symbol=errand.symbol, node=errand.asked_by)
    try:
        outcome = await verbs[errand.verb](service, call)
    except ControlError as error:
        outcome = Outcome(False, error.message, error)
    except Exception:
        log.exception("request of another node failed", verb=errand.verb, symbol=errand.symbol)
        outcome = Outcome(False, "", messages.away(errand.symbol))
    document = answers.result(errand.symbol, service.supervisor.symbols.get(errand.symbol), outcome)
    mailbox = service.mailbox
    while mailbox is not None and symbol is not None and not symbol.gone:
        try:
            await mailbox.answer(errand.id, json.dumps(document))
            break
        except JournalError as error:
            log.warning("another node not answered", error=str(error))
        await trio.sleep(_EVERY)
    begun.pop(errand.id, None)


async def ask(service: Service, call: Call) -> Document:
    """The entry of ``results`` that the symbol's node answers."""
    mailbox, bulletin, name = service.mailbox, service.bulletin, call.name
    assert mailbox is not None
    assert bulletin is not None
    # The number makes it another one than any earlier request of this process.
    request_id = call.params.get("request_id") or f"{service.identity.instance_id}-{next(service.numbers)}"
    params = {**call.params, "request_id": request_id, "symbols": [name]}
    key = replace(call, params=params).key
    assert key is not None
    errand = Errand(key, name, call.verb, json.dumps(params), service.identity.node, call.changes)
    # Whoever does not wait for a state waits for what is asked to be durable.
    patience = call.patience.deadline if call.params.get("wait", True) else call.until_stored
    done = False
    try:
        await mailbox.ask(errand)
        with call.caller.waiting(patience + _SLACK):
            while True:
                done, text = await mailbox.answer_to(errand.id)
                if text is not None:
                    document: Document = json.loads(text)
                    return document
                await trio.sleep(_EVERY)
        await mailbox.withdraw(errand.id)
    except JournalError as error:
        return await _failed(service, name, messages.away(name, error))
    owner = bulletin.owner(name)
    if call.changes:
        return await _failed(service, name, node_messages.not_answered(name, owner, done))
    return await _failed(service, name, node_messages.not_told(name, owner, waited=call.verb == "wait"))


async def _failed(service: Service, name: str, error: ControlError) -> Document:
    """The entry of ``results`` for a symbol of another node that did not answer.

    Its state is as that node told it last; its status and orders are those of the journal, if that can be read.
    """
    entry = None if service.bulletin is None else service.bulletin.entry(name)
    known: Document = {} if entry is None else json.loads(entry)
    records: Sequence[SymbolRecord] = ()
    with contextlib.suppress(JournalError), trio.move_on_after(_SLACK):
        records = await service.journal.load(name)
    status = next((str(record.desired.status) for record in records), known.get("status", "off"))
    return {
        "symbol": name,
        "status": status,
        "state": known.get("state", "off" if status == "off" else "degraded"),
        "changed": False,
        "open_orders": open_orders(order for record in records for order in record.orders),
        "message": error.message,
        "error": error.document(),
    }
