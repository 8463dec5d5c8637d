import errno
import json
import logging
import os
import pty
import select
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest
import structlog

from naived.process import logs
from naived.process.log_stream import LogStream

DEADLINE = 30.0


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    """The reading end, and a file that writes into the other one."""
    reading, writing = os.pipe()
    with open(writing, "w") as file:
        yield reading, file
    os.close(reading)


def read_lines(descriptor: int, count: int) -> list[str]:
    text = b""
    while text.count(b"\n") < count:
        assert select.select([descriptor], [], [], DEADLINE)[0], f"only {text!r}"
        text += os.read(descriptor, 1 << 16)
    return text.decode().splitlines()


def test_a_reader_that_stops_keeps_no_writer_waiting_and_gets_all_later(pipe: tuple[int, TextIO]) -> None:
    reading, file = pipe
    stream = LogStream(file)
    wanted = [f"{number} {'x' * 1000}" for number in range(1000)]
    for line in wanted:
        stream.write(f"{line}\n")  # a pipe takes 64 kB
    assert not stream.drain(0.01)
    assert read_lines(reading, 1000) == wanted
    assert stream.drain()


def test_a_reader_that_takes_slowly_holds_up_no_end(pipe: tuple[int, TextIO]) -> None:
    reading, file = pipe
    stream = LogStream(file)
    for line in range(2_000):
        stream.write(f"{line:99}\n")
    ended = threading.Event()

    def take() -> None:
        while not ended.wait(0.05):
            os.read(reading, 4096)

    slow = threading.Thread(target=take)
    slow.start()
    began = time.monotonic()
    assert not stream.drain(0.5, 0.5)
    assert time.monotonic() - began < 1
    ended.set()
    slow.join()


def test_what_does_not_fit_is_counted_and_told(pipe: tuple[int, TextIO]) -> None:
    reading, file = pipe
    stream = LogStream(file, room=200_000)
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    try:
        logs.configure("json", "info", stream=stream)
        for number in range(1000):
            stream.write(f"{number} {'x' * 1000}\n")
        first = read_lines(reading, 190)
        lines = first
        while not lines[-1].startswith("{"):
            lines = lines + read_lines(reading, 1)
        told = [line for line in lines if not line.startswith("{")]
        numbers = [int(line.split()[0]) for line in told]
        assert numbers == sorted(set(numbers))  # what is lost is not one run where the thread gets the machine late
        said = json.loads(lines[-1])
        assert said["event"] == f"the log was not taken for a while: {1000 - len(told)} records are lost"
        assert said["level"] == "warning"
    finally:
        root.handlers = handlers
        root.setLevel(level)
        structlog.reset_defaults()


def test_one_line_longer_than_the_room_is_written(pipe: tuple[int, TextIO]) -> None:
    reading, file = pipe
    LogStream(file, room=10).write("longer than the room\n")
    assert read_lines(reading, 1) == ["longer than the room"]


def test_a_reader_that_has_gone_is_an_end_of_nothing(pipe: tuple[int, TextIO]) -> None:
    reading, file = pipe
    stream = LogStream(file)
    lost = os.open(os.devnull, os.O_RDONLY)
    os.dup2(lost, reading)  # nobody reads the pipe any more
    os.close(lost)
    for _ in range(3):
        stream.write("nobody hears\n")
    assert stream.drain()
    with pytest.raises(BrokenPipeError) as caught:
        os.write(file.fileno(), b"x")
    assert caught.value.errno == errno.EPIPE


def test_a_terminal_that_somebody_made_non_blocking_gets_whole_lines(pipe: tuple[int, TextIO]) -> None:
    reading, file = pipe
    os.set_blocking(file.fileno(), False)
    stream = LogStream(file)
    wanted = [f"{number} {'x' * 1000}" for number in range(200)]
    for line in wanted:
        stream.write(f"{line}\n")
    assert read_lines(reading, 200) == wanted


def test_text_that_the_terminal_cannot_show_is_escaped(tmp_path: Path) -> None:
    with open(tmp_path / "log", "w", encoding="ascii") as file:
        stream = LogStream(file)
        stream.write("5 \N{EURO SIGN}\n")
        assert stream.drain()
    assert (tmp_path / "log").read_text() == "5 \\u20ac\n"


def test_a_program_ends_with_all_of_its_log_written() -> None:
    program = "import logging; from naived.process import logs; logs.configure('json', 'info'); "
    program += "[logging.getLogger('here').info('%d', number) for number in range(3000)]"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert [json.loads(line)["event"] for line in ended.stderr.splitlines()] == [str(n) for n in range(3000)]


def test_a_held_terminal_holds_neither_the_program_nor_its_end() -> None:
    """Ctrl-S: what a person types to read, and forgets."""
    master, terminal = pty.openpty()
    termios.tcflow(terminal, termios.TCOOFF)
    program = "import logging; from naived.process import logs; from naived.process.complaint import complain; "
    program += "logs.configure('console', 'info'); logging.getLogger('here').info('held'); complain('held too'); "
    program += "print('went on', flush=True)"
    command = [sys.executable, "-c", program]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=terminal)
    try:
        assert started.stdout is not None
        assert select.select([started.stdout], [], [], DEADLINE)[0], "it waits for the terminal"
        assert started.stdout.read() == b"went on\n"
        assert started.wait(DEADLINE) == 0
    finally:
        started.kill()
        started.communicate()
        os.close(master)
        os.close(terminal)
