import os
import subprocess
import sys
from pathlib import Path

import pytest

from naivectl import completion

COMMITTED = Path(completion.__file__).parents[1] / "completions"


@pytest.mark.parametrize("name", completion.FILES)
def test_the_committed_files_are_those_the_grammar_makes(tmp_path, name):
    completion.main(str(tmp_path))
    assert (COMMITTED / name).read_text() == (tmp_path / name).read_text(), (
        "stale: python -m naivectl.completion completions"
    )


@pytest.fixture
def complete(home, tmp_path_factory):
    """What bash offers at the end of a command line."""
    programs = tmp_path_factory.mktemp("bin")
    program = programs / "naivectl"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from naivectl.main import main; main()" "$@"\n')
    program.chmod(0o755)

    def call(*words: str) -> set[str]:
        script = (
            f'source {COMMITTED / "naivectl.bash"}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _naivectl; '
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(
            ["bash", "-c", script, "bash", "naivectl", *words],
            capture_output=True,
            text=True,
            timeout=20,
            env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        )
        assert done.stderr == ""
        return set(done.stdout.split())

    return call


def test_bash_offers_verbs(complete):
    assert complete("st") == {"start", "stop", "status"}
    assert complete("--json", "shut") == {"shutdown"}


def test_bash_offers_the_options_of_the_verb_and_the_global_ones(complete):
    assert complete("stop", "--c") == {"--cancel"}
    assert complete("stop", "ETHUSDT", "--j") == {"--json", "--jsonl"}
    assert complete("start", "--re") == {"--rebuy", "--reprice"}


def test_bash_offers_what_an_option_takes(complete):
    assert complete("stop", "--cancel", "") == {"none", "buys", "all"}
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
