"""The verb ``nodes``: which nodes share the database; has one give its symbols away, or take some again."""

from typing import Annotated

import typer

from naivectl.asking import CHANGE_TIMEOUT, warn
from naivectl.client import call
from naivectl.invocation import Invocation
from naivectl.render import nodes_table, show, to_json

_ACTIONS = ("drain", "undrain")


def _nodes(
    context: typer.Context,
    action: Annotated[str | None, typer.Argument(metavar="drain|undrain", show_default=False)] = None,
    name: Annotated[str | None, typer.Argument(metavar="NODE", show_default=False)] = None,
) -> int:
    """The nodes that share the database.

    With drain NODE it gives its symbols to the others, with undrain NODE it takes some again."""
    if action is not None and action not in _ACTIONS:
        raise typer.BadParameter(f"{action} is neither drain nor undrain")
    if (action is None) != (name is None):
        raise typer.BadParameter(f"nodes {action} needs the name of a node")
    params = {} if action is None else {action: name}
    invocation: Invocation = context.obj
    document = call(invocation.sockets(), "nodes", params, CHANGE_TIMEOUT)
    if invocation.machine:
        print(to_json(document))
    elif not invocation.quiet:
        show([nodes_table(document)])
        warn(document)
    return 0


def add_to(app: typer.Typer) -> None:
    app.command("nodes", epilog="Example: naivectl nodes drain alpha")(_nodes)
