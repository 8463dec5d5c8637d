"""Generates completions for bash, zsh and fish from `app`: ``python -m naivectl.completion DIRECTORY``.

The files are static, so a TAB starts no Python, except to ask the daemon for symbols.
"""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import typer

from naivectl.app import app

FILES = ("naivectl.bash", "_naivectl", "naivectl.fish")

_NO_SYMBOLS = frozenset({"version", "ping", "metrics"})
_FILES = frozenset({"--socket"})
_DIRECTORIES = frozenset({"--home"})


class _Option(NamedTuple):
    names: tuple[str, ...]
    help: str
    takes_value: bool
    choices: tuple[str, ...]


class _Verb(NamedTuple):
    name: str
    help: str
    options: tuple[_Option, ...]


def _options(command: Any) -> tuple[_Option, ...]:
    return tuple(
        _Option(
            (*parameter.opts, *parameter.secondary_opts),
            (parameter.help or "").rstrip("."),
            not parameter.is_flag,
            tuple(str(choice) for choice in getattr(parameter.type, "choices", ())),
        )
        for parameter in command.params
        if parameter.param_type_name == "option"
    )


def _grammar() -> tuple[tuple[_Option, ...], tuple[_Verb, ...]]:
    """The global options, and every verb that is not hidden."""
    root: Any = typer.main.get_command(app)
    verbs = (
        _Verb(name, (command.help or "").partition("\n")[0].rstrip("."), _options(command))
        for name, command in root.commands.items()
        if not command.hidden
    )
    return _options(root), tuple(verbs)


def _words(options: tuple[_Option, ...]) -> str:
    return " ".join(name for option in options for name in option.names)


def bash() -> str:
    """The file for bash."""
    shared, verbs = _grammar()
    every = (*shared, *(option for verb in verbs for option in verb.options))
    valued = "|".join(dict.fromkeys(name for option in every if option.takes_value for name in option.names))
    choices = dict.fromkeys((option.names[0], " ".join(option.choices)) for option in every if option.choices)
    lines = [
        "# Made by `python -m naivectl.completion`; do not edit.",
        "_naivectl() {",
        '    local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" verb="" options="" index',
        "    local place=()",
        "    for ((index = 1; index < COMP_CWORD; index++)); do",
        '        case "${COMP_WORDS[index]}" in',
        f"            {'|'.join((*sorted(_FILES), *sorted(_DIRECTORIES)))})",
        '                place+=("${COMP_WORDS[index]}" "${COMP_WORDS[index+1]}")',
        "                ((index++)) ;;",
        f"            {valued}) ((index++)) ;;",
        "            -*) ;;",
        '            *) [[ -n $verb ]] || verb="${COMP_WORDS[index]}" ;;',
        "        esac",
        "    done",
        '    case "$before" in',
        f'        {"|".join(sorted(_FILES))}) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;',
        f'        {"|".join(sorted(_DIRECTORIES))}) mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;',
    ]
    lines += [
        f'        {name}) mapfile -t COMPREPLY < <(compgen -W "{words}" -- "$word"); return ;;'
        for name, words in choices
    ]
    lines += [f"        {valued}) COMPREPLY=(); return ;;", "    esac", '    case "$verb" in']
    lines += [f'        {verb.name}) options="{_words(verb.options)}" ;;' for verb in verbs]
    lines += [
        "    esac",
        "    if [[ $word == -* ]]; then",
        f'        mapfile -t COMPREPLY < <(compgen -W "{_words(shared)} --help $options" -- "$word")',
        "    elif [[ -z $verb ]]; then",
        f'        mapfile -t COMPREPLY < <(compgen -W "{" ".join(verb.name for verb in verbs)}" -- "$word")',
        f'    elif [[ " {" ".join(sorted(_NO_SYMBOLS))} " != *" $verb "* ]]; then',
        '        local symbols; symbols="$(naivectl "${place[@]}" __symbols 2>/dev/null)"',
        '        mapfile -t COMPREPLY < <(compgen -W "$symbols" -- "${word^^}")',
        "    fi",
        "}",
        "complete -F _naivectl naivectl",
    ]
    return "\n".join(lines) + "\n"


def _zsh_text(text: str) -> str:
    return text.replace("'", "'\\''").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")


def _zsh_option(option: _Option) -> list[str]:
    value = ""
    if option.choices:
        value = f":value:({' '.join(option.choices)})"
    elif option.takes_value:
        action = (
            "_files" if option.names[0] in _FILES else "_directories" if option.names[0] in _DIRECTORIES else " "
        )
        value = f":value:{action}"
    return [f"'{name}[{_zsh_text(option.help)}]{value}'" for name in option.names]


def zsh() -> str:
    """The file for zsh."""
    shared, verbs = _grammar()
    lines = [
        "#compdef naivectl",
        "# Made by `python -m naivectl.completion`; do not edit.",
        "_naivectl_symbols() {",
        "    local -a symbols",
        '    symbols=(${(f)"$(naivectl __symbols 2>/dev/null)"})',
        "    compadd -M 'm:{a-z}={A-Z}' -a symbols",
        "}",
        "_naivectl() {",
        "    local line state",
        "    local -a verbs",
        "    verbs=(",
        *(f"        '{verb.name}:{_zsh_text(verb.help)}'" for verb in verbs),
        "    )",
        "    _arguments -C \\",
        *(f"        {text} \\" for option in shared for text in _zsh_option(option)),
        "        '1:verb:->verb' '*::argument:->argument'",
        '    case "$state" in',
        "        verb) _describe verb verbs ;;",
        "        argument)",
        '            case "$line[1]" in',
    ]
    for verb in verbs:
        options = [text for option in (*verb.options, *shared) for text in _zsh_option(option)]
        symbols = [] if verb.name in _NO_SYMBOLS else ["'*:symbol:_naivectl_symbols'"]
        lines.append(f"                {verb.name}) _arguments {' '.join([*options, *symbols])} ;;")
    lines += ["            esac ;;", "    esac", "}", '_naivectl "$@"']
    return "\n".join(lines) + "\n"


def _fish_text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _fish_option(condition: str, option: _Option) -> list[str]:
    is_path = option.names[0] in _FILES | _DIRECTORIES
    value = f" -x -a '{' '.join(option.choices)}'" if option.choices else " -r -F" if is_path else " -x"
    return [
        f"complete -c naivectl{condition} {'-l' if name.startswith('--') else '-s'} {name.lstrip('-')}"
        f"{value if option.takes_value else ''} -d {_fish_text(option.help)}"
        for name in option.names
    ]


def fish() -> str:
    """The file for fish."""
    shared, verbs = _grammar()
    symbolic = " ".join(verb.name for verb in verbs if verb.name not in _NO_SYMBOLS)
    lines = ["# Made by `python -m naivectl.completion`; do not edit.", "complete -c naivectl -f"]
    lines += [text for option in shared for text in _fish_option("", option)]
    lines += [
        f"complete -c naivectl -n __fish_use_subcommand -a {verb.name} -d {_fish_text(verb.help)}" for verb in verbs
    ]
    lines += [
        f"complete -c naivectl -n '__fish_seen_subcommand_from {symbolic}' -a '(naivectl __symbols 2>/dev/null)'"
    ]
    for verb in verbs:
        condition = f" -n '__fish_seen_subcommand_from {verb.name}'"
        lines += [text for option in verb.options for text in _fish_option(condition, option)]
    return "\n".join(lines) + "\n"


def main(directory: str) -> None:
    """Write the three files."""
    for name, text in zip(FILES, (bash(), zsh(), fish()), strict=True):
        Path(directory, name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
