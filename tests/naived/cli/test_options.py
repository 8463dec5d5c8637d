import os
from collections.abc import Callable
from pathlib import Path

import pytest

from naived.cli.options import (
    BACKTEST,
    RECORD,
    REPLAY,
    RUN,
    SIMULATE,
    SWEEP,
    Options,
    UsageError,
    gather,
    of_daemons,
    pair,
)
from naived.core.duration import parse_duration
from naived.process.config import ConfigError

NAMES = ("grace", "live", "tape", "seed", "fee")


def toml(folder: Path, text: str) -> dict[str, object]:
    path = folder / "naived.toml"
    path.write_text(text)
    return {"config": str(path)}


def test_a_flag_goes_before_the_environment_before_the_file_before_the_default(tmp_path: Path) -> None:
    file = toml(tmp_path, 'grace = "1s"')
    environ = {"NAIVED_GRACE": "2s"}
    assert gather(NAMES, {}, {}).get("grace", parse_duration, 9) == 9
    assert gather(NAMES, file, {}).get("grace", parse_duration, 9) == 1000
    assert gather(NAMES, file, environ).get("grace", parse_duration, 9) == 2000
    assert gather(NAMES, file | {"grace": "3s"}, environ).get("grace", parse_duration, 9) == 3000


def test_the_file_can_be_named_by_the_environment(tmp_path: Path) -> None:
    path = str(toml(tmp_path, 'grace = "1s"')["config"])
    assert gather(NAMES, {}, {"NAIVED_CONFIG": path}).get("grace", parse_duration, 9) == 1000


def test_an_empty_variable_was_not_given() -> None:
    assert "grace" not in gather(NAMES, {}, {"NAIVED_GRACE": ""})


@pytest.mark.parametrize("name", ["grace", "recv_window", "config"])
def test_an_empty_flag_is_a_mistake_and_not_the_default(name: str) -> None:
    flag = f"--{name.replace('_', '-')}"
    with pytest.raises(UsageError, match=rf"^{flag}: the value is empty; give one, as in {flag}=VALUE"):
        gather((*NAMES, "recv_window"), {name: ""}, {"NAIVED_GRACE": "5s"})


def test_a_value_that_cannot_be_understood_names_its_origin(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^--grace: '5' is not a duration"):
        gather(NAMES, {"grace": "5"}, {}).get("grace", parse_duration, 0)
    with pytest.raises(ConfigError, match=r"^NAIVED_GRACE: '5' is not a duration"):
        gather(NAMES, {}, {"NAIVED_GRACE": "5"}).get("grace", parse_duration, 0)
    with pytest.raises(ConfigError, match=r"^grace in .*naived\.toml: '5' is not a duration"):
        gather(NAMES, toml(tmp_path, 'grace = "5"'), {}).get("grace", parse_duration, 0)


def test_a_wrong_flag_is_a_usage_error_and_a_wrong_file_is_not(tmp_path: Path) -> None:
    assert UsageError.exit_code == 2
    with pytest.raises(ConfigError) as caught:
        gather(NAMES, toml(tmp_path, 'grace = "x"'), {}).get("grace", parse_duration, 0)
    assert caught.value.exit_code == 78


def test_an_unknown_key_of_the_file_is_named_with_the_nearest_known_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'grase'; did you mean grace\?"):
        gather(NAMES, toml(tmp_path, 'grase = "5s"'), {})


def test_a_key_of_the_file_may_be_written_like_the_flag(tmp_path: Path) -> None:
    options = gather(("recv_window",), toml(tmp_path, 'recv-window = "1s"'), {})
    assert options.get("recv_window", parse_duration, 0) == 1000


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    assert gather(NAMES, toml(tmp_path, '\ufeffgrace = "1s"'), {}).get("grace", str, "") == "1s"


def test_a_file_in_another_encoding_is_named_as_that(tmp_path: Path) -> None:
    (tmp_path / "wide.toml").write_text('grace = "1s"', encoding="utf-16")
    with pytest.raises(ConfigError, match=r"wide\.toml is not in UTF-8\. Save it"):
        gather(NAMES, {"config": str(tmp_path / "wide.toml")}, {})


def test_a_file_may_be_named_from_the_home_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml(tmp_path, 'grace = "1s"')
    monkeypatch.setenv("HOME", str(tmp_path))
    assert gather(NAMES, {"config": "~/naived.toml"}, {}).get("grace", str, "") == "1s"


@pytest.mark.parametrize(("text", "reason"), [("grace = ", "is not TOML"), (None, "cannot read")])
def test_a_file_that_is_no_file_of_ours_says_why(tmp_path: Path, text: str | None, reason: str) -> None:
    flags = toml(tmp_path, text) if text else {"config": str(tmp_path / "absent.toml")}
    with pytest.raises(ConfigError, match=reason):
        gather(NAMES, flags, {})


def test_a_pipe_is_not_read_again(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="is no regular file: it is read at a start alone"):
        gather(NAMES, {"config": str(tmp_path / "pipe")}, {}, again=True)
    assert gather(NAMES, toml(tmp_path, 'grace = "1s"'), {}, again=True).get("grace", str, "") == "1s"
    with pytest.raises(ConfigError, match=r"cannot read the configuration .*: No such file"):
        gather(NAMES, {"config": str(tmp_path / "absent")}, {}, again=True)


def test_a_number_in_the_file_needs_no_quotes_and_keeps_its_digits(tmp_path: Path) -> None:
    assert gather(NAMES, toml(tmp_path, "seed = 7"), {}).get("seed", int, 0, number=True) == 7
    assert gather(NAMES, toml(tmp_path, "fee = 0.00100000"), {}).get("fee", str, "", number=True) == "0.00100000"
    with pytest.raises(ConfigError, match="must be a text in quotes"):
        gather(NAMES, toml(tmp_path, "seed = true"), {}).get("seed", int, 0, number=True)
    with pytest.raises(ConfigError, match=r"seed in .*: the number is too long"):
        gather(NAMES, toml(tmp_path, f"seed = 0x{'F' * 5000}"), {}).get("seed", int, 0, number=True)


@pytest.mark.parametrize(
    "line",
    [
        "home = 7",
        "home = 7.5",
        "home = true",
        "home = []",
        "home = 2026-11-28",
        '[home]\nurl = "postgresql://naived:pa55word@db/naived"',
        f"home = 0x{'F' * 5000}",
    ],
)
def test_what_is_no_text_is_not_taken_for_one_and_not_quoted(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigError, match=r"^home in .*naived\.toml: must be a text in quotes$"):
        gather(("home",), toml(tmp_path, line), {}).get("home", str, "")


@pytest.mark.parametrize(("line", "why"), [('home = "a\\u0000b"', "has a zero byte"), ('home = ""', "is empty")])
def test_a_text_that_no_file_can_be_named_by_is_refused(tmp_path: Path, line: str, why: str) -> None:
    with pytest.raises(ConfigError, match=f"home in .*: the text {why}"):
        gather(("home",), toml(tmp_path, line), {}).get("home", str, "")


@pytest.mark.parametrize("line", ["live = [true]", "live = 1", f"live = 0x{'F' * 5000}", 'live = ""', "live = {}"])
def test_a_switch_that_is_neither_on_nor_off_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigError, match=r"live in .* must be true or false"):
        gather(("live",), toml(tmp_path, line), {}).switch("live")


def test_a_key_is_given_once_however_it_is_spelled(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has log_level twice, once as log-level"):
        gather(("log_level",), toml(tmp_path, 'log_level = "info"\nlog-level = "debug"'), {})


def test_a_variable_that_no_program_reads_is_refused_with_the_name_that_was_meant() -> None:
    with pytest.raises(ConfigError, match=r"NAIVED_EXCHNAGE; did you mean NAIVED_EXCHANGE\?"):
        gather(NAMES, {}, {"NAIVED_EXCHNAGE": "paper"})
    with pytest.raises(ConfigError, match="NAIVED_Q"):
        gather(NAMES, {}, {"NAIVED_Q": ""})
    known = {"NAIVED_HOME": "/h", "NAIVED_SOCKET": "/s", "NAIVED_TAPE": "A=b", "NAIVED_CONFIG": ""}
    gather(NAMES, {}, {**known, "NAIVED_TEST_POSTGRES": "x", "NAIVED_SIMULATION_SEEDS": "3", "OTHER": "y"})


@pytest.mark.parametrize(
    ("variable", "says"),
    [
        (
            "NAIVED_MAX_EXPOSURE",
            "NAIVED_MAX_EXPOSURE is only for naived backtest, naived sweep: a limit of the account is set with "
            "naivectl limits --max-exposure; unset it",
        ),
        (
            "NAIVED_STOP_LOSS",
            "NAIVED_STOP_LOSS is only for naived backtest, naived sweep: a setting of a symbol is given with "
            "naivectl settings SYMBOL --stop-loss; unset it",
        ),
        ("NAIVED_LATENCY", "NAIVED_LATENCY is only for naived backtest, naived sweep, naived replay; unset it"),
        ("NAIVED_TO", "NAIVED_TO is only for naived record; unset it"),
    ],
)
def test_a_daemon_refuses_a_variable_that_only_a_backtest_reads_and_says_what_to_use(
    variable: str, says: str
) -> None:
    for names in (RUN, SIMULATE):
        with pytest.raises(ConfigError) as refused:
            gather(names, {}, {variable: "1"})
        assert (str(refused.value), refused.value.exit_code) == (says, 78)
    for names in (BACKTEST, SWEEP, RECORD, REPLAY):
        gather(names, {}, {variable: "1", "NAIVED_HOME": "/h", "NAIVED_NODE": "alpha", "NAIVED_LISTEN": "x"})
    assert of_daemons({variable: "1", "NAIVED_HOME": "/h"}) == {"NAIVED_HOME": "/h"}


@pytest.mark.parametrize(
    ("text", "on"), [("1", True), ("TRUE", True), ("yes", True), ("on", True), ("0", False), ("false", False)]
)
def test_a_switch_in_the_environment_is_true_or_false(text: str, on: bool) -> None:
    assert gather(NAMES, {}, {"NAIVED_LIVE": text}).switch("live") is on


def test_a_switch_is_off_until_given_and_refuses_other_words(tmp_path: Path) -> None:
    assert gather(NAMES, {"live": False}, {}).switch("live") is False
    assert gather(NAMES, {"live": True}, {"NAIVED_LIVE": "0"}).switch("live") is True
    assert gather(NAMES, toml(tmp_path, "live = true"), {}).switch("live") is True
    with pytest.raises(ConfigError, match="must be true or false"):
        gather(NAMES, {}, {"NAIVED_LIVE": "perhaps"}).switch("live")


def test_a_repeatable_option_is_a_list_in_the_file_and_shell_words_in_the_environment(tmp_path: Path) -> None:
    def tapes(options: Options) -> tuple[tuple[str, str], ...]:
        return options.every("tape", pair)

    both = (("ETHUSDT", "a b.csv"), ("BTCUSDT", "c.csv"))
    assert tapes(gather(NAMES, {"tape": ["ethusdt=a b.csv", "BTCUSDT=c.csv"]}, {})) == both
    assert tapes(gather(NAMES, {}, {"NAIVED_TAPE": "'ethusdt=a b.csv' BTCUSDT=c.csv"})) == both
    assert tapes(gather(NAMES, toml(tmp_path, 'tape = ["ethusdt=a b.csv", "BTCUSDT=c.csv"]'), {})) == both
    assert tapes(gather(NAMES, {"tape": ("ethusdt=a b.csv", "BTCUSDT=c.csv")}, {})) == both
    assert tapes(gather(NAMES, {"tape": []}, {})) == ()


@pytest.mark.parametrize("text", ["tape = 5", "tape = [5]"])
def test_a_repeatable_option_that_is_no_list_of_texts_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="must be a list of texts"):
        gather(NAMES, toml(tmp_path, text), {}).every("tape", pair)


def test_an_unclosed_quote_in_the_environment_names_the_variable() -> None:
    with pytest.raises(ConfigError, match=r"^NAIVED_TAPE: No closing quotation"):
        gather(NAMES, {}, {"NAIVED_TAPE": "'a=b"}).every("tape", pair)


@pytest.mark.parametrize(
    ("text", "milliseconds"), [("500ms", 500), ("5s", 5_000), ("2m", 120_000), ("1h", 3_600_000), ("0s", 0)]
)
def test_a_duration_is_a_whole_number_with_its_unit(text: str, milliseconds: int) -> None:
    assert parse_duration(text) == milliseconds


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1.5s", "5 s", "5S", "1d", "٣s", "9999999999s", "5s\n"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["", "ETHUSDT", "=1", "ETHUSDT="])
@pytest.mark.parametrize("parse", [pair])
def test_half_a_pair_is_refused(text: str, parse: Callable[[str], object]) -> None:
    with pytest.raises(ValueError, match="is not NAME=VALUE"):
        parse(text)
