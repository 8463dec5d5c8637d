"""The command tree of a Typer app as values: what completions and the catalogue are made from."""

import re
from enum import Enum
from typing import Any, NamedTuple

import typer

_LISTED = re.compile(r"((?:[a-z]+, )*[a-z]+ or [a-z]+) \[")


class Option(NamedTuple):
    """``takes`` is what its value is called in the help; None for a flag, whose ``negative`` names turn it off."""

    names: tuple[str, ...]
    negative: tuple[str, ...]
    help: str
    takes: str | None
    choices: tuple[str, ...]
    default: str | bool | None
    required: bool
    repeatable: bool

    @property
    def all_names(self) -> tuple[str, ...]:
        return (*self.names, *self.negative)


class Argument(NamedTuple):
    name: str
    required: bool
    repeatable: bool


class Verb(NamedTuple):
    name: str
    help: str
    arguments: tuple[Argument, ...]
    options: tuple[Option, ...]


class Grammar(NamedTuple):
    """A program: its options before any verb, and its verbs that are not hidden."""

    name: str
    options: tuple[Option, ...]
    verbs: tuple[Verb, ...]


def grammar(app: typer.Typer) -> Grammar:
    root: Any = typer.main.get_command(app)
    verbs = (
        Verb(name, _sentence(command.help), _arguments(command), _options(command))
        for name, command in root.commands.items()
        if not command.hidden
    )
    return Grammar(root.name, _options(root), tuple(verbs))


def _sentence(text: str | None) -> str:
    return (text or "").partition("\n")[0].rstrip(".")


def _options(command: Any) -> tuple[Option, ...]:
    return tuple(
        Option(
            tuple(parameter.opts),
            tuple(parameter.secondary_opts),
            _sentence(parameter.help),
            None if parameter.is_flag else parameter.metavar or parameter.type.name.upper(),
            _choices(parameter),
            _default(parameter.default),
            parameter.required,
            parameter.multiple,
        )
        for parameter in command.params
        if parameter.param_type_name == "option"
    )


def _choices(parameter: Any) -> tuple[str, ...]:
    """The words that it takes: of its type, or of a help that lists them: ``console or json [json]``."""
    if choices := getattr(parameter.type, "choices", ()):
        return tuple(str(choice) for choice in choices)
    listed = _LISTED.match(parameter.help or "")
    return tuple(re.split(", | or ", listed[1])) if listed and not parameter.is_flag else ()


def _arguments(command: Any) -> tuple[Argument, ...]:
    return tuple(
        Argument(
            (parameter.metavar or parameter.name).strip("[]").removesuffix("..."),
            parameter.required,
            parameter.nargs == -1,
        )
        for parameter in command.params
        if parameter.param_type_name == "argument"
    )


def _default(value: object) -> str | bool | None:
    """Of a flag true or false, of any other option a text; None without one."""
    if isinstance(value, Enum):
        return str(value.value)
    return value if isinstance(value, bool) else None if value is None else str(value)
