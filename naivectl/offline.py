"""The commands of `app` that need no daemon: what they print came with naivectl."""

from typing import Annotated

import typer

from naivectl import shipped


def add_to(app: typer.Typer) -> None:
    app.command(epilog="Example: naivectl schema status > status.schema.json")(schema)


def schema(
    document: Annotated[
        str | None, typer.Argument(metavar="[VERB|status-live|events-follow|error]", show_default=False)
    ] = None,
) -> int:
    """Print the JSON Schema of what --json prints.

    Without a name: the names of all documents. Needs no daemon."""
    return shipped.schema(document)
