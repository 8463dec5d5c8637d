"""All verbs, options, exit codes and kinds of errors as one document: ``python -m naivectl.catalogue FILE``.

`naivectl catalogue` prints the file that this writes; nothing imports this module when naivectl runs.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from naivectl import documents
from naivectl.app import app
from naivectl.grammar import Argument, Option, Verb, grammar
from naived.control.protocol import Code

Document = dict[str, Any]

EXITS: Mapping[int, str] = {
    0: "it is as you asked, also when it was so already; also Ctrl-C in a live view",
    1: "the operation failed",
    2: "usage",
    3: "not trading (is-trading)",
    4: "unknown symbol",
    5: "some of several symbols failed; if all fail alike, their code",
    6: "not configured",
    7: "naived is not running or cannot be reached",
    8: "quarantined",
    75: "busy, or what naived needs is away: try again",
    76: "naivectl and naived do not understand each other: another version, or another program",
    77: "permission",
    124: "the wait timed out; what was asked for stays asked for",
    130: "interrupted",
    143: "ended by SIGTERM",
}

# Kinds that naivectl finds by itself, with their exit code, and whether trying again may help.
OWN_KINDS: Mapping[str, tuple[int, bool]] = {
    "usage": (2, False),
    "not_running": (7, True),
    "unreachable": (7, False),
    "connection_lost": (7, True),
    "silent": (75, True),
    "busy": (75, True),
    "permission": (77, False),
    "protocol": (76, False),
    "incomplete": (1, False),
    "interrupted": (130, True),
}


def catalogue() -> Document:
    """The document."""
    tree = grammar(app)
    return {
        "v": 1,
        "program": tree.name,
        "options": [_option(option) for option in tree.options],
        "verbs": [_verb(verb) for verb in tree.verbs],
        "exit_codes": [{"code": code, "meaning": meaning} for code, meaning in EXITS.items()],
        "error_kinds": _kinds(),
    }


def _verb(verb: Verb) -> Document:
    """``documents`` are the names that `naivectl schema` takes: what it prints with ``--json``, and as a stream."""
    streams = [name for name in documents.STREAMS if name.startswith(f"{verb.name}-")]
    one = [verb.name] if verb.name in documents.schemas() else []
    return {
        "name": verb.name,
        "help": verb.help,
        "arguments": [_argument(argument) for argument in verb.arguments],
        "options": [_option(option) for option in verb.options],
        "documents": [*one, *streams],
    }


def _argument(argument: Argument) -> Document:
    return argument._asdict()


def _option(option: Option) -> Document:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in option._asdict().items()}


def _kinds() -> list[Document]:
    """Those of the daemon with their JSON-RPC codes, and those that only naivectl finds, without."""
    told = [{"kind": code.kind, "exit": code.exit, "retryable": code.retryable, "code": int(code)} for code in Code]
    known = {code.kind for code in Code}
    return told + [
        {"kind": kind, "exit": exit, "retryable": retryable, "code": None}
        for kind, (exit, retryable) in OWN_KINDS.items()
        if kind not in known
    ]


def main(path: str) -> None:
    """Write the file."""
    Path(path).write_text(json.dumps(catalogue(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
