import json
import os
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


def redirected(line, streams):
    """A real start with its streams as a shell sets them, buffered as they are for a user."""
    command = [sys.executable, "-c", "from naivectl.main import main; main()", *line.split()]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    shell = ["sh", "-c", f'exec "$@" {streams}', "sh", *command]
    return subprocess.run(shell, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize(
    ("streams", "why"), [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")]
)
@pytest.mark.parametrize(
    ("line", "code"),
    [
        *(("status", 1), ("--json status", 1), ("-h", 1), ("stop ETHUSDT", 1), ("completion bash", 1)),
        *(("schema status", 1), ("catalogue", 1), ("--json status NOPE", 4)),
    ],
)
def test_an_answer_that_cannot_be_written_is_a_failure(daemon, line, code, streams, why):
    done = redirected(line, streams)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr == f"naivectl: cannot write the answer: {why}\n"


@pytest.mark.parametrize("streams", ["<&-", ">&-", ">/dev/full", "2>&-", "2>/dev/full", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    ("line", "code"), [("-q stop ETHUSDT", 0), ("is-trading BTCUSDT", 3), ("orders --nosuch", 2), ("stop", 2)]
)
def test_without_a_stream_everything_else_is_as_ever(daemon, line, code, streams):
    done = redirected(line, streams)
    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("streams", ["<&-", "2>&-", "2>/dev/full"])
def test_an_answer_needs_no_other_stream(daemon, streams):
    done = redirected("--json status", streams)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads(done.stdout)["symbols"]) == 2


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
