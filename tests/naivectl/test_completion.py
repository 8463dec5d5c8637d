"""Completions in the shells themselves: what is offered, and what a TAB makes of a typed line."""

import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from shlex import quote

import pytest

from naivectl import completion
from naivectl.words import TO_BEGIN, WELL_KNOWN
from naived.simulator.symbols import built_in_prices
from tests.support.terminal import on_its_terminal

COMMITTED = Path(completion.__file__).parents[1] / "completions"
PATIENCE = 20.0  # seconds for a shell that starts and completes, on a busy machine
IDS = ["n1abcd-fqvz2222222222222222222222", "n1abcd-dhb7j56t222222222222222222", "n1abcd-dhc3333333333333333333333"]


def needs(shell):
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


@pytest.mark.parametrize("name", completion.FILES)
def test_the_committed_files_are_those_the_grammar_makes(tmp_path, name):
    completion.main(str(tmp_path))
    assert (COMMITTED / name).read_text() == (tmp_path / name).read_text(), (
        "stale: python -m naivectl.completion completions"
    )


@pytest.fixture
def environment(home, tmp_path_factory):
    """A naivectl that only tells its words, but for the questions of the completion."""
    programs = tmp_path_factory.mktemp("bin")
    program = programs / "naivectl"
    program.write_text(
        "#!/bin/sh\n"
        'case " $* " in\n'
        f'*" __"*) exec {quote(sys.executable)} -c "from naivectl.main import main; main()" "$@" ;;\n'
        "*) printf 'GOT'; printf '<%s>' \"$@\"; echo ;;\n"
        "esac\n"
    )
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "TERM": "dumb", "HOME": str(home)}


@pytest.fixture
def complete(environment):
    """What bash offers at the end of a command line, of which these are the words."""

    def call(*words: str, program: str = "naivectl") -> set[str]:
        file = quote(str(COMMITTED / f"{program}.bash"))
        script = (
            f'source {file}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _{program}; '
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(
            ["bash", "-c", script, "bash", program, *words],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=environment,
        )
        assert done.stderr == ""
        return set(done.stdout.split())

    return call


@pytest.fixture
def fish(environment):
    """What fish offers at the end of a line."""

    def call(line: str) -> set[str]:
        scripts = "; ".join(f"source {quote(str(COMMITTED / name))}" for name in ("naivectl.fish", "naived.fish"))
        done = subprocess.run(
            ["fish", "--no-config", "-c", f"{scripts}; complete -C {line!r}"],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=environment,
        )
        assert done.stderr == ""
        return {each.partition("\t")[0] for each in done.stdout.splitlines()}

    return call


SET_UP = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], ["source {naivectl.bash}", "source {naived.bash}"]),
    "zsh": (
        ["zsh", "-f", "-i"],
        [
            "autoload -U compinit; compinit -u -D",
            "source {_naivectl}",
            "source {_naived}",
            "unsetopt zle_bracketed_paste",
        ],
    ),
}


@pytest.fixture
def typed(environment):
    """What naivectl is told when somebody types a line with a TAB in it: the words, as the shell made them."""

    def call(shell: str, line: str) -> str:
        command, begin = SET_UP[shell]
        with on_its_terminal(command, {**environment, "PS1": "$ "}) as (_, terminal):
            for text in begin:
                for name in completion.FILES:
                    text = text.replace(f"{{{name}}}", quote(str(COMMITTED / name)))
                os.write(terminal, f"{text}\n".encode())
            os.write(terminal, b"echo rea''dy\n")
            _until(terminal, b"ready\r")
            os.write(terminal, f"{line}\n".encode())
            told = _until(terminal, b"GOT<", b"\r")
            return told.partition(b"GOT")[2].partition(b"\r")[0].decode()

    return call


def _until(terminal: int, *marks: bytes) -> bytes:
    """What the terminal shows, until it has shown the marks in this order."""
    seen, deadline = b"", time.monotonic() + PATIENCE
    while True:
        rest = seen
        for mark in marks:
            _, found, rest = rest.partition(mark)
            if not found:
                break
        else:
            return seen
        assert time.monotonic() < deadline, seen
        if select.select([terminal], [], [], 0.1)[0]:
            seen += os.read(terminal, 65_536)


def test_bash_offers_verbs(complete):
    assert complete("st") == {"start", "stop", "status"}
    assert complete("--json", "shut") == {"shutdown"}


def test_bash_offers_the_options_of_the_verb_and_the_global_ones(complete):
    assert complete("stop", "--c") == {"--cancel"}
    assert complete("stop", "ETHUSDT", "--j") == {"--json", "--jsonl"}
    assert complete("start", "--re") == {"--rebuy", "--reprice"}


def test_bash_offers_what_an_option_takes(complete):
    assert complete("stop", "--cancel", "") == {"none", "buys", "all"}
    assert complete("completion", "") == {"bash", "zsh", "fish"}
    assert complete("schema", "ev") == {"events", "events-follow"}
    assert complete("wait", "ETHUSDT", "--for", "d") == {"drained"}
    assert complete("start", "--budget", "") == set()


def test_bash_offers_the_daemons_symbols_in_any_case(daemon, complete):
    assert complete("stop", "") == {"ETHUSDT", "BTCUSDT"}
    assert complete("stop", "eth") == {"ETHUSDT"}
    assert complete("ping", "") == set()


def test_bash_asks_the_daemon_that_was_named(daemon, complete, home, tmp_path_factory):
    assert complete("--home", str(home), "stop", "b") == {"BTCUSDT"}
    assert complete("--home", str(tmp_path_factory.mktemp("empty")), "stop", "") == set()


def test_bash_offers_no_symbols_and_no_noise_without_a_daemon(complete):
    assert complete("stop", "") == set()


def test_bash_offers_directories_for_a_home(complete, home):
    (home / "inner").mkdir()
    assert complete("--home", f"{home}/in") == {f"{home}/inner"}


def test_bash_offers_the_value_of_an_option_behind_its_sign(complete, home):
    (home / "inner").mkdir()
    assert complete("stop", "--cancel", "=") == {"none", "buys", "all"}
    assert complete("stop", "--cancel", "=", "b") == {"buys"}
    assert complete("--home", "=", f"{home}/in") == {f"{home}/inner"}
    assert complete("start", "--budget", "=") == set()


def test_bash_asks_the_daemon_that_was_named_behind_a_sign(daemon, complete, home, tmp_path_factory):
    assert complete("--home", "=", str(home), "stop", "b") == {"BTCUSDT"}
    assert complete("stop", "--socket", f"{home}/control.sock", "") == {"ETHUSDT", "BTCUSDT"}
    assert complete("--home", "=", str(tmp_path_factory.mktemp("none")), "stop", "") == set()
    assert complete("--home", "~/", "stop", "b") == {"BTCUSDT"}
    assert complete("--home", f'"{home}"', "stop", "b") == {"BTCUSDT"}
    assert complete("--home", "=", f"'{home}", "stop", "b") == {"BTCUSDT"}
    assert complete("--home", str(home).replace("/", "\\/"), "stop", "b") == {"BTCUSDT"}


def test_a_symbol_that_may_be_new_is_completed_without_a_daemon(complete):
    for verb in TO_BEGIN:
        assert complete(verb, "sol") == {"SOLUSDT"}


def test_the_well_known_symbols_are_those_of_the_simulator():
    assert set(WELL_KNOWN) == set(built_in_prices())


@pytest.fixture
def ordered(daemon):
    """Three orders, the second in quarantine, the last cancelled by hand and its coins held."""
    states = ["filled", "quarantined", "cancelled"]
    daemon.answers["orders"] = {
        "v": 1,
        "orders": [{"client_order_id": each, "state": state} for each, state in zip(IDS, states, strict=True)],
    }
    sell = {"client_order_id": IDS[2], "price": "1", "quantity": "1", "executed": "0", "state": "cancelled"}
    daemon.rows[0]["traders"] = [{"id": "ETHUSDT-1", "phase": "holding", "buy": None, "sell": sell}]
    return daemon


def bare(*ids):
    return {each.partition("-")[2] for each in ids}


def test_why_offers_every_order_of_the_symbol(ordered, complete):
    assert complete("why", "ETHUSDT", "") == bare(*IDS)
    assert complete("why", "ethusdt", "dh") == bare(*IDS[1:])
    assert complete("why", "ETHUSDT", "n1abcd-dhb") == {IDS[1]}
    method, params = ordered.calls[0]
    assert (method, params["symbols"], params["limit"]) == ("orders", ("ETHUSDT",), 200)


def test_resolve_offers_the_orders_that_wait_for_a_person(ordered, complete):
    assert complete("resolve", "ETHUSDT", "") == bare(*IDS[1:])
    assert complete("resolve", "") == {"ETHUSDT", "BTCUSDT"}


def test_nothing_that_a_shell_would_run_is_offered(daemon, complete):
    daemon.answers["orders"] = {"v": 1, "orders": [{"client_order_id": "n1a-$(reboot)"}, {}]}
    assert complete("why", "ETHUSDT", "") == set()


def test_bash_completes_naived_too(complete, home):
    (home / "f.toml").touch()
    assert complete("s", program="naived") == {"simulate", "sweep"}
    assert complete("--api", program="naived") == {"--api-key-file", "--api-secret-file"}
    assert complete("simulate", "--ra", program="naived") == {"--random-walk"}
    assert complete("run", "--exchange", "", program="naived") == {
        *("simulator", "paper", "testnet", "demo", "binance")
    }
    assert complete("--log-format", "=", "j", program="naived") == {"json"}
    assert complete("record", "ETHUSDT", "sol", program="naived") == {"SOLUSDT"}
    for words in (["--config"], ["backtest", "ETHUSDT", "--tape"]):
        assert complete(*words, f"{home}/f", program="naived") == {f"{home}/f.toml"}


OPTIONS_OF_RUN = ("--socket", "--live", "--recv-window", "--metrics-listen", "--node")


@pytest.mark.parametrize("verb", ["backtest", "simulate", "replay", "sweep", "record"])
def test_bash_offers_only_what_the_verb_takes(complete, verb):
    tree = completion.grammar(completion.pkgutil.resolve_name("naived.cli.commands:app"))
    (of_verb,) = (each.options for each in tree.verbs if each.name == verb)
    taken = {name for option in of_verb for name in option.all_names}
    assert complete(verb, "--", program="naived") == {*taken, "--help"}
    assert not taken & set(OPTIONS_OF_RUN)


def test_the_version_is_offered_without_a_verb_alone(complete):
    for program, verb in (("naivectl", "stop"), ("naived", "run")):
        assert complete("--vers", program=program) == {"--version"}
        assert complete(verb, "--vers", program=program) == set()
    assert set(OPTIONS_OF_RUN) < complete("--", program="naived")
    for program in ("naivectl", "naived"):
        of_verbs = [each for each in _lines(f"_{program}") if ") _arguments " in each]
        assert not [each for each in of_verbs if "--version" in each]
        (told,) = (each for each in _lines(f"{program}.fish") if " -l version " in each)
        assert f" -n '__{program}_at \"\"'" in told


def _lines(name):
    return (COMMITTED / name).read_text().splitlines()


def test_symbols_and_orders_come_fast_and_without_typer(ordered, program):
    report = (
        "import atexit, sys; atexit.register(lambda: print(sorted(sys.modules), file=sys.stderr)); import naivectl"
    )
    for words in (["__symbols", "start"], ["__orders", "why", "ETHUSDT"], ["__orders", "resolve", "ETHUSDT", "dh"]):
        done = program(*words, before=report)
        assert done.code == 0
        assert len(done.out.split()) > 1
        assert "'typer" not in done.err
        assert "'rich" not in done.err


@pytest.mark.parametrize(
    "shell", [pytest.param("bash", marks=needs("bash")), pytest.param("zsh", marks=needs("zsh"))]
)
@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("naivectl stop eth\t", "<stop><ETHUSDT>"),
        ("naivectl stop --cancel=b\t", "<stop><--cancel=buys>"),
        ("naivectl stop --cancel b\t", "<stop><--cancel><buys>"),
        ("naivectl --home=$HOME stop b\t", None),
        ("naivectl start --bud\t5 SOL\t", None),
        ("naivectl resolve ETHUSDT dhb\t", f"<resolve><ETHUSDT><{IDS[1].partition('-')[2]}>"),
        ("naivectl completion z\t", "<completion><zsh>"),
    ],
)
def test_a_tab_on_a_typed_line_completes_it(ordered, typed, home, shell, line, told):
    if "$HOME" in line:
        line, told = line.replace("$HOME", str(home)), f"<--home={home}><stop><BTCUSDT>"
    seen = typed(shell, line)
    if told is None:  # bash puts a space behind the option, zsh an equals sign
        assert seen.replace("=", "><") == "<start><--budget><5><SOLUSDT>"
    else:
        assert seen == told


@needs("fish")
def test_fish_completes_as_bash_does(ordered, fish, home, tmp_path_factory):
    assert fish("naivectl sto") == {"stop"}
    assert fish(f"naivectl --home {home} sto") == {"stop"}
    assert fish("naivectl stop --cancel=b") == {"--cancel=buys"}
    assert fish("naivectl stop --cancel b") == {"buys"}
    assert fish("naivectl stop e") == {"ETHUSDT"}
    assert fish(f"naivectl --home={home} stop b") == {"BTCUSDT"}
    assert fish(f"naivectl --home {tmp_path_factory.mktemp('none')} stop b") == set()
    assert fish("naivectl start SOL") == {"SOLUSDT"}
    assert fish("naivectl why ETHUSDT dh") == bare(*IDS[1:])
    assert fish("naivectl resolve ETHUSDT n1abcd-dhb") == {IDS[1]}
    assert fish("naivectl completion z") == {"zsh"}
    (home / "f.csv").touch()
    assert fish(f"naived backtest ETHUSDT --tape {home}/f") == {f"{home}/f.csv"}
    assert fish("naived --log-f") == {"--log-format"}
    assert fish("naived simulate --ra") == {"--random-walk"}
    assert fish("naived run --exchange p") == {"paper"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_the_committed_scripts(naivectl, shell):
    done = naivectl("completion", shell)
    names = ("_naivectl", "_naived") if shell == "zsh" else (f"naivectl.{shell}", f"naived.{shell}")
    assert done.out == "".join((COMMITTED / name).read_text() for name in names)
    assert naivectl("completion", "tcsh").code == 2
