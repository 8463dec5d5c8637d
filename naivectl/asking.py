"""What the commands of `app` have in common: the parameters of a request, a question before a loss, the report."""

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from naivectl import rows
from naivectl.client import SILENCE, Document, Failure, about, call
from naivectl.invocation import Invocation
from naivectl.prose import say
from naivectl.render import complain, finish, sentence
from naivectl.table import clean
from naived.control.protocol import TIMEOUTS, parse_duration

CHANGE_TIMEOUT = 60.0  # seconds for a change that waits only for its commit and a query to the exchange


def symbol_params(verb: str, symbols: Sequence[str] | None, all: bool) -> Document:
    if all == bool(symbols):
        raise typer.BadParameter(f"{verb} needs a SYMBOL, or --all for every symbol")
    return {"all": True} if all else {"symbols": list(symbols or ())}


def given(**values: Any) -> Document:
    return {name: value for name, value in values.items() if value is not None}


def timeout_text(verb: str, text: str | None) -> str:
    if text is None:
        seconds = TIMEOUTS[verb]
        return "none" if seconds is None else f"{seconds:.0f}s"
    if text != "none":
        try:
            parse_duration(text)
        except ValueError as error:
            raise typer.BadParameter(f"--timeout {error}") from error
    return text


def wait_params(verb: str, wait: bool, timeout: str | None) -> Document:
    return {"wait": wait, "timeout": timeout_text(verb, timeout)}


def seconds_to_wait(params: Document) -> float | None:
    """Seconds to wait for the answer, None for no limit: the wait that was asked for, and time to answer."""
    timeout = params.get("timeout")
    if timeout is None or (timeout == "none" and not params.get("wait", True)):
        return CHANGE_TIMEOUT
    return None if timeout == "none" else SILENCE + parse_duration(timeout)


def page_params(symbols: Sequence[str] | None, limit: int | None, since: str | None) -> Document:
    try:
        start = since and rows.since(since)
    except ValueError as error:
        raise typer.BadParameter(f"--since {error}") from error
    return given(symbols=list(symbols or ()), limit=limit, since=start)


def ask(context: typer.Context, method: str, params: Document) -> Document:
    """The answer of a daemon, which may start or suspend for as long as the verb may wait."""
    timeout, patience = params.get("timeout", "none"), seconds_to_wait(params)
    door = patience if timeout == "none" else parse_duration(timeout)
    return call(context.obj.sockets(), method, params, patience, door)


def change(context: typer.Context, method: str, params: Document) -> int:
    """Request a change with a new request id, so that a repeated request is done once.

    Whoever stops waiting, or gets no answer, is told what may still happen.
    """
    params = {**params, "request_id": request_id()}
    try:
        document = ask(context, method, params)
    except KeyboardInterrupt:
        goes_on = _what_goes_on(method, params)
        if goes_on is None:
            raise
        what, back = goes_on
        if context.obj.machine:
            raise Failure("interrupted", what, back, 130) from None
        if not context.obj.quiet:
            print(file=sys.stderr)  # behind the ^C that the terminal shows
            complain(what, back)
        return 130
    except Failure as failure:
        if failure.kind not in _IN_DOUBT:
            raise
        doubt = "what was asked may still be done: look at naivectl status, or ask again, which is safe"
        raise Failure(failure.kind, failure.message, doubt, failure.exit) from failure
    return report(context.obj, document)


def request_id() -> str:
    """Another one each time; `uuid` takes milliseconds to import."""
    return os.urandom(16).hex()


_IN_DOUBT = ("silent",)  # failures of a request that naived may have received and that do not say so themselves
# What goes on after a wait was interrupted, how to wait for it again, and what takes it back.
_GOES_ON = {
    "start": ("still starts", "--for trading", "stop"),
    "stop": ("still stops", "--for off", "start"),
    "shutdown": ("still drains", "--for drained", "start"),
}


def _what_goes_on(method: str, params: Document) -> tuple[str, str] | None:
    """What was asked and goes on, and what takes it back; None for a verb that does not wait."""
    if method not in _GOES_ON:
        return None
    what, goal, back = _GOES_ON[method]
    names = "--all" if params.get("all") else " ".join(clean(name) for name in params["symbols"])
    which = "every symbol" if params.get("all") else names
    return f"{which} {what}; naivectl wait {names} {goal}", f"Taken back by: naivectl {back} {names}"


def confirmed(invocation: Invocation, method: str, params: Document) -> bool:
    """Ask on a terminal whether to lose what the request would lose; True where nothing is lost or nobody is there.

    The daemon tells it in a dry run, which changes nothing.
    """
    if invocation.machine or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return True
    document = call(invocation.sockets(), method, {**params, "dry_run": True}, CHANGE_TIMEOUT, CHANGE_TIMEOUT)
    losing = [each for each in document["results"] if any(each.get(kind) for kind in ("lost", "unsold", "sells"))]
    if not losing:
        return True
    for result in losing:
        say(sentence(result))
    # To be typed for one symbol: its name, which nobody types by habit.
    word = clean(losing[0]["symbol"]) if len(losing) == 1 else "yes"
    print(f"Type {word} to go on, Enter to change nothing: ", end="", flush=True)
    if sys.stdin.readline().strip().lower() == word.lower():
        return True
    print("nothing changed")
    return False


def report(invocation: Invocation, document: Document) -> int:
    if not (invocation.machine or invocation.quiet):
        for result in document["results"]:
            if not result.get("error"):
                say(sentence(result))
            warn(result)
    return finish(invocation, document)


def warn(result: Document) -> None:
    """Say on stderr what it warns of, as of settings that cannot do what they say."""
    for warning in result.get("warnings") or ():
        complain(about(result.get("symbol"), f"warning: {warning}"), None)
