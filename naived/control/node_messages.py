"""What a client is told about nodes, and about symbols that other nodes have."""

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
