"""Generates completions for bash, zsh and fish: ``python -m naivectl.completion DIRECTORY``.

They are made from the command trees of `naivectl` and `naived`. The files are static, so a TAB starts no Python,
except to ask the daemon for symbols, orders and nodes (`words`). `naivectl completion` prints them.
"""

import pkgutil
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from naivectl.documents import schemas
from naivectl.grammar import Argument, Grammar, Option, Verb, grammar

# Named, not imported: naivectl imports nothing of naived but the protocol, and this runs in a checkout only.
APPS = ("naivectl.app:app", "naived.cli.commands:app")
FILES = ("naivectl.bash", "_naivectl", "naivectl.fish", "naived.bash", "_naived", "naived.fish")

_MADE = "# Made by `python -m naivectl.completion`; do not edit."
_PLACE = ("--home", "--socket")  # options that say which daemon to ask
_VERSION = "--version"  # no verb takes it
_DEFAULT = {"naived": "run"}  # the verb of a command line without one
_DYNAMIC = {"SYMBOL": "symbols", "CLIENT_ORDER_ID": "orders", "NODE": "nodes"}


def _is_path(option: Option) -> bool:
    return option.takes in ("PATH", "FILE", "FILE...")


def _is_directory(option: Option) -> bool:
    return option.takes == "DIR"


def _takes_value(options: Iterable[Option]) -> str:
    """The names of the options that take a value, for a `case`."""
    return "|".join(dict.fromkeys(name for option in options if option.takes for name in option.names))


def _names(options: Iterable[Option]) -> str:
    return " ".join(name for option in options for name in option.all_names)


def _every(tree: Grammar) -> list[Option]:
    return [*tree.options, *(option for verb in tree.verbs for option in verb.options)]


def _verb(tree: Grammar, name: str) -> Verb:
    return next(verb for verb in tree.verbs if verb.name == name)


def _alone(tree: Grammar) -> tuple[Option, ...]:
    """The options that may stand without a verb, and not behind one."""
    default = _DEFAULT.get(tree.name)
    version = (option for option in tree.options if option.names[0] == _VERSION)
    return (*version, *(_verb(tree, default).options if default else ()))


def _shared(tree: Grammar) -> tuple[Option, ...]:
    """The options that may stand before and behind any verb."""
    return tuple(option for option in tree.options if option.names[0] != _VERSION)


def _static(argument: Argument) -> str:
    """The words of an argument that is one of some: ``bash|zsh|fish``, or a document with a schema."""
    if argument.name == "DOCUMENT":
        return " ".join(sorted(schemas()))
    return argument.name.replace("|", " ") if "|" in argument.name else ""


# bash

_BASH = """\
{made}
_{program}_offer() {{ # FLAG= WORDS WORD
    mapfile -t COMPREPLY < <(compgen -W "$2" -- "$3")
    COMPREPLY=("${{COMPREPLY[@]/#/$1}}")
}}
_{program}_paths() {{ # FLAG= -f|-d WORD
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "$2" -- "${{3/#\\~\\//$HOME/}}")
    COMPREPLY=("${{COMPREPLY[@]/#/$1}}")
}}
_{program}() {{
    local word before="" prefix="" verb="" count=0 symbol="" options="" index piece
    local words=() place=()
    # bash takes --home=DIR for three words; here it is one again.
    for ((index = 1; index <= COMP_CWORD; index++)); do
        piece="${{COMP_WORDS[index]}}"
        if ((${{#words[@]}})) && [[ ($piece == = && ${{words[-1]}} == --*) || ${{words[-1]}} == --*= ]]; then
            words[-1]+="$piece"
        else
            words+=("$piece")
        fi
    done
    COMPREPLY=()
    word="${{words[-1]}}"
    for ((index = 0; index < ${{#words[@]}} - 1; index++)); do
        before="${{words[index]}}"
        case "$before" in
            {place_equal}) # quotes are still in its words
                before=${{before//[\\"\\'\\\\]/}}
                place+=("${{before/=\\~\\//=$HOME/}}") ;;
            {place})
                ((++index))
                piece=${{words[index]//[\\"\\'\\\\]/}}
                place+=("$before" "${{piece/#\\~\\//$HOME/}}") ;;
            {valued}) ((index++)) ;;
            -*) ;;
            *)
                if [[ -z $verb ]]; then verb="$before"; else ((count++)); fi
                if ((count == 1)) && [[ -z $symbol ]]; then symbol="$before"; fi ;;
        esac
    done
    before=""
    if [[ $word == --*=* ]]; then
        before="${{word%%=*}}"
        word="${{word#*=}}"
        [[ $COMP_WORDBREAKS == *=* ]] || prefix="$before="
    elif ((${{#words[@]}} > 1)); then
        before="${{words[-2]}}"
    fi
    case "$before" in
{values}
    esac
    [[ -z $prefix ]] || return
    case "$verb" in
{options}
    esac
    if [[ $word == -* ]]; then
        _{program}_offer "" "{shared} $options" "$word"
    elif [[ -z $verb ]]; then
        _{program}_offer "" "{verbs}" "$word"
    else
        case "$verb:$count" in
{arguments}
        esac
    fi
}}
complete -F _{program} {program}
"""

_BASH_DYNAMIC = {
    "SYMBOL": '_{program}_offer "" "$(naivectl "${{place[@]}}" __symbols "$verb" 2>/dev/null)" "${{word^^}}"',
    "CLIENT_ORDER_ID": (
        '_{program}_offer "" '
        '"$(naivectl "${{place[@]}}" __orders "$verb" "$symbol" ${{word:+"$word"}} 2>/dev/null)" "$word"'
    ),
    "NODE": '_{program}_offer "" "$(naivectl "${{place[@]}}" __nodes 2>/dev/null)" "$word"',
}


def _bash_values(program: str, options: Sequence[Option]) -> list[str]:
    """What follows an option, for each kind of value."""
    kinds: dict[str, list[str]] = {}
    for option in options:
        if option.choices:
            action = f'_{program}_offer "$prefix" "{" ".join(option.choices)}" "$word"'
        elif _is_path(option) or _is_directory(option):
            action = f'_{program}_paths "$prefix" {"-f" if _is_path(option) else "-d"} "$word"'
        else:
            action = ":"
        if option.takes:
            kinds.setdefault(action, []).extend(option.names)
    return [f"        {'|'.join(dict.fromkeys(names))}) {action}; return ;;" for action, names in kinds.items()]


def bash(tree: Grammar) -> str:
    """The file for bash."""
    every = _every(tree)
    arguments = []
    for verb in tree.verbs:
        for index, argument in enumerate(verb.arguments):
            action = _BASH_DYNAMIC.get(argument.name, "").format(program=tree.name)
            if words := _static(argument):
                action = f'_{tree.name}_offer "" "{words}" "$word"'
            if action:
                arguments.append(f"            {verb.name}:{'*' if argument.repeatable else index}) {action} ;;")
    return _BASH.format(
        made=_MADE,
        program=tree.name,
        place="|".join(_PLACE),
        place_equal="|".join(f"{name}=*" for name in _PLACE),
        valued=_takes_value(option for option in every if option.names[0] not in _PLACE),
        values="\n".join(_bash_values(tree.name, every)),
        options="\n".join(
            f'        {name}) options="{_names(options)}" ;;'
            for name, options in [('""', _alone(tree)), *((verb.name, verb.options) for verb in tree.verbs)]
        ),
        shared=" ".join(filter(None, (_names(_shared(tree)), "--help"))),
        verbs=" ".join(verb.name for verb in tree.verbs),
        arguments="\n".join(arguments) or "            *) ;;",
    )


# zsh

_ZSH_HEAD = """\
#compdef {program}
{made}
_{program}_symbols() {{
    local -a found
    found=(${{(f)"$(naivectl $place __symbols $plain[1] 2>/dev/null)"}})
    compadd -M 'm:{{a-z}}={{A-Z}}' -a found
}}
_{program}_orders() {{
    local -a found
    found=(${{(f)"$(naivectl $place __orders $plain[1] $plain[2] $PREFIX 2>/dev/null)"}})
    compadd -a found
}}
_{program}_nodes() {{
    local -a found
    found=(${{(f)"$(naivectl $place __nodes 2>/dev/null)"}})
    compadd -a found
}}
_{program}() {{
    local line state word
    local -i index
    local -a verbs place plain
    for ((index = 2; index < CURRENT; index++)); do
        word=${{(Q)words[index]}}
        case $word in
            {place_equal}) place+=("${{word/=\\~\\//=$HOME/}}") ;;
            {place})
                ((index++))
                place+=("$word" "${{${{(Q)words[index]}}/#\\~\\//$HOME/}}") ;;
            {valued}) ((index++)) ;;
            -*) ;;
            *) plain+=("$word") ;;
        esac
    done
"""


def _zsh_text(text: str) -> str:
    return text.replace("'", "'\\''").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")


def _zsh_option(option: Option) -> list[str]:
    """``--cancel=[help]:value:(none buys all)``: with ``=`` the value may also be the next word."""
    if not option.takes:
        return [f"'{name}[{_zsh_text(option.help)}]'" for name in option.all_names]
    action = " "
    if option.choices:
        action = f"({' '.join(option.choices)})"
    elif _is_path(option):
        action = "_files"
    elif _is_directory(option):
        action = "_directories"
    return [
        f"'{name}{'=' if name.startswith('--') else ''}[{_zsh_text(option.help)}]:value:{action}'"
        for name in option.names
    ]


def _zsh_argument(program: str, index: int, argument: Argument) -> str:
    words = _static(argument)
    action = f"({words})" if words else f"_{program}_{_DYNAMIC[argument.name]}"
    name = "word" if words else argument.name.lower()
    return f"'{'*' if argument.repeatable else index + 1}:{name}:{action}'"


def zsh(tree: Grammar) -> str:
    """The file for zsh, to be found in its path or read by ``eval``."""
    program, every = tree.name, _every(tree)
    head = _ZSH_HEAD.format(
        program=program,
        made=_MADE,
        place="|".join(_PLACE),
        place_equal="|".join(f"{name}=*" for name in _PLACE),
        valued=_takes_value(option for option in every if option.names[0] not in _PLACE),
    )
    lines = [
        *("    verbs=(", *(f"        '{verb.name}:{_zsh_text(verb.help)}'" for verb in tree.verbs), "    )"),
        "    _arguments -C \\",
        *(f"        {text} \\" for option in (*_shared(tree), *_alone(tree)) for text in _zsh_option(option)),
        "        '(-)1:verb:->verb' '(-)*::argument:->argument'",  # behind a verb only what is below
        *('    case "$state" in', "        verb) _describe verb verbs ;;", "        argument)"),
        '            case "$line[1]" in',
    ]
    for verb in tree.verbs:
        options = [text for option in (*verb.options, *_shared(tree)) for text in _zsh_option(option)]
        arguments = [_zsh_argument(program, *each) for each in enumerate(verb.arguments)]
        lines.append(f"                {verb.name}) _arguments {' '.join([*options, *arguments])} ;;")
    lines += ["            esac ;;", "    esac", "}"]
    lines.append(
        f'if [[ $funcstack[1] == _{program} ]]; then _{program} "$@"; else compdef _{program} {program}; fi'
    )
    return head + "\n".join(lines) + "\n"


# fish

_FISH_HEAD = """\
{made}
function __{program}_read # sets what of the command line says where the daemon is, and its other plain words
    set -g __{program}_place
    set -g __{program}_plain
    set -l words (commandline -opc)
    set -e words[1]
    set -l flag
    for word in $words
        if test -n "$flag"
            contains -- $flag {place}
            and set -a __{program}_place $flag (string replace -r '^~/' "$HOME/" -- $word)
            set flag
            continue
        end
        switch $word
            case {place_equal}
                set -a __{program}_place (string replace '=~/' "=$HOME/" -- $word)
            case {valued}
                set flag $word
            case '-*'
            case '*'
                set -a __{program}_plain $word
        end
    end
end
function __{program}_at # VERB [COUNT]: is it this verb, with so many words after it?
    __{program}_read
    test "$__{program}_plain[1]" = "$argv[1]"
    and begin
        test (count $argv) -eq 1
        or test (count $__{program}_plain) -eq (math $argv[2] + 1)
    end
end
function __{program}_symbols
    naivectl $__{program}_place __symbols $__{program}_plain[1] 2>/dev/null
end
function __{program}_orders
    naivectl $__{program}_place __orders $__{program}_plain[1..2] (commandline -ct) 2>/dev/null
end
function __{program}_nodes
    naivectl $__{program}_place __nodes 2>/dev/null
end
complete -c {program} -f
"""


def _fish_text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _fish_option(program: str, condition: str, option: Option) -> list[str]:
    value = ""
    if option.choices:
        # The help is of the option: without the tab fish would say it of each word.
        words = " ".join(choice + r"\t" for choice in option.choices)
        value = f" -x -a '{words}'"
    elif _is_directory(option):
        value = " -x -a '(__fish_complete_directories (commandline -ct))'"
    elif option.takes:
        value = " -r -F" if _is_path(option) else " -x"
    return [
        f"complete -c {program}{condition} {'-l' if name.startswith('--') else '-s'} {name.lstrip('-')}"
        f"{value} -d {_fish_text(option.help)}"
        for name in option.all_names
    ]


def fish(tree: Grammar) -> str:
    """The file for fish."""
    program, every = tree.name, _every(tree)
    head = _FISH_HEAD.format(
        program=program,
        made=_MADE,
        place=" ".join(_PLACE),
        place_equal=" ".join(f"'{name}=*'" for name in _PLACE),
        valued=" ".join(f"'{name}'" for name in _takes_value(every).split("|")),
    )
    lines = [text for option in _shared(tree) for text in _fish_option(program, "", option)]
    without = f" -n '__{program}_at \"\"'"
    lines += [f"complete -c {program}{without} -a {verb.name} -d {_fish_text(verb.help)}" for verb in tree.verbs]
    for option in _alone(tree):
        lines += _fish_option(program, without, option)
    for verb in tree.verbs:
        for index, argument in enumerate(verb.arguments):
            count = "" if argument.repeatable else f" {index}"
            words = _static(argument) or f"(__{program}_{_DYNAMIC[argument.name]})"
            lines.append(f"complete -c {program} -n '__{program}_at {verb.name}{count}' -a '{words}'")
        for option in verb.options:
            lines += _fish_option(program, f" -n '__{program}_at {verb.name}'", option)
    return head + "\n".join(lines) + "\n"


def main(directory: str) -> None:
    """Write the files of both programs."""
    shells: tuple[Callable[[Grammar], str], ...] = (bash, zsh, fish)
    texts = [shell(grammar(pkgutil.resolve_name(app))) for app in APPS for shell in shells]
    for name, text in zip(FILES, texts, strict=True):
        Path(directory, name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
