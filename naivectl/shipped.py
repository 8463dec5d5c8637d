"""The verbs that print a file which came with naivectl: they need no daemon and no library.

Each returns its exit code and raises Failure. `main` calls them without Typer where it can, `offline` with it.
"""

import os

from naivectl.client import Failure

_HERE = os.path.dirname(__file__)
_SHIPPED = os.path.join(_HERE, "_completions")
_SCRIPTS = _SHIPPED if os.path.isdir(_SHIPPED) else os.path.join(os.path.dirname(_HERE), "completions")
_SCHEMAS = os.path.join(_HERE, "schemas")


def schema(name: str | None) -> int:
    """Print the JSON Schema of a document, or the names of all documents, one a line."""
    names = sorted(file.removesuffix(".json") for file in os.listdir(_SCHEMAS) if file.endswith(".json"))
    if name is None:
        print("\n".join(names))
        return 0
    if name not in names:
        raise Failure("usage", f"no document is named {name!a}", f"it is one of: {', '.join(names)}", 2)
    _print(os.path.join(_SCHEMAS, f"{name}.json"))
    return 0


def catalogue() -> int:
    """Print all verbs, options, exit codes and kinds of errors."""
    _print(os.path.join(_HERE, "catalogue.json"))
    return 0


def completion(shell: str) -> int:
    """Print the completion scripts of naivectl and naived."""
    for program in ("naivectl", "naived"):
        _print(os.path.join(_SCRIPTS, f"_{program}" if shell == "zsh" else f"{program}.{shell}"))
    return 0


def _print(path: str) -> None:
    """Raises Failure when the installation lacks the file."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        message = f"cannot read {path}, which came with naivectl: {error.strerror}"
        raise Failure("incomplete", message, "install naived again", 1) from error
    print(text, end="")  # an error of the output is not one of the file
