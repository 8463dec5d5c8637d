"""The commands of `app` that need no daemon: what they print came with naivectl."""

from typing import Annotated

import typer

from naivectl import shipped


def add_to(app: typer.Typer) -> None:
    app.command(epilog="Example: naivectl schema status > status.schema.json")(schema)
    app.command(epilog="Example: naivectl catalogue > catalogue.json")(catalogue)


def schema(
    document: Annotated[str | None, typer.Argument(metavar="DOCUMENT", show_default=False)] = None,
) -> int:
    """Print the JSON Schema of what --json prints.

    Without a name: the names of all documents. Needs no daemon."""
    return shipped.schema(document)


def catalogue() -> int:
    """Print all verbs, options, exit codes and kinds of errors.

    It is a JSON document, with or without --json; its form: naivectl schema catalogue. Needs no daemon."""
    return shipped.catalogue()
