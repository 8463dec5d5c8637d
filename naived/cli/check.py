"""``naived check``: reads the configuration as ``naived run`` does, looks at everything, prints a row a check."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

import trio

from naived.check.examine import examine
from naived.check.rows import Row, Status, exit_code, failed, told
from naived.cli import config as configuration
from naived.process import logs
from naived.process.complaint import complain
from naived.process.config import ConfigError

_HEAD = ("check", "status", "found", "what to do")
_STYLES = {Status.OK: "green", Status.WARNED: "yellow", Status.FAILED: "bold red", Status.SKIPPED: "dim"}


def perform(flags: Mapping[str, object], *, machine: bool) -> int:
    """Check what ``naived run`` with these flags would use; prints the rows; returns the exit code."""
    os.umask(0o077)
    wrong: list[ConfigError] = []
    try:
        config = configuration.load(flags, os.environ, terminal=False, without_keys=wrong.append)
    except ConfigError as error:
        if error.exit_code == 2:
            complain(error)
            return error.exit_code
        rows = [
            failed(
                "configuration", *told(error, "correct it; naived check --help lists every option"), unusable=True
            )
        ]
    else:
        logs.configure("json", "critical", config.secrets)  # what the adapters log is in the rows
        redact = logs.Redactor(config.secrets)  # an error of a library may have quoted one
        found = trio.run(examine, config, wrong[0] if wrong else None)
        rows = [replace(row, found=redact(row.found), todo=redact(row.todo)) for row in found]
    show(rows, machine=machine)
    return exit_code(rows)


def show(rows: Sequence[Row], *, machine: bool) -> None:
    """Print them: one JSON document, a table on a terminal, plain columns otherwise."""
    if machine:
        print(json.dumps({"v": 1, "checks": [row.document() for row in rows]}))
    elif sys.stdout.isatty():
        _table(rows)
    else:
        cells = [_HEAD, *(row.cells for row in rows)]
        widths = [max(len(line[column]) for line in cells) for column in range(3)]
        for line in cells:
            padded = [cell.ljust(width) for cell, width in zip(line[:3], widths, strict=True)]
            print("  ".join([*padded, line[3]]).rstrip())


def _table(rows: Sequence[Row]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*_HEAD[:2], *(_HEAD[2:]), box=None, pad_edge=False, header_style="bold")
    for row in rows:
        name, status, found, todo = row.cells
        table.add_row(name, Text(status, _STYLES[row.status]), Text(found), Text(todo))
    Console(highlight=False).print(table)
