"""The global options of a command line: where the daemon is, and the form of the output."""

import os
from collections.abc import Sequence
from itertools import pairwise

from naivectl.client import Failure

_FLAGS = {"--json": "json", "--jsonl": "jsonl", "-q": "quiet", "--quiet": "quiet"}
_VALUES = ("--socket", "--home")
# The options of verbs that take a value; `app` has them, and takes too long to import.
_VALUED = frozenset((
    "--budget", "--buy-down", "--cancel", "--ceiling", "--chunks", "--fall-guard", "--floor", "--for", "--from",
    "--limit", "--max-daily-loss", "--max-deviation", "--max-drawdown", "--max-exposure", "--profit", "--reason",
    "--rebuy", "--reprice", "--reserve", "--since", "--spacing", "--stop-loss", "--stop-slippage", "--timeout",
))  # fmt: skip
_OF_THE_SYSTEM = "/run/naived/control.sock"


class Invocation:
    """The global options. ``json`` is one document, ``jsonl`` one a line if a verb streams."""

    def __init__(
        self,
        socket: str | None = None,
        home: str | None = None,
        json: bool = False,
        jsonl: bool = False,
        quiet: bool = False,
    ) -> None:
        self.socket, self.home = socket, home
        self.json, self.jsonl, self.quiet = json, jsonl, quiet

    @property
    def machine(self) -> bool:
        """Is the answer for a program?"""
        return self.json or self.jsonl

    def sockets(self) -> tuple[str, ...]:
        """The sockets to try. One that was given is the only one, so that no other daemon is steered.

        ``~`` is the user's home, as for naived: no shell expands it behind ``--home=``, nor cron or systemd in a
        variable.

        Raises Failure for an empty path, such as that of an unset variable.
        """
        for flag, value, wanted in (
            ("--socket", self.socket, "the path of a control socket"),
            ("--home", self.home, "the home of a naived"),
        ):
            if value == "":
                raise Failure("usage", f"{flag} is empty", f"give {wanted}, or leave {flag} out", 2)
        if self.socket:
            return (os.path.expanduser(self.socket),)
        if home := self.home:
            return (os.path.expanduser(os.path.join(home, "control.sock")),)
        if named := os.environ.get("NAIVED_SOCKET"):
            return (os.path.expanduser(named),)
        if home := os.environ.get("NAIVED_HOME"):
            return (os.path.expanduser(os.path.join(home, "control.sock")),)
        own = os.path.expanduser("~/.local/state/naived/control.sock")
        # Without HOME, a user that the system does not list has no home.
        return (own, _OF_THE_SYSTEM) if os.path.isabs(own) else (_OF_THE_SYSTEM,)


def hoist(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate the global options, at any position, from the rest: ``status --json`` is ``--json status``."""
    front: list[str] = []
    rest: list[str] = []
    queue = list(arguments)
    while queue:
        argument = queue.pop(0)
        if argument == "--":
            return front, [*rest, argument, *queue]
        if argument in _FLAGS or argument.startswith(tuple(f"{name}=" for name in _VALUES)):
            front.append(argument)
        elif argument in _VALUES:
            # Without a value it is empty, which is refused: the verb that is put behind it is none.
            front += [argument, queue.pop(0) if queue else ""]
        else:
            rest.append(argument)
    return front, rest


def check_values(arguments: Sequence[str]) -> None:
    """Raises Failure for an option that lacks its value.

    It would take the next word, and ``halt --reason --json ETHUSDT`` would halt the account.
    """
    for option, behind in pairwise(arguments):
        if option == "--":
            return
        if (option in _VALUED or option in _VALUES) and behind.startswith("-") and not behind[1:2].isdigit():
            hint = f"give it one; one that begins with - is written {option}=VALUE"
            raise Failure("usage", f"{option} has no value: {behind[:40]!a} follows it", hint, 2)


def read(front: Sequence[str]) -> Invocation:
    """Parse the global options that `hoist` found."""
    found: dict[str, str | bool] = {}
    queue = list(front)
    while queue:
        argument = queue.pop(0)
        if argument in _FLAGS:
            found[_FLAGS[argument]] = True
            continue
        name, equals, value = argument.partition("=")
        found[name[2:]] = value if equals else queue.pop(0)
    return Invocation(**found)  # type: ignore[arg-type]
