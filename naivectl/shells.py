"""The commands of `app` for shells: the completion script, and hidden ones that it calls."""

from enum import StrEnum
from typing import Annotated

import typer

from naivectl import shipped, words


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def add_to(app: typer.Typer) -> None:
    app.command(epilog='Example: eval "$(naivectl completion bash)"')(completion)
    app.command("__symbols", hidden=True)(symbols)
    app.command("__orders", hidden=True)(orders)


def completion(shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", show_default=False)]) -> int:
    """Print the completion script of naivectl and naived.

    Read it when the shell starts: eval "$(naivectl completion bash)", in fish: naivectl completion fish | source"""
    return shipped.completion(shell.value)


def symbols(context: typer.Context, verb: Annotated[str | None, typer.Argument()] = None) -> int:
    """The symbols to complete with."""
    return words.symbols(context.obj, verb)


def orders(context: typer.Context, verb: str, symbol: str, word: Annotated[str, typer.Argument()] = "") -> int:
    """The orders to complete with."""
    return words.orders(context.obj, verb, symbol, word)
