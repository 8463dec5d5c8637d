"""The table of all methods of the control socket: what each takes and does. The server calls them.

A new method is one entry here. Its effect on one symbol is a function in `verbs` or in its own module, its texts
are in `messages`, its JSON in `answers`.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import NoReturn

import trio

from naived.control import answers, halting, messages, node_messages, verbs
from naived.control.bulletin import stamped
from naived.control.call import Call, Outcome
from naived.control.caller import Caller
from naived.control.channel import Channel
from naived.control.desired import read_in_time
from naived.control.errands import Verb, ask, do, identified
from naived.control.explain import explain
from naived.control.forget import forget
from naived.control.limits import limit, limits
from naived.control.lookup import check
from naived.control.metrics import MissingLibraryError, exposition
from naived.control.node_messages import ElsewhereError
from naived.control.nodes import nodes
from naived.control.orders import order
from naived.control.proposal import given_settings
from naived.control.protocol import (
    LIMITS,
    MAX_ROWS,
    MIN_PROTO,
    PROTO,
    SETTINGS,
    TIMEOUTS,
    Code,
    ControlError,
    encode_body,
)
from naived.control.requests import (
    ABSENT,
    REQUIRED,
    Method,
    Param,
    Params,
    Request,
    above_zero,
    boolean,
    moment,
    one_of,
    sentence,
    short_text,
    symbol_names,
    timeout,
    whole_number,
)
from naived.control.resolve import ACTIONS, resolve
from naived.control.service import Service
from naived.control.streams import Taken, follow, watch
from naived.control.why import why
from naived.ports import CycleRow, EventRow, JournalError, OrderRow, Page, Row

# Answers


async def _hello(service: Service, params: Params, _caller: Caller) -> bytes:
    if not MIN_PROTO <= params["proto"] <= PROTO:
        raise messages.other_version(params["proto"], MIN_PROTO, PROTO)
    known = answers.hello(service.identity, service.state)
    return encode_body({"v": 1, "proto": PROTO, "min_proto": MIN_PROTO, **known, "caps": sorted(METHODS)})


async def _status(service: Service, params: Params, _caller: Caller) -> bytes:
    """Never fails, because everything is in memory. A symbol that was never configured is off."""
    if service.bulletin is not None:
        await service.bulletin.learn(params["symbols"])
    entries = await _entries(service, params["symbols"])
    daemon = encode_body(_daemon(service))
    return b'{"v":1,"daemon":%b,"symbols":[%b]}' % (daemon, b",".join(entries.values()))


async def _metrics(service: Service, _params: Params, _caller: Caller) -> bytes:
    try:
        return encode_body({"v": 1, "text": (await exposition(service)).decode()})
    except MissingLibraryError as error:
        raise messages.no_metrics(error) from error


async def _entries(service: Service, symbols: tuple[str, ...], *, steady: bool = False) -> dict[str, bytes]:
    """``steady``: an entry is as of its last change, so that it stays the same while nothing changes."""
    names = symbols or _shown(service)
    # Looked up once: another request may configure a symbol while the entries are made.
    found = [service.supervisor.symbols.get(name) for name in names]
    kept = iter(await service.statuses.entries(symbol for symbol in found if symbol is not None))
    now, node, bulletin = service.exchange.now(), service.identity.node, service.bulletin
    entries: dict[str, bytes] = {}
    for name, symbol in zip(names, found, strict=True):
        if symbol is not None:
            entries[name] = stamped(next(kept), node, service.statuses.changed_at(symbol) if steady else now)
            continue
        unset = encode_body(answers.unset(name, service.defaults))
        at = service.identity.started_at if steady else now
        entries[name] = stamped(unset, None, at) if bulletin is None else bulletin.shown(name, unset, at)
    return entries


def _shown(service: Service) -> list[str]:
    """Every configured symbol that is not forgotten, also those of other nodes."""
    ours = {name for name, symbol in service.supervisor.symbols.items() if not symbol.desired.forgotten}
    return sorted(ours if service.bulletin is None else ours.union(service.bulletin.names()))


async def _every(service: Service, call: Call) -> list[str]:
    """The same, for a change: those of other nodes are in the database before anybody shows them."""
    if service.mailbox is None:
        return _shown(service)
    with read_in_time(call):
        return sorted({*_shown(service), *await service.mailbox.configured()})


def _daemon(service: Service) -> answers.Document:
    return answers.daemon(
        service.identity,
        service.state,
        service.reason,
        service.exchange_state,
        service.uptime,
        service.account.halt,
    )


def _listed(
    name: str, kind: type[Row], document: Callable[[Row], answers.Document]
) -> Callable[[Service, Params, Caller], Awaitable[bytes]]:
    """Makes a method that answers with rows of the journal, oldest first. ``next`` is the next page's ``after``."""

    async def answer(service: Service, params: Params, caller: Caller) -> bytes:
        for symbol in params["symbols"]:
            await check(service, Call(symbol, {}, caller, changes=False))
        after, limit = params["after"], params["limit"]
        held = MAX_ROWS if after is None else min(limit or MAX_ROWS, MAX_ROWS)
        # One row more than is returned, to see whether there are more.
        more = None if limit is None else limit + (after is not None)
        page = Page(params["symbols"], after, params["since"], more, held + 1)
        try:
            rows = await service.journal.rows(kind, page, lambda row: encode_body(document(row)))
        except JournalError as error:
            raise messages.unread(error) from error
        told = b",".join(body for _, body in rows[:held])
        following = b"%d" % rows[held - 1][0] if len(rows) > held else b"null"
        return b'{"v":1,"%b":[%b],"next":%b}' % (name.encode(), told, following)

    return answer


_VERBS: dict[str, Verb] = {}  # what is done for one symbol, also if another node asks for it


def _each(word: str, verb: Verb) -> Callable[[Service, Params, Caller], Awaitable[bytes]]:
    """Makes a method that does the verb for all symbols at the same time. An error concerns its symbol only.

    What another node has it does.
    """
    _VERBS[word] = verb

    async def answer(service: Service, params: Params, caller: Caller) -> bytes:
        if service.suspending:
            raise messages.suspending()
        results: dict[str, answers.Document] = {}
        changes, configured = METHODS[word].changes(params), not params["symbols"]
        names = params["symbols"] or await _every(service, Call("", params, caller, word, changes=changes))
        params = identified(service, params) if changes else params

        async def one(name: str) -> None:
            call = Call(name, params, caller, word, len(names), changes)
            results[name] = await do(service, verb, call, configured=configured)

        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(one, name)
        return encode_body({"v": 1, "results": [results[name] for name in names]})

    return answer


def _each_or_account(
    word: str, verb: Verb, of_account: Verb
) -> Callable[[Service, Params, Caller], Awaitable[bytes]]:
    """The same; without symbols it does ``of_account``."""
    of_symbols = _each(word, verb)

    async def answer(service: Service, params: Params, caller: Caller) -> bytes:
        if params["symbols"]:
            return await of_symbols(service, params, caller)
        if service.suspending:
            raise messages.suspending()
        outcome = await of_account(service, Call("", params, caller, word))
        return encode_body({"v": 1, "results": [answers.account_result(service.state, outcome)]})

    return answer


async def _explain(service: Service, params: Params, caller: Caller) -> bytes:
    call = Call(params["symbols"][0], params, caller, "explain", changes=False)
    if service.bulletin is None or not service.bulletin.knows(call.name):
        with suppress(ElsewhereError):  # it has said nothing of it yet
            return await explain(service, params, caller)
    result = await ask(service, call)
    if result["error"] is not None:
        error = result["error"]
        code = next(code for code in Code if code == error["code"])
        raise ControlError(code, error["message"], symbol=call.name, hint=error["hint"])
    return encode_body(result["explained"])


async def _explained(service: Service, call: Call) -> Outcome:
    """The same for another node."""
    body = await explain(service, call.params, call.caller)
    return Outcome(False, "", more={"explained": json.loads(body)})


_VERBS["explain"] = _explained


async def _watch(service: Service, channel: Channel, request: Request, _caller: Caller) -> NoReturn:
    symbols = request.params["symbols"]

    async def take() -> Taken:
        entries, daemon = await _entries(service, symbols, steady=True), _daemon(service)
        told = (daemon["state"], daemon["reason"], daemon["exchange_state"], service.account.halt)
        return Taken(encode_body(daemon), told, entries)

    with service.snapshots.watching(symbols, take) as snapshot:
        await watch(channel, request.id, snapshot)


async def _follow(service: Service, channel: Channel, request: Request, caller: Caller) -> NoReturn:
    # A symbol that does not exist has no events, so with a typo the client would wait forever.
    for symbol in request.params["symbols"]:
        await check(service, Call(symbol, {}, caller, changes=False))
    await follow(channel, request.id, service.events, request.params)


# Rules: what is wrong with a combination of parameters


def _symbols_rule(name: str, params: Params) -> str | None:
    return f"{name} takes either symbols or all" if params["all"] == bool(params["symbols"]) else None


def _one_rule(name: str, params: Params) -> str | None:
    return None if len(params["symbols"]) == 1 else f"{name} takes one symbol"


def _settings_rule(params: Params) -> str | None:
    shown = not params["all"] and not given_settings(params)
    return None if shown else _symbols_rule("settings", params)


def _resolve_rule(params: Params) -> str | None:
    one_or_all = params["all"] != (params["client_order_id"] is not None)
    if len(params["symbols"]) == 1 and one_or_all:
        return None
    return "resolve takes one symbol, and either client_order_id or all"


def _events_rule(params: Params) -> str | None:
    if not params["follow"]:
        return None if params["after_seq"] is None else "after_seq needs follow"
    if params["since"] is None and params["after"] is None:
        return None
    return "events with follow takes symbols, and limit or after_seq"


# The table

_SOME = {"symbols": Param(symbol_names, ())}
_SOME_OR_ALL = {"all": Param(boolean, False), **_SOME}
_REQUEST = {"request_id": Param(short_text, None)}
_CHANGE = {**_REQUEST, **_SOME_OR_ALL}
_DRY_RUN = {"dry_run": Param(boolean, False)}  # only tell what would be done or lost
_SETTINGS = {"chunks": Param(above_zero), **{name: Param(short_text) for name in SETTINGS[1:]}}
_ROWS = {
    "limit": Param(above_zero, None),
    "since": Param(moment, None),
    "after": Param(whole_number, None),
    **_SOME,
}


def _waiting(name: str, wait: bool) -> dict[str, Param]:
    return {"wait": Param(boolean, wait), "timeout": Param(timeout, TIMEOUTS[name])}


def _always(_params: Params) -> bool:
    return True


def _not_dry(params: Params) -> bool:
    return not params.get("dry_run")


METHODS: Mapping[str, Method] = {
    "hello": Method({"proto": Param(whole_number, PROTO), "client": Param(short_text, None)}, _hello),
    "status": Method(_SOME, _status),
    "watch": Method(_SOME, _status, stream=_watch),
    "start": Method(
        {**_CHANGE, **_DRY_RUN, **_waiting("start", True), **_SETTINGS},
        _each("start", verbs.start),
        rule=partial(_symbols_rule, "start"),
        changes=_not_dry,
    ),
    "stop": Method(
        {**_CHANGE, **_DRY_RUN, **_waiting("stop", True), "cancel": Param(one_of(*verbs.CANCEL), "none")},
        _each("stop", verbs.stop),
        rule=partial(_symbols_rule, "stop"),
        changes=_not_dry,
    ),
    "shutdown": Method(
        {**_CHANGE, **_DRY_RUN, **_waiting("shutdown", False), "keep_buys": Param(boolean, False)},
        _each("shutdown", verbs.shutdown),
        rule=partial(_symbols_rule, "shutdown"),
        changes=_not_dry,
    ),
    "settings": Method(
        {**_CHANGE, **_DRY_RUN, **_SETTINGS},
        _each("settings", verbs.settings),
        rule=_settings_rule,
        changes=lambda params: bool(given_settings(params)) and _not_dry(params),
    ),
    "orders": Method(_ROWS, _listed("orders", OrderRow, lambda row: order(row.order))),
    "trades": Method(_ROWS, _listed("trades", CycleRow, answers.cycle)),
    "events": Method(
        {**_ROWS, "follow": Param(boolean, False), "after_seq": Param(whole_number, None)},
        _listed("events", EventRow, answers.event),
        stream=_follow,
        streams=lambda params: bool(params["follow"]),
        rule=_events_rule,
    ),
    "explain": Method(_SOME, _explain, rule=partial(_one_rule, "explain")),
    "why": Method({**_SOME, "client_order_id": Param(short_text, REQUIRED)}, why, rule=partial(_one_rule, "why")),
    "forget": Method(
        {**_CHANGE, **_DRY_RUN}, _each("forget", forget), rule=partial(_symbols_rule, "forget"), changes=_not_dry
    ),
    "halt": Method(
        {**_SOME, **_REQUEST, "reason": Param(sentence, None), "keep_buys": Param(boolean, False)},
        _each_or_account("halt", halting.halt, halting.halt_account),
        changes=_always,
    ),
    "resume": Method(
        {**_SOME, **_REQUEST}, _each_or_account("resume", halting.resume, halting.resume_account), changes=_always
    ),
    "limits": Method(
        {**_REQUEST, **{name: Param(limit) for name in LIMITS}},
        limits,
        changes=lambda params: any(name in params for name in LIMITS),
    ),
    "nodes": Method(
        {"drain": Param(short_text, None), "undrain": Param(short_text, None)},
        nodes,
        changes=lambda params: any(params.get(name) is not None for name in ("drain", "undrain")),
    ),
    "metrics": Method({}, _metrics),
    "wait": Method(
        {
            **_SOME_OR_ALL,
            "for": Param(one_of(*verbs.GOALS), REQUIRED),
            "timeout": Param(timeout, TIMEOUTS["wait"]),
        },
        _each("wait", verbs.wait),
        rule=partial(_symbols_rule, "wait"),
    ),
    "resolve": Method(
        {
            **_CHANGE,
            **_DRY_RUN,
            "client_order_id": Param(short_text, None),
            "action": Param(one_of(*ACTIONS), REQUIRED),
        },
        _each("resolve", resolve),
        rule=_resolve_rule,
        changes=_not_dry,
    ),
}


def understood(word: str, params: Params) -> tuple[Verb, Params]:
    """The verb, and what it takes, as a node asks for it that may have an earlier version.

    Raises ControlError for what this version does not know, such as what only a later one has.
    """
    if word not in _VERBS:
        raise node_messages.unlike(word)
    taken = {**METHODS[word].params, **_REQUEST}  # each errand has an id
    if others := sorted(params.keys() - taken.keys()):
        raise node_messages.unlike(f"{word} with {', '.join(others)}")
    defaults = {name: param.default for name, param in taken.items() if param.default not in (ABSENT, REQUIRED)}
    return _VERBS[word], {**defaults, **params}
