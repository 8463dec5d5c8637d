"""What a client is told about nodes, and about symbols that other nodes have."""

from collections.abc import Mapping

from naived.control.protocol import Code, ControlError


class ElsewhereError(ControlError):
    """Another node has the symbol, and nothing was changed: that node is to be asked."""

    def __init__(self, name: str) -> None:
        text = f"another node has just taken {name}; nothing was changed"
        super().__init__(Code.BUSY, text, symbol=name, hint="try again")


def not_shared() -> ControlError:
    return ControlError(
        Code.INVALID_TRANSITION,
        "this database is not shared: there is no other node that could take the symbols",
        hint="several nodes need one PostgreSQL database: naived --database postgresql://...",
    )


def no_such_node(name: str) -> ControlError:
    return ControlError(
        Code.INVALID_TRANSITION, f"there is no node {name}", hint="see which there are: naivectl nodes"
    )


def undrain(name: str) -> str:
    """What to type to have a node take symbols again."""
    return f"naivectl nodes undrain {name}"


def nobody(name: str) -> str:
    """A warning: this node and all others that live are drained."""
    return f"every node that lives is drained: nothing is traded, no stop-loss sells, until: {undrain(name)}"


def none_reaches(away: Mapping[str, str]) -> str:
    """A warning: of the nodes that live and are not drained these are all; why each lacks the exchange."""
    names = ", ".join(f"{name}: {why}" for name, why in away.items())
    return f"no node that takes symbols reaches the exchange ({names}): what they have is not traded meanwhile"


def not_answered(name: str, owner: str | None, drained: str | None, done: bool) -> ControlError:
    """``done``: the change was made, by any node, and what was waited for has not come. ``drained``: ``idle``."""
    silent, hint = _silent(owner, drained)
    if not done:
        what = f"{silent}: what was asked is durable, and is carried out by the node that has it next"
        return ControlError(Code.TIMED_OUT, what, symbol=name, hint=hint)
    what = "what was asked is done, and the state that was waited for is not reached"
    if owner is not None:
        return ControlError(
            Code.TIMED_OUT,
            f"{what} at node {owner}, which has it",
            symbol=name,
            hint=f"see how far it is: naivectl status {name}",
        )
    return ControlError(Code.TIMED_OUT, f"{what}: {silent}", symbol=name, hint=hint)


def not_told(name: str, owner: str | None, drained: str | None, *, waited: bool) -> ControlError:
    """The same for a request that was to change nothing. ``waited``: its caller said for how long."""
    silent, hint = _silent(owner, drained)
    return ControlError(
        Code.TIMED_OUT if waited else Code.BUSY, silent, symbol=name, hint=f"{hint}; then try again"
    )


def _silent(owner: str | None, drained: str | None) -> tuple[str, str]:
    """Why there is no answer, and what to type."""
    if owner is not None:
        return f"node {owner}, which has it, has not answered", _WHO_LIVES
    if drained is not None:
        return "no node has it, as all that live are drained", f"have one take symbols: {undrain(drained)}"
    return "no node has it", _WHO_LIVES


_WHO_LIVES = "see which nodes live: naivectl nodes"


def unlike(what: str) -> ControlError:
    """Two nodes have different versions."""
    return ControlError(
        Code.VERSION_MISMATCH,
        f"the node that has it has another version, which does not know {what}; nothing was changed",
        hint="see which version each has: naivectl nodes",
    )


def behind(name: str) -> ControlError:
    return ControlError(
        Code.BUSY,
        "what another node asked before is still being carried out; nothing was changed",
        symbol=name,
        hint="try again",
    )


def unowned_buys(buys: Mapping[str, int], drained: str | None) -> str:
    """A warning: of these symbols, with so many buys each, no node is the owner. ``drained``: see ``idle``."""
    then = f"the node that takes it next takes them back: naivectl nodes{_BY_HAND}"
    if drained is not None:
        then = f"every node that lives is drained: {undrain(drained)}{_BY_HAND}"
    return f"{_rest(buys)}, and no node has {'it' if len(buys) == 1 else 'these symbols'}; {then}"


def taken_back_later(buys: Mapping[str, int], why: str) -> str:
    """A warning: the node that has these symbols does not reach the exchange."""
    return f"{_rest(buys)} until the exchange is back at the node that takes them back{_BY_HAND}; {why}"


def not_taken_back(buys: Mapping[str, int], why: str | None) -> str:
    """A warning: this node has the symbol, and cannot cancel them."""
    return f"{_rest(buys)}, not taken back now{_BY_HAND}" + ("" if why is None else f"; {why}")


def not_taken_back_there(node: str, buys: Mapping[str, int], why: str) -> str:
    """A warning: another node has these symbols, and nothing of them goes on there."""
    return f"{_rest(buys)}, not taken back now{_BY_HAND}; node {node} says: {why}"


# Behind why a symbol of another node was not answered for.
ORDERS_UNREAD = "nor did the database tell in time which of its orders are open: naivectl orders"


def buys_unread() -> str:
    """A warning."""
    return "the database did not tell in time which buys of other nodes' symbols rest: naivectl orders"


def halts_unread() -> str:
    """A warning."""
    return (
        "the database did not tell in time which symbols of other nodes are halted by themselves: naivectl status"
    )


def limits_unread(why: str) -> str:
    """A warning: another node may have changed them since."""
    return f"{why}; limits and halt are as this node read them last"


def _rest(buys: Mapping[str, int]) -> str:
    """So many buys of each symbol rest."""
    each = [f"{count} {'buy' if count == 1 else 'buys'} of {name}" for name, count in sorted(buys.items())]
    return f"{', '.join(each)} {'rests' if sum(buys.values()) == 1 else 'rest'}"


_BY_HAND = ", or cancel them at the exchange"
