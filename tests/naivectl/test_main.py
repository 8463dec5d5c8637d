import json
import signal
import subprocess
import sys

import pytest

HEAVY = {
    "typer",
    "rich",
    "msgspec",
    "trio",
    "sqlalchemy",
    "dataclasses",
    "typing",
    "signal",
    "socket",
    "inspect",
    "datetime",
    "uuid",
    "structlog",
}

FAST = [
    ["status"],
    ["status", "ethusdt"],
    ["status", "--json"],
    ["--json", "status", "ETHUSDT", "BTCUSDT"],
    ["status", "NOPE"],
    ["status", "NOPE", "--json"],
    ["-q", "status"],
    ["is-trading", "ETHUSDT"],
    ["is-trading", "BTCUSDT"],
    ["is-trading", "NOPE"],
    ["__symbols"],
    ["__symbols", "start"],
    ["__orders", "why", "ETHUSDT"],
    ["schema"],
    ["catalogue"],
    ["schema", "orders"],
    ["schema", "NOPE", "--json"],
]


@pytest.mark.parametrize("arguments", FAST, ids=" ".join)
def test_both_ways_in_give_the_same_output_and_exit_code(daemon, program, arguments):
    slow = "import naivectl.main as m; m._fast = lambda *_: None"
    assert program(*arguments) == program(*arguments, before=slow)


@pytest.mark.parametrize(
    "arguments", [["status"], ["status", "--json"], ["is-trading", "ETHUSDT"], ["ping"], ["schema", "start"]]
)
def test_the_frequent_verbs_need_the_standard_library_alone(daemon, program, arguments):
    report = (
        "import atexit, sys; atexit.register(lambda: print(sorted(sys.modules), file=sys.stderr)); import naivectl"
    )
    done = program(*arguments, before=report)
    assert done.code == 0
    loaded = {name.partition(".")[0].strip("[' ]") for name in done.err.split(",")}
    assert "_socket" in loaded
    assert not loaded & HEAVY


def test_a_reader_that_leaves_ends_us_quietly(daemon, spawn, row):
    daemon.rows = [row(f"S{number}", "off") for number in range(5_000)]
    process = spawn("status")
    process.stdout.close()
    assert process.wait(10) == -signal.SIGPIPE
    assert process.stderr.read() == ""


@pytest.mark.parametrize("line", ["status", "completion bash", "schema status", "catalogue"])
def test_an_answer_that_cannot_be_written_is_a_failure(daemon, program, spawn, line):
    with open("/dev/full", "w") as full:
        process = spawn(*line.split(), stdout=full)
        assert process.wait(10) == 1
    assert process.stderr.read() == "naivectl: cannot write the answer: No space left on device\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    ("arguments", "code"), [(["status"], 0), (["status", "--json"], 0), (["orders", "--nosuch"], 2), (["stop"], 2)]
)
def test_without_a_stream_everything_else_is_as_ever(daemon, arguments, code, closed):
    command = [sys.executable, "-c", "from naivectl.main import main; main()", *arguments]
    done = subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", *command], capture_output=True, text=True)
    assert done.returncode == code
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", ["status", "--json status", "--json orders"])
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_verb_says_so_with_its_code(home, spawn, signum, code, verb):
    import socket

    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(home / "control.sock"))
        silent.listen()
        process = spawn(*verb.split(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        connection, _ = silent.accept()
        connection.recv(1)
        process.send_signal(signum)
        said, _ = process.communicate(timeout=10)
        connection.close()
    assert process.returncode == code
    if "--json" not in verb:
        assert not said
        return
    assert json.loads(said)["error"]["kind"] == "interrupted"
