"""`--from FILE`: settings that a sweep wrote, or a person."""

import json
from pathlib import Path

import pytest

WRITTEN = """\
# found by a sweep
symbol = "ETHUSDT"

[settings]
chunks = 3
budget = "500"
profit = "0.2%"
floor = "none"
# rebuy = "0.006"  # not given
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "best.toml"
    path.write_text(WRITTEN)
    return path


def test_a_file_in_the_home_of_the_user_that_an_editor_saved_with_a_mark(daemon, naivectl, file, monkeypatch):
    file.write_text(WRITTEN, encoding="utf-8-sig")
    monkeypatch.setenv("HOME", str(file.parent))
    assert naivectl("settings", "ethusdt", "--from=~/best.toml").code == 0
    assert daemon.calls[0][1]["chunks"] == 3


@pytest.mark.parametrize("verb", ["settings", "start"])
def test_the_settings_of_a_file_are_sent_as_their_flags_are(daemon, naivectl, file, verb):
    assert naivectl(verb, "ethusdt", "--from", str(file)).code == 0
    ((method, params),) = daemon.calls
    assert method == verb
    assert {name: params.get(name) for name in ("chunks", "budget", "profit", "floor", "rebuy")} == {
        "chunks": 3,
        "budget": "500",
        "profit": "0.2%",
        "floor": "none",
        "rebuy": None,
    }


def test_a_flag_wins_over_the_file(daemon, naivectl, file):
    assert naivectl("settings", "ETHUSDT", "--from", str(file), "--profit", "0.5%", "--rebuy", "1%").code == 0
    ((_, params),) = daemon.calls
    assert (params["profit"], params["rebuy"], params["budget"]) == ("0.5%", "1%", "500")


def test_a_file_can_be_tried_in_a_dry_run(daemon, naivectl, file):
    assert naivectl("--json", "start", "ETHUSDT", "--from", str(file), "--dry-run").code == 0
    ((_, params),) = daemon.calls
    assert (params["dry_run"], params["chunks"]) == (True, 3)


def test_a_file_without_a_symbol_is_for_all(daemon, naivectl, file):
    file.write_text(WRITTEN.replace('symbol = "ETHUSDT"', ""))
    assert naivectl("settings", "--all", "--from", str(file)).code == 0
    ((_, params),) = daemon.calls
    assert (params["all"], params["chunks"]) == (True, 3)


@pytest.mark.parametrize("which", [["BTCUSDT"], ["ETHUSDT", "BTCUSDT"], ["--all"]])
def test_settings_that_were_found_for_one_symbol_are_not_given_to_another(daemon, naivectl, file, which):
    done = naivectl("settings", *which, "--from", str(file))
    assert done.code == 2
    assert "found for 'ETHUSDT' alone" in done.err
    assert daemon.calls == []


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("[settings]\nprofits = '0.1'\n", "unknown key 'profits'; settings are chunks, budget,"),
        ("symbols = 'A'\n[settings]\nprofit = '0.1'\n", "unknown key 'symbols'"),
        ("[settings]\nprofit = 0.002\n", "profit must be a text in quotes"),
        ("[settings]\nchunks = true\n", "chunks must be a text in quotes"),
        ("[settings]\nchunks = 0\n", "chunks: '0' is not a whole number above 0"),
        ("[settings]\nprofit = 'much'\n", "profit: 'much' is neither a plain decimal nor a percentage"),
        ('[settings]\nbudget = "\\u001b[2J"\n', "budget: '\\x1b[2J' is not a plain decimal"),
        ("symbol = 5\n[settings]\nprofit = '0.1'\n", "symbol must be a text"),
        ("symbol = 'ETHUSDT'\n", "it has no settings"),
        ("settings = 5\n", "it has no settings"),
        ("", "it has no settings"),
        ("profit 0.1\n", "it is not TOML"),
        ("a = " + "[" * 5000, "it is not TOML"),
        ("# " + "x" * 70_000, "more than 65536 bytes"),
    ],
)
def test_a_bad_file_is_a_usage_error_that_says_what_is_wrong_in_it(daemon, naivectl, tmp_path, text, cause):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    done = naivectl("--json", "settings", "ETHUSDT", "--from", str(path))
    assert done.code == 2
    message = json.loads(done.out)["error"]["message"]
    assert str(path) in message
    assert cause in message
    assert daemon.calls == []


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_a_file_that_cannot_be_read_is_a_usage_error(daemon, naivectl, tmp_path: Path, name):
    done = naivectl("settings", "ETHUSDT", "--from", str(tmp_path / name))
    assert done.code == 2
    assert "cannot be read" in done.err
    assert daemon.calls == []
