"""What a client is told about nodes, and about symbols that other nodes have."""

from naived.control.protocol import Code, ControlError


def of_another_node(name: str) -> ControlError:
    return ControlError(
        Code.BUSY, f"another node has just taken {name}; nothing was changed", symbol=name, hint="try again"
    )


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
