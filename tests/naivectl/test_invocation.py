import os

import pytest

from naivectl.client import Failure
from naivectl.invocation import Invocation, hoist, read


@pytest.mark.parametrize(
    ("arguments", "front", "rest"),
    [
        (["status", "--json"], ["--json"], ["status"]),
        (["--home", "h", "status", "A", "-q"], ["--home", "h", "-q"], ["status", "A"]),
        (["status", "--socket=s", "A"], ["--socket=s"], ["status", "A"]),
        (["status", "--socket"], ["--socket", ""], ["status"]),
        (["start", "--budget", "5", "--", "--json"], [], ["start", "--budget", "5", "--", "--json"]),
    ],
)
def test_global_options_may_stand_anywhere(arguments, front, rest):
    assert hoist(arguments) == (front, rest)


def test_what_was_hoisted_is_read():
    found = read(["--socket=a=b", "--home", "h", "--json", "--jsonl", "-q"])
    assert vars(found) == vars(Invocation("a=b", "h", True, True, True))


@pytest.mark.parametrize(
    ("invocation", "environment", "sockets"),
    [
        (Invocation(socket="s", home="h"), {"NAIVED_SOCKET": "e"}, ("s",)),
        (Invocation(home="h"), {"NAIVED_SOCKET": "e"}, ("h/control.sock",)),
        (Invocation(), {"NAIVED_SOCKET": "e", "NAIVED_HOME": "eh"}, ("e",)),
        (Invocation(), {"NAIVED_HOME": "eh"}, ("eh/control.sock",)),
        (Invocation(socket="~/s"), {"HOME": "/u"}, ("/u/s",)),
        (Invocation(home="~/h"), {"HOME": "/u"}, ("/u/h/control.sock",)),
        (Invocation(), {"HOME": "/u", "NAIVED_SOCKET": "~/e"}, ("/u/e",)),
        (Invocation(), {"HOME": "/u", "NAIVED_HOME": "~/eh"}, ("/u/eh/control.sock",)),
        (Invocation(), {"HOME": "/u"}, ("/u/.local/state/naived/control.sock", "/run/naived/control.sock")),
    ],
)
def test_the_socket_is_looked_for_in_order(monkeypatch, invocation, environment, sockets):
    monkeypatch.setattr(os, "environ", environment)
    assert invocation.sockets() == sockets


@pytest.mark.parametrize(
    ("invocation", "flag"),
    [(Invocation(socket=""), "--socket"), (Invocation(home=""), "--home"), (Invocation("s", ""), "--home")],
)
def test_an_empty_place_is_a_mistake_and_not_the_default_one(invocation, flag):
    with pytest.raises(Failure, match=f"{flag} is empty") as failure:
        invocation.sockets()
    assert failure.value.exit == 2
    assert flag in failure.value.hint


@pytest.mark.parametrize("verb", [["status"], ["stop", "ETHUSDT"], ["events", "-f"], ["ping"]])
@pytest.mark.parametrize("place", [["--home", ""], ["--home="], ["--socket", ""]])
def test_no_verb_reaches_the_daemon_at_an_empty_place(daemon, naivectl, verb, place):
    done = naivectl(*place, *verb)
    flag = place[0].rstrip("=")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"naivectl: {flag} is empty. Give ")
    assert daemon.calls == []
