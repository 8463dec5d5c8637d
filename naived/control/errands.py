"""Verbs on symbols of other nodes: asked for in the database, carried out by the node that has the symbol.

A request is durable before it is waited for, and names the symbol, not a node: whoever has the symbol carries it
out, also after a takeover, one change of a symbol after the other in the order in which they were asked; a halt
waits for halts alone. What it changes is made durable with the mark that it is done, once for its id, as any
request of a client. Its answer is what the owner's own client would get. What a client asked of this node itself
is asked of the next one, with the same id and the rest of its time, if the symbol leaves before that is done.
"""

import contextlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import structlog
import trio

from naived.control import answers, messages, node_messages
from naived.control.call import LEAST_WAIT, Call, Outcome
from naived.control.caller import Caller
from naived.control.node_messages import ElsewhereError
from naived.control.orders import open_orders
from naived.control.protocol import Code, ControlError
from naived.control.requests import Params
from naived.control.service import Service
from naived.nodes import Errand, LeaseLostError, Mailbox
from naived.ports import ConflictError, JournalError, SymbolRecord, UnwrittenError

_EVERY = 0.3  # seconds between two looks for requests, and for an answer
_LOOKS = 10  # that find a node gone until what it waits for ends: one that has just entered is not known yet
_AGAIN = 1.0  # seconds until what the database refused is tried again
_SLACK = 3.0  # seconds beyond a client's patience in which an owner's answer arrives
# They change nothing that other verbs change, and do not wait for what those wait for.
_HALTING = ("halt", "resume")

Document = dict[str, Any]
Verb = Callable[[Service, Call], Awaitable[Outcome]]
Understand = Callable[[str, Params], tuple[Verb, Params]]  # of a word and its parameters; raises ControlError

log = structlog.get_logger()


async def perform_errands(service: Service, understand: Understand) -> None:
    """Carry out what other nodes, perhaps of another version, ask about our symbols. Runs until cancelled."""
    mailbox = service.mailbox
    if mailbox is None:
        return
    begun: dict[str, Caller] = {}
    left: dict[str, int] = {}  # of those that nobody waits for: how many looks in a row found that
    async with trio.open_nursery() as nursery:
        while True:
            try:
                waiting = await mailbox.errands()
                left = {each.id: left.get(each.id, 0) + 1 for each in waiting if _is_left(service, each)}
                for errand_id in [each for each, looks in left.items() if looks > _LOOKS]:
                    await mailbox.withdraw(errand_id)
            except JournalError as error:
                log.warning("requests of other nodes not read", error=str(error))
                await trio.sleep(_EVERY)
                continue
            for gone in begun.keys() - {errand.id for errand in waiting}:
                begun.pop(gone).leave()
            behind: set[tuple[str, bool]] = set()  # queues in which an earlier change is not durable yet
            for errand in waiting:
                queue = errand.symbol, errand.verb in _HALTING
                known = errand.symbol in service.supervisor.symbols and queue not in behind
                if errand.id not in begun and known:
                    begun[errand.id] = Caller()
                    nursery.start_soon(_perform, service, understand, errand, begun)
                if errand.changes and not errand.done:
                    behind.add(queue)
            await trio.sleep(_EVERY)


async def is_carried_out(mailbox: Mailbox, symbol: str) -> bool:
    """Is all done, or answered, that was asked of it, as while no node had it? False if that is not known."""
    try:
        return not any(each.changes and not each.done for each in await mailbox.errands(symbol))
    except JournalError:
        return False


def _is_left(service: Service, errand: Errand) -> bool:
    """Is it to change nothing, and is the node gone that waits for its answer?

    One that was only taken for gone asks again.
    """
    keeper = service.keeper
    if errand.changes or keeper is None:
        return False
    nodes, own = keeper.view.nodes, keeper.cluster.member.name
    asker = nodes.get(errand.asked_by)
    return errand.asked_by != own and own in nodes and (asker is None or not asker.live)


async def do(service: Service, verb: Verb, call: Call, *, configured: bool) -> Document:
    """The entry of ``results``: of this node, or of the one that has the symbol, or takes it meanwhile.

    ``configured``: the symbol is, though no node may have said anything of it yet.
    """
    known, bulletin, name = service.supervisor.symbols, service.bulletin, call.name
    ours = known.get(name)
    if ours is None and bulletin is not None and (configured or bulletin.knows(name)):
        return await ask(service, call)
    try:
        if call.changes:
            await _in_turn(service, call)
        outcome = await verb(service, call)
    except ElsewhereError:
        return await ask(service, call)
    except ControlError as error:
        if isinstance(error.__cause__, LeaseLostError):  # it was ours only since then, and is not any more
            return await ask(service, call)
        outcome = Outcome(False, error.message, error)
    if (ours is not None and ours.gone) or (outcome.changed and name not in known):
        return await ask(service, call)
    if call.changes and outcome.error is None and not outcome.changed and not _is_certain(service):
        return await ask(service, call)  # no commit showed that it is ours still: another node may have changed it
    return answers.result(name, known.get(name), outcome)


def _is_certain(service: Service) -> bool:
    """Has no other node any symbol of ours now?"""
    return service.mailbox is None or service.keeper is None or service.keeper.trust.held


def identified(service: Service, params: Params) -> Params:
    """With an id, by which a node that takes the symbol later knows what was carried out already."""
    if service.mailbox is None or params.get("request_id") is not None:
        return params
    # The number makes it another one than any earlier request of this process.
    return {**params, "request_id": f"{service.identity.instance_id}-{next(service.numbers)}"}


async def _in_turn(service: Service, call: Call) -> None:
    """Wait until what was asked of this symbol before is done, so that the last request has the last word.

    Raises ControlError; ElsewhereError if that waits for a node that has the symbol, which is not this one.
    """
    mailbox, behind, halting = service.mailbox, False, call.verb in _HALTING
    if mailbox is None:
        return
    with trio.move_on_at(call.until_stored):
        while True:
            try:
                waiting = await mailbox.errands(call.name)
            except JournalError as error:
                raise messages.away(call.name, error) from error
            ahead = (each for each in waiting if (each.verb in _HALTING) is halting)
            behind = any(each.changes and not each.done for each in ahead)
            if not behind:
                return
            if call.name not in service.supervisor.symbols:
                raise ElsewhereError(call.name)
            await trio.sleep(_EVERY)
    raise node_messages.behind(call.name) if behind else messages.away(call.name, UnwrittenError(messages.SILENT))


async def _perform(service: Service, understand: Understand, errand: Errand, begun: dict[str, Caller]) -> None:
    """Do it and answer; what is interrupted because the symbol is lost is left to its next owner."""
    caller = begun[errand.id]
    symbol = service.supervisor.symbols.get(errand.symbol)
    log.info("asked by another node", verb=errand.verb, symbol=errand.symbol, node=errand.asked_by)
    try:
        verb, params = understand(errand.verb, json.loads(errand.params))
        given = {**params, "symbols": (errand.symbol,)}
        outcome = await verb(service, Call(errand.symbol, given, caller, errand.verb, changes=errand.changes))
    except ControlError as error:
        away = error.code is Code.DATABASE_UNAVAILABLE and not isinstance(error.__cause__, ConflictError)
        if errand.changes and away:  # who asked may have been told that it will be done
            await trio.sleep(_AGAIN)
            begun.pop(errand.id, None)
            return
        outcome = Outcome(False, error.message, error)
    except Exception:
        log.exception("request of another node failed", verb=errand.verb, symbol=errand.symbol)
        outcome = Outcome(False, "", messages.away(errand.symbol))
    document = answers.result(errand.symbol, service.supervisor.symbols.get(errand.symbol), outcome)
    mailbox, bulletin = service.mailbox, service.bulletin
    while mailbox is not None and bulletin is not None and symbol is not None and not symbol.gone:
        if begun.get(errand.id) is not caller:  # it was withdrawn, and perhaps asked again since
            return
        try:
            await bulletin.publish([symbol])
            await mailbox.answer(errand.id, json.dumps(document))
            break
        except JournalError as error:
            log.warning("another node not answered", error=str(error))
        await trio.sleep(_EVERY)
    if begun.get(errand.id) is caller:
        del begun[errand.id]


async def ask(service: Service, call: Call) -> Document:
    """The entry of ``results`` that the symbol's node answers."""
    mailbox, bulletin, name = service.mailbox, service.bulletin, call.name
    assert mailbox is not None
    assert bulletin is not None
    params = {**identified(service, call.params), "symbols": [name]}
    if params.get("timeout") is not None:  # some of it may have passed here
        params["timeout"] = max(0.0, call.patience.deadline - trio.current_time())
    key = replace(call, params=params).key
    assert key is not None
    errand = Errand(key, name, call.verb, json.dumps(params), service.identity.node, call.changes)
    # Whoever does not wait for a state waits for what is asked to be durable.
    patience = call.patience.deadline if call.params.get("wait", True) else call.until_stored
    done, text = False, None
    try:
        with trio.fail_at(call.until_stored):
            await mailbox.ask(errand)
        with call.caller.waiting(patience + _SLACK):
            while text is None:
                if (known := await mailbox.answer_to(errand.id)) is None:
                    await mailbox.ask(errand)  # this node was taken for gone meanwhile
                else:
                    done, text = known
                if text is None:
                    await trio.sleep(_EVERY)
        if text is None:  # this process may have stood still until after its patience
            with trio.move_on_after(LEAST_WAIT):
                done, text = await mailbox.answer_to(errand.id) or (done, None)
    except JournalError as error:
        return await _failed(service, errand, messages.away(name, error))
    except trio.TooSlowError:
        return await _failed(service, errand, messages.away(name))
    except trio.Cancelled:  # its client is gone: nobody would end a wait without a deadline
        with contextlib.suppress(JournalError), trio.move_on_after(LEAST_WAIT, shield=True):
            await mailbox.withdraw(errand.id)
        raise
    if text is not None:
        with contextlib.suppress(JournalError), trio.move_on_after(LEAST_WAIT):
            await bulletin.catch_up()  # what is asked next here does not contradict it
        document: Document = json.loads(text)
        return document
    owner, drained = bulletin.owner(name), service.drained
    if call.changes:
        return await _failed(service, errand, node_messages.not_answered(name, owner, drained, done))
    return await _failed(service, errand, node_messages.not_told(name, owner, drained, waited=call.verb == "wait"))


async def _failed(service: Service, errand: Errand, error: ControlError) -> Document:
    """The entry of ``results`` for a symbol of another node that did not answer.

    Its state is as that node told it last; its status and orders, and whether anything was changed, are those of
    the journal, if that can be read.
    """
    name, mailbox, bulletin = errand.symbol, service.mailbox, service.bulletin
    entry = None if bulletin is None else bulletin.entry(name)
    known: Document = {} if entry is None else json.loads(entry)
    records: Sequence[SymbolRecord] = ()
    made: str | None = None
    message = f"{error.message}; {node_messages.ORDERS_UNREAD}"
    with contextlib.suppress(JournalError), trio.move_on_after(LEAST_WAIT):
        if mailbox is not None:
            await mailbox.withdraw(errand.id)
        records = await service.journal.load(name)
        message = error.message
        made = await service.journal.answered(errand.id)
    status = next((str(record.desired.status) for record in records), known.get("status", "off"))
    return {
        "symbol": name,
        "status": status,
        "state": known.get("state", "off" if status == "off" else "degraded"),
        "changed": made is not None and bool(json.loads(made)),
        "open_orders": open_orders(order for record in records for order in record.orders),
        "message": message,
        "error": error.document(),
    }
