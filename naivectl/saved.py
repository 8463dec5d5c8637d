"""Settings from a file that ``naived sweep --write`` wrote, or that a person wrote like it: ``--from FILE``."""

import os
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from naivectl.client import Document
from naived.control.protocol import SETTINGS

From = Annotated[
    str | None,
    typer.Option("--from", metavar="FILE", help="Settings that naived sweep --write wrote; flags win."),
]

_LARGEST = 64 * 1024  # bytes; a file of naived has less than two thousand


def settings(context: typer.Context, path: str | None, symbols: Sequence[str] | None) -> Document:
    """The settings of a file, read as their flags are; nothing without a file. A bad one is a usage error."""
    if path is None:
        return {}
    try:
        table = _read(path)
        _check_symbol(table.pop("symbol", None), symbols)
        values = table.pop("settings", None)
        if not isinstance(values, dict) or not values:
            raise ValueError("it has no settings; they stand below a line [settings]")
        for unknown in (*table, *(name for name in values if name not in SETTINGS)):
            raise ValueError(f"it has an unknown key {unknown!a}; settings are {', '.join(SETTINGS)}")
        return {name: _value(context, name, value) for name, value in values.items()}
    except ValueError as error:
        raise typer.BadParameter(f"--from {path}: {error}") from error


def _read(path: str) -> dict[str, Any]:
    import tomllib  # deferred: this is the only option that needs it

    try:
        with open(os.path.expanduser(path), "rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise ValueError(f"it cannot be read: {error.strerror}") from error
    if len(content) > _LARGEST:
        raise ValueError(f"it has more than {_LARGEST} bytes, so it is no file of settings")
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not TOML: {error}") from error


def _check_symbol(symbol: object, symbols: Sequence[str] | None) -> None:
    """Settings that were found for one symbol are not given to another one by mistake."""
    if symbol is None:
        return
    if not isinstance(symbol, str):
        raise ValueError("symbol must be a text in quotes")
    if [name.upper() for name in symbols or ()] != [symbol.upper()]:
        raise ValueError(
            f"its settings were found for {symbol!a} alone; to use them for others, take its line `symbol` out"
        )


def _value(context: typer.Context, name: str, value: object) -> Any:
    """What the flag of the same name makes of it."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f'{name} must be a text in quotes, as in {name} = "0.001"')
    (parameter,) = (each for each in context.command.params if each.name == name)
    try:
        return parameter.process_value(context, str(value))
    except typer.BadParameter as error:
        raise ValueError(f"{name}: {error.message}") from error
