"""``nodes``: which nodes share the database; has one give its symbols away, or take some again."""

from collections.abc import Iterable
from typing import Any

from naived.control import node_messages
from naived.control.call import Call
from naived.control.caller import Caller
from naived.control.desired import answered_in_time, read_in_time
from naived.control.protocol import encode_body, format_time
from naived.control.requests import Params
from naived.control.service import Service
from naived.nodes import NodeInfo, idle, takers

Document = dict[str, Any]


async def nodes(service: Service, params: Params, caller: Caller) -> bytes:
    """The answer; raises ControlError."""
    wanted = {"drain": True, "undrain": False}
    asked = next((name for name in wanted if params[name] is not None), None)
    keeper = service.keeper
    if keeper is None:
        if asked is not None:
            raise node_messages.not_shared()
        return encode_body({"v": 1, "nodes": [_alone(service)], "changed": False, "warnings": []})
    changed: bool | None = False
    call = Call("", params, caller, "nodes", changes=asked is not None)
    with read_in_time(call) if asked is None else answered_in_time(call, None):
        if asked is not None:
            changed = await keeper.cluster.drain(params[asked], wanted[asked])
            if changed is None:
                raise node_messages.no_such_node(params[asked])
        view = await keeper.heartbeats.look()
    told = list(map(_node, view.nodes.values()))
    warnings = _warnings(view.nodes.values())
    return encode_body({"v": 1, "nodes": told, "changed": bool(changed), "warnings": warnings})


def unfollowed(service: Service, name: str) -> str | None:
    """Why no node follows the price of a symbol that is another node's; None: its node does, or it is not known."""
    keeper, bulletin = service.keeper, service.bulletin
    if keeper is None or bulletin is None or not bulletin.began.is_set():
        return None
    owner = bulletin.owner(name)
    if owner is None:
        return "no node that lives has it"
    node = keeper.view.nodes.get(owner)
    if node is None or node.exchange_away is None:
        return None
    return f"node {owner}, which has it, does not reach the exchange: {node.exchange_away}"


def _warnings(nodes: Iterable[NodeInfo]) -> list[str]:
    """Why nothing is traded, whatever is drained."""
    known = list(nodes)
    drained, taking = idle(known), takers(known)
    if drained is not None:
        return [node_messages.nobody(drained)]
    away = {node.name: node.exchange_away for node in taking if node.exchange_away is not None}
    return [node_messages.none_reaches(away)] if away else []


def _node(node: NodeInfo) -> Document:
    state = "live" if node.live else "away"
    if node.live and node.draining:
        state = "draining" if node.symbols else "drained"
    return {
        "name": node.name,
        "state": state,
        "symbols": node.symbols,
        "heartbeat": format_time(node.heartbeat),
        "version": node.version,
        "exchange_away": node.exchange_away,
    }


def _alone(service: Service) -> Document:
    """The only one: of a database that no other node uses."""
    return {
        "name": service.identity.node,
        "state": "live",
        "symbols": len(service.supervisor.symbols),
        "heartbeat": format_time(service.exchange.now()),
        "version": service.identity.version,
        "exchange_away": service.session.unreached,
    }
