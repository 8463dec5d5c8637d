import io
import json
from pathlib import Path

import pytest

from naivectl import asking, invocation
from naived.control.protocol import Code, ControlError

ALL_CHANGES = [
    (["start", "ETHUSDT"], "start"),
    (["stop", "ETHUSDT"], "stop"),
    (["shutdown", "ETHUSDT"], "shutdown"),
    (["settings", "ETHUSDT", "--budget", "500"], "settings"),
    (["resolve", "ETHUSDT", "n1abc", "--adopt"], "resolve"),
]


@pytest.mark.parametrize(("arguments", "method"), ALL_CHANGES)
def test_every_change_carries_the_symbol_and_an_id_of_its_own(daemon, naivectl, arguments, method):
    assert naivectl(*arguments).code == 0
    assert naivectl(*arguments).code == 0
    (first, params), (_, again) = daemon.calls
    assert first == method
    assert params["symbols"] == ("ETHUSDT",)
    assert len(params["request_id"]) == 32
    assert params["request_id"] != again["request_id"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["start", "A"], {"wait": True, "timeout": 30.0}),
        (["start", "A", "--no-wait"], {"wait": False}),
        (["start", "a", "B", "--timeout", "500ms"], {"symbols": ("A", "B"), "timeout": 0.5}),
        (["start", "A", "--timeout", "none"], {"timeout": None}),
        (
            ["start", "A", "--chunks", "3", "--budget", "12.5", "--buy-down", "0.1%", "--profit", "0.002"],
            {"chunks": 3, "budget": "12.5", "buy_down": "0.1%", "profit": "0.002"},
        ),
        (["start", "A", "--rebuy", "0.01", "--reprice", "0"], {"rebuy": "0.01", "reprice": "0"}),
        (["stop", "--all"], {"all": True, "symbols": (), "cancel": "none", "wait": True, "timeout": 15.0}),
        (["stop", "A", "--cancel", "buys"], {"cancel": "buys"}),
        (["shutdown", "A"], {"wait": False, "timeout": None, "keep_buys": False}),
        (["shutdown", "A", "--wait", "--keep-buys"], {"wait": True, "timeout": None, "keep_buys": True}),
        (["wait", "A", "--for", "drained"], {"for": "drained", "timeout": None}),
        (["wait", "A", "--for", "off", "--timeout", "2m"], {"for": "off", "timeout": 120.0}),
        (["resolve", "A", "--all", "--ignore"], {"all": True, "action": "ignore", "client_order_id": None}),
        (["resolve", "A", "n1x", "--adopt"], {"all": False, "action": "adopt", "client_order_id": "n1x"}),
        (["settings"], {"symbols": (), "all": False}),
        (["settings", "--all", "--chunks", "4"], {"all": True, "chunks": 4}),
    ],
)
def test_options_arrive_as_they_were_meant(daemon, naivectl, arguments, expected):
    assert naivectl(*arguments).code == 0
    _, params = daemon.calls[0]
    assert {name: params[name] for name in expected} == expected


@pytest.mark.parametrize(
    "arguments",
    [
        ["start"],
        ["stop"],
        ["shutdown"],
        ["wait", "--for", "off"],
        ["wait", "A"],
        ["wait", "A", "--for", "on"],
        ["settings", "--budget", "5"],
        ["start", "A", "--all"],
        ["start", "A", "--chunks", "0"],
        ["start", "A", "--chunks", "x"],
        *(["start", "A", "--chunks", odd] for odd in ("1_000", "+5", " 5", "5.0", "\uff15", "-1", "1" + "0" * 30)),
        ["orders", "--limit", "1_0"],
        ["start", "A", "--timeout", "5"],
        ["start", "A", "--budget", "-5"],
        ["start", "A", "--budget", "1e3"],
        ["start", "A", "--budget", "5%"],
        ["settings", "A", "--profit", "much"],
        ["settings", "A", "--rebuy", "-1%"],
        ["stop", "A", "--cancel", "some"],
        ["resolve", "A"],
        ["resolve", "A", "--all"],
        ["resolve", "A", "n1", "--all", "--adopt"],
        ["resolve", "A", "n1", "--adopt", "--ignore"],
        ["orders", "--limit", "0"],
        ["orders", "--since", "yesterday"],
        ["events", "-f", "--since", "2h"],
        ["is-trading"],
        ["is-trading", "A", "B"],
        ["ping", "A"],
        ["status", "--bogus"],
        ["bogus"],
        ["--socket"],
        [],
    ],
)
def test_a_mistake_in_usage_is_exit_2_and_changes_nothing(daemon, naivectl, arguments):
    done = naivectl(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert "Usage" in done.err or "requires an argument" in done.err
    assert daemon.calls == []


def test_a_mistake_in_usage_is_a_document_for_a_program(daemon, naivectl):
    done = naivectl("--json", "stop")
    assert done.code == 2
    error = json.loads(done.out)["error"]
    assert error["kind"] == "usage"
    assert "--all" in error["message"]


@pytest.mark.parametrize(
    ("arguments", "option", "behind"),
    [
        (["halt", "--reason", "--json", "ETHUSDT"], "--reason", "--json"),
        (["halt", "--reason", "-q", "ETHUSDT", "--json"], "--reason", "-q"),
        (["--json", "halt", "--reason", "--keep-buys", "ETHUSDT"], "--reason", "--keep-buys"),
        (["stop", "ETHUSDT", "--cancel", "--yes", "--json"], "--cancel", "--yes"),
        (["events", "--since", "-f", "--jsonl"], "--since", "-f"),
        (["--json", "status", "--home", "--socket"], "--home", "--socket"),
    ],
)
def test_an_option_does_not_take_another_one_for_its_value(daemon, naivectl, arguments, option, behind):
    done = naivectl(*arguments)
    assert done.code == 2
    error = json.loads(done.out)["error"]
    assert (error["kind"], error["message"]) == ("usage", f"{option} has no value: {behind!r} follows it")
    assert daemon.calls == []


def test_a_value_that_begins_with_a_dash_is_written_behind_an_equals_sign(daemon, naivectl):
    assert naivectl("halt", "ETHUSDT", "--reason=--json").code == 0
    assert daemon.calls[-1][1]["reason"] == "--json"


def test_every_option_that_takes_a_value_is_known_to_take_one():
    verbs = json.loads(Path(invocation.__file__).with_name("catalogue.json").read_text())["verbs"]
    options = [option for verb in verbs for option in verb["options"]]
    assert {name for option in options if option["takes"] for name in option["names"]} == invocation._VALUED


@pytest.mark.parametrize("arguments", [["ping", "--home"], ["stop", "ETHUSDT", "--socket"], ["status", "--home"]])
def test_a_global_option_without_a_value_is_said_to_have_none(daemon, naivectl, arguments):
    done = naivectl("--json", *arguments)
    assert done.code == 2
    error = json.loads(done.out)["error"]
    assert (error["kind"], error["message"]) == ("usage", f"{arguments[-1]} is empty")
    assert daemon.calls == []


def test_stop_says_what_stays(daemon, naivectl, done):
    orders = [{"side": "sell"}, {"side": "buy"}]
    daemon.answers["stop"] = {"v": 1, "results": [done("ETHUSDT", open_orders=orders)]}
    assert naivectl("stop", "ETHUSDT").out == "ETHUSDT: stopped; 1 sell and 1 buy remain open at the exchange\n"


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ({"open_orders": [{"side": "sell"}] * 2}, "stopped; 2 sells remain open at the exchange"),
        ({"open_orders": [{"side": "buy"}]}, "stopped; 1 buy remains open at the exchange"),
        ({"changed": False}, "already stopped"),
        ({"state": "trading"}, "trading"),
        ({"state": "draining", "message": "draining: 2 cycles left"}, "draining: 2 cycles left"),
        ({"message": "\x1b[2Jgone"}, "\\x1b[2Jgone"),
    ],
)
def test_a_result_is_one_sentence(daemon, naivectl, done, result, text):
    daemon.answers["stop"] = {"v": 1, "results": [done("ETHUSDT", **result)]}
    assert naivectl("stop", "ETHUSDT").out == f"ETHUSDT: {text}\n"


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.VERSION_MISMATCH])
def test_a_failure_has_the_exit_code_of_its_kind(daemon, naivectl, code):
    daemon.answers["stop"] = ControlError(code, "it went wrong", hint="do this")
    done = naivectl("-q", "stop", "ETHUSDT")
    assert done == (code.exit, "", "naivectl: it went wrong. Do this\n")
    done = naivectl("stop", "ETHUSDT", "--json")
    assert done.code == code.exit
    assert json.loads(done.out) == {
        "v": 1,
        "error": {"kind": code.kind, "message": "it went wrong", "hint": "do this"},
    }


def failed(done, symbol, code):
    return done(symbol, error=ControlError(code, f"no {symbol}", hint="look").document())


@pytest.mark.parametrize(
    ("codes", "exit"),
    [
        ([None, None], 0),
        ([Code.UNKNOWN_SYMBOL, None], 5),
        ([Code.UNKNOWN_SYMBOL, Code.UNKNOWN_SYMBOL], 4),
        ([Code.UNKNOWN_SYMBOL, Code.QUARANTINED], 5),
        ([Code.TIMED_OUT], 124),
        ([Code.NOT_CONFIGURED], 6),
        ([Code.QUARANTINED], 8),
    ],
)
def test_symbols_that_fail_alike_give_their_code_and_others_5(daemon, naivectl, done, codes, exit):
    results = [
        failed(done, f"S{number}", code) if code else done(f"S{number}") for number, code in enumerate(codes)
    ]
    daemon.answers["start"] = {"v": 1, "results": results}
    finished = naivectl("start", "S0", "S1")
    assert finished.code == exit
    assert finished.err.splitlines() == [
        f"naivectl: S{number}: no S{number}. Look" for number, code in enumerate(codes) if code
    ]
    finished = naivectl("--json", "start", "S0", "S1")
    document = json.loads(finished.out)
    error = document.pop("error", None)
    assert (finished.code, document, finished.err) == (exit, daemon.answers["start"], "")
    if exit == 0:
        assert error is None
    else:
        assert error == {
            "kind": "some_failed" if exit == 5 else codes[0].kind,
            "message": "; ".join(f"S{number}: no S{number}" for number, code in enumerate(codes) if code),
            "hint": None if exit == 5 else "look",
        }


@pytest.mark.parametrize("verb", ["start", "settings"])
@pytest.mark.parametrize(
    ("flag", "text", "warning"),
    [
        ("--profit", "0.5", "--profit 0.5 is 50%; for 0.5 percent type 0.5%"),
        ("--rebuy", "0.10", "--rebuy 0.10 is 10%; for 0.10 percent type 0.10%"),
        ("--buy-down", "0.25", "--buy-down 0.25 is 25%; for 0.25 percent type 0.25%"),
        ("--profit", "0.0999", None),
        ("--profit", "50%", None),
        ("--reprice", "0", None),
        ("--max-deviation", "0.5", None),  # a tenth is its default
    ],
)
def test_a_fraction_that_may_be_meant_as_percent_is_warned_of_and_taken(
    daemon, naivectl, verb, flag, text, warning
):
    done = naivectl(verb, "A", flag, text)
    assert done.code == 0
    assert done.err == ("" if warning is None else f"naivectl: warning: {warning}\n")
    assert daemon.calls[0][1][flag[2:].replace("-", "_")] == text
    assert naivectl("-q", verb, "A", flag, text).err == ""
    assert naivectl("--json", verb, "A", flag, text).err == ""


def test_quiet_says_nothing_of_success(daemon, naivectl):
    for arguments in (["start", "A"], ["status"], ["settings", "A"], ["ping"], ["version"]):
        assert naivectl("-q", *arguments) == (0, "", "")


def test_settings_are_shown_as_columns(daemon, naivectl, done):
    shown = {
        "chunks": 5,
        "budget": "1000",
        "buy_down": "0.0001",
        "profit": "0.001",
        "rebuy": "0.006",
        "reprice": "0.01",
        "max_deviation": "0.1",
        "spacing": "0.003",
        "floor": None,
        "ceiling": "4000",
        "fall_guard": "0.05/1h",
        "stop_loss": "0",
        "stop_slippage": "0.005",
    }
    daemon.answers["settings"] = {"v": 1, "results": [done("ETHUSDT", changed=False, settings=shown)]}
    assert naivectl("settings", "ethusdt").out == (
        "SYMBOL   STATUS  CHUNKS  BUDGET  BUY DOWN  PROFIT  REBUY  REPRICE  MAX DEVIATION  "
        "SPACING  FLOOR  CEILING  FALL GUARD  STOP LOSS  STOP SLIPPAGE\n"
        "ETHUSDT  off          5    1000    0.0001   0.001  0.006     0.01            0.1  "
        "  0.003      -     4000     0.05/1h          0          0.005\n"
    )


@pytest.mark.parametrize(
    ("params", "seconds"),
    [
        ({"wait": True, "timeout": "30s"}, 40.0),
        ({"wait": False, "timeout": "30s"}, 40.0),
        ({"wait": True, "timeout": "none"}, None),
        ({"for": "off", "timeout": "none"}, None),
        ({"wait": False, "timeout": "none"}, 60.0),
        ({"action": "adopt"}, 60.0),
    ],
)
def test_the_client_outwaits_the_daemon(params, seconds):
    assert asking.seconds_to_wait(params) == seconds


LOSING = {"asset": "ETH", "quantity": "0.1", "cost": "199.98", "value": None}


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["stop", "A", "--cancel", "all"], "unsold"),
        (["resolve", "A", "--all", "--ignore"], "lost"),
        (["forget", "A"], "lost"),
        (["settings", "A", "--stop-loss", "5%"], "sells"),
        (["start", "A", "--stop-loss", "5%"], "sells"),
        (["start", "A"], "sells"),  # by the stop-loss that it has
        (["shutdown", "A"], "sells"),
        (["resolve", "A", "--all", "--adopt"], "sells"),
    ],
)
@pytest.mark.parametrize(
    ("typed", "code", "dry"),
    [
        ("A\n", 0, [True, False]),
        (" a \n", 0, [True, False]),
        ("\n", 1, [True]),
        ("y\n", 1, [True]),
        ("B\n", 1, [True]),
        ("", 1, [True]),
    ],
)
def test_on_a_terminal_it_asks_before_something_is_lost(
    daemon, naivectl, done, monkeypatch, arguments, field, typed, code, dry
):
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    losing = [LOSING] if field == "lost" else LOSING
    daemon.answers[arguments[0]] = {"v": 1, "results": [done("A", message="0.1 ETH goes", **{field: losing})]}
    finished = naivectl(*arguments)
    assert finished.code == code
    assert finished.out.startswith("A: 0.1 ETH goes\nType A to go on, Enter to change nothing: ")
    assert [params["dry_run"] for _, params in daemon.calls] == dry


@pytest.mark.parametrize(
    ("arguments", "on_terminal", "dry"),
    [
        (["stop", "A", "--cancel", "all"], True, [True, False]),  # nothing is lost
        (["stop", "A", "--cancel", "all"], False, [False]),
        (["stop", "A", "--cancel", "all", "--yes"], True, [False]),
        (["stop", "A", "--cancel", "buys"], True, [False]),
        (["--json", "stop", "A", "--cancel", "all"], True, [False]),
        (["resolve", "A", "--all", "--ignore"], False, [False]),
        (["resolve", "A", "--all", "--ignore", "--yes"], True, [False]),
        (["resolve", "A", "--all", "--adopt"], True, [True, False]),
        (["resolve", "A", "--all", "--adopt", "--yes"], True, [False]),
        (["shutdown", "A"], True, [True, False]),
        (["shutdown", "A", "--yes"], True, [False]),
        (["start", "A"], True, [True, False]),  # nothing is sold
        (["start", "A", "--stop-loss", "5%", "--yes"], True, [False]),
    ],
)
def test_without_a_terminal_or_a_loss_it_asks_nobody(daemon, naivectl, monkeypatch, arguments, on_terminal, dry):
    monkeypatch.setattr("sys.stdin", Terminal("", on_terminal=on_terminal))
    monkeypatch.setattr("sys.stdout.isatty", lambda: on_terminal, raising=False)
    finished = naivectl(*arguments)
    assert (finished.code, "to go on" in finished.out) == (0, False)
    assert [params["dry_run"] for _, params in daemon.calls] == dry


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["stop", "a"],
            "\nnaivectl: A still stops; naivectl wait A --for off. Taken back by: naivectl start A\n",
        ),
        (
            ["shutdown", "--all", "--wait"],
            "\nnaivectl: every symbol still drains; naivectl wait --all --for drained. "
            "Taken back by: naivectl start --all\n",
        ),
        (["-q", "stop", "A"], ""),
        (["halt", "A"], ""),
    ],
)
def test_whoever_stops_waiting_is_told_what_goes_on(naivectl, monkeypatch, arguments, says):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(asking, "call", interrupted)
    assert naivectl(*arguments) == (130, "", says.replace("A", "a") if arguments[1] == "a" else says)
    code, out, _ = naivectl("--json", *arguments)
    assert (code, json.loads(out)["error"]["kind"]) == (130, "interrupted")


class Terminal(io.StringIO):
    """What a person typed."""

    def __init__(self, typed: str, *, on_terminal: bool = True) -> None:
        super().__init__(typed)
        self._on_terminal = on_terminal

    def isatty(self) -> bool:
        return self._on_terminal
