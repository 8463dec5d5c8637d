import json
import os
import signal

import pytest


def test_status_is_plain_columns_without_a_terminal(daemon, naivectl):
    assert naivectl("status") == (
        0,
        "SYMBOL   STATUS  STATE    TRADERS   PRICE  CYCLES      PROFIT  UNREALIZED  REASON\n"
        "ETHUSDT  on      trading      1/5  2683.8      12  1.23456789       -0.01  -\n"
        "BTCUSDT  off     off          0/5  2683.8      12  1.23456789       -0.01  -\n",
        "",
    )


def test_the_status_of_a_symbol_has_its_traders(daemon, naivectl):
    out = naivectl("status", "ethusdt").out
    assert "BTCUSDT" not in out
    assert out.splitlines()[-1].split("  ")[:2] == ["ETHUSDT-17", "selling"]
    assert "0/0.0744" in out


def test_status_as_json_is_the_daemons_document(daemon, naivectl):
    assert json.loads(naivectl("--json", "status").out) == daemon.document(())


def test_status_is_0_whenever_the_daemon_answers_and_says_when_it_is_not_well(daemon, naivectl):
    daemon.state = "degraded"
    done = naivectl("status")
    assert done.code == 0
    assert done.err == "naivectl: naived is degraded\n"


@pytest.mark.parametrize(("symbol", "code"), [("ethusdt", 0), ("BTCUSDT", 3)])
def test_is_trading_says_it_with_its_exit_code_alone(daemon, naivectl, symbol, code):
    assert naivectl("is-trading", symbol) == (code, "", "")


@pytest.mark.parametrize("symbol", ["NOPE", "NO PE", "\udcff", "N" * 200])
def test_what_is_unknown_or_no_symbol_is_not_trading_either(daemon, naivectl, symbol):
    assert naivectl("is-trading", symbol) == (3, "", "")


@pytest.mark.parametrize("state", ["starting", "draining", "stopping", "degraded", "faulted", "quarantined"])
def test_only_trading_is_trading(daemon, naivectl, row, state):
    daemon.rows = [row("ETHUSDT", state)]
    assert naivectl("is-trading", "ETHUSDT").code == 3


def test_ping_and_version_name_both_sides(daemon, naivectl):
    assert f"ready, pid {os.getpid()}" in naivectl("ping").out
    assert naivectl("version").out == "naivectl 0.1.0\nnaived 0.1.0\n"
    assert json.loads(naivectl("--json", "version").out) == {
        "v": 1,
        "client": "0.1.0",
        "daemon": "0.1.0",
        "proto": 1,
    }


def test_symbols_that_a_shell_would_expand_are_not_offered(daemon, naivectl, row):
    daemon.rows = [row("ETHUSDT", "off"), row("$(reboot)", "off"), row("币安人生USDT", "off")]
    assert naivectl("__symbols").out == "ETHUSDT\n币安人生USDT\n"


def test_without_a_daemon_there_are_no_symbols_and_no_noise(home, naivectl):
    assert naivectl("__symbols") == (0, "", "")


def test_a_live_view_without_a_terminal_is_one_shot(daemon, naivectl):
    assert naivectl("status", "--live") == naivectl("status")


def test_a_live_view_as_json_lines_ends_well_with_an_interrupt(daemon, spawn):
    process = spawn("status", "--live", "--jsonl")
    assert json.loads(process.stdout.readline())["rev"] == 1
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0


def test_metrics_are_printed_as_they_are_scraped(daemon, naivectl):
    daemon.answers["metrics"] = {"v": 1, "text": '# HELP a b\na{c="d"} 1.0\nevil\x1b[2J 1\n'}
    out = naivectl("metrics").out
    assert out.startswith('# HELP a b\na{c="d"} 1.0\nevil')
    assert "\x1b" not in out
    assert json.loads(naivectl("--json", "metrics").out)["text"].startswith("# HELP")
    assert naivectl("-q", "metrics").out == ""
