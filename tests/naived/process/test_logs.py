import io
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import structlog

from naived.process import logs
from naived.process.complaint import complain

HMAC = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
PEM_BODY = "MC4CAQAwBQYDK2VwBCIEIEXAMPLEexampleEXAMPLEexampleEXAMPLEexample0"
PEM = f"-----BEGIN PRIVATE KEY-----\n{PEM_BODY}\n-----END PRIVATE KEY-----"


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def written(form: str, act: Callable[[], object], *, level: str = "info", secrets: tuple[str, ...] = ()) -> str:
    stream = io.StringIO()
    logs.configure(form, level, secrets, stream)
    act()
    return stream.getvalue()


def crash(text: str) -> None:
    secret = text
    try:
        raise ValueError(f"refused: {secret}")
    except ValueError:
        structlog.get_logger("naived").exception("it broke")


def test_a_record_is_one_json_object_on_one_line() -> None:
    line = written("json", lambda: structlog.get_logger("naived.feed").info("up\nand away", symbol="ETHUSDT", n=2))
    record = json.loads(line)
    assert line.count("\n") == 1
    assert {key: record[key] for key in ("event", "symbol", "n", "level", "logger")} == {
        "event": "up\nand away",
        "symbol": "ETHUSDT",
        "n": 2,
        "level": "info",
        "logger": "naived.feed",
    }
    assert record["timestamp"].endswith("Z")


def test_a_traceback_stays_on_the_line_of_its_record() -> None:
    line = written("json", lambda: crash("no\nluck"))
    assert line.count("\n") == 1
    assert "ValueError: refused: no\nluck" in json.loads(line)["exception"]


def test_records_of_the_standard_library_take_the_same_form() -> None:
    record = json.loads(written("json", lambda: logging.getLogger("somebody").warning("%s of %d", "two", 3)))
    assert (record["event"], record["logger"], record["level"]) == ("two of 3", "somebody", "warning")


@pytest.mark.parametrize("name", ["trio-websocket", "sqlalchemy.engine", "alembic.runtime.migration"])
def test_libraries_are_heard_from_warning_up_even_when_we_debug(name: str) -> None:
    def act() -> None:
        logging.getLogger(name).info("chatter")
        logging.getLogger(name).warning("trouble")

    text = written("json", act, level="debug")
    assert "chatter" not in text
    assert "trouble" in text


@pytest.mark.parametrize(
    ("level", "heard"), [("debug", "diwe"), ("info", "iwe"), ("warning", "we"), ("error", "e")]
)
def test_a_level_silences_what_is_below_it(level: str, heard: str) -> None:
    def act() -> None:
        log = structlog.get_logger("naived")
        log.debug("d")
        log.info("i")
        log.warning("w")
        log.error("e")

    text = written("json", act, level=level)
    assert "".join(json.loads(line)["event"] for line in text.splitlines()) == heard


@pytest.mark.parametrize("form", ["console", "json"])
@pytest.mark.parametrize("secret", [HMAC, PEM, 'quoted"and\\slashed'])
def test_a_known_secret_is_never_written_wherever_it_stands(form: str, secret: str) -> None:
    def act() -> None:
        log = structlog.get_logger("naived")
        log.info(f"event {secret}", value=secret, nested={"deep": [secret]}, raw=repr(secret))
        logging.getLogger("somebody").error("got %r", secret)
        crash(secret)

    text = written(form, act, secrets=(secret,))
    assert "***" in text
    for line in secret.splitlines():
        if not line.startswith("-----"):
            for shape in (line, json.dumps(line)[1:-1], repr(line)[1:-1]):
                assert shape not in text


@pytest.mark.parametrize("form", ["console", "json"])
@pytest.mark.parametrize(
    "frame",
    [
        "symbol=ETHUSDT&signature=c0ffee00&timestamp=1",
        "X-MBX-APIKEY: c0ffee00",
        '{"params": {"apiKey": "c0ffee00", "signature":"c0ffee00"}}',
        json.dumps({"inner": json.dumps({"api_key": "c0ffee00"})}),
    ],
)
def test_signatures_and_api_keys_are_hidden_even_when_nobody_named_them(form: str, frame: str) -> None:
    text = written(form, lambda: structlog.get_logger("naived").info("sent", frame=frame))
    assert "c0ffee00" not in text
    assert "***" in text


@pytest.mark.parametrize(
    "text", ["signature=\u00e9\u00e9", "api_key='\u00e9", r"signature: \u0041", "apikey=\x1b[2J", "signature=\nx"]
)
def test_what_is_hidden_leaves_a_line_that_is_still_json(text: str) -> None:
    line = written("json", lambda: structlog.get_logger("naived").info("sent", params={"request_id": text}))
    assert json.loads(line)["event"] == "sent"


def test_what_merely_looks_like_a_secret_word_is_left_alone() -> None:
    line = written("json", lambda: structlog.get_logger("naived").info("kept", path="a", api_key_file="/run/key"))
    assert json.loads(line)["api_key_file"] == "/run/key"


@pytest.mark.parametrize("text", ["a\nb", "\x1b[2Jwiped", "\x9b2J", "bidi \u202e", "\r over"])
def test_text_from_outside_cannot_move_the_cursor_of_a_console(text: str) -> None:
    def act() -> None:
        structlog.get_logger("naived").info(text, value=text, other=[text])
        crash(text)

    output = written("console", act)
    assert output.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("environment", "colours"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"TERM": "xterm", "NO_COLOR": "1"}, False)],
)
def test_a_terminal_gets_colours_if_it_has_any(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], colours: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    logs.configure("console", "info", (), stream)
    structlog.get_logger("naived").info("ready")
    assert ("\x1b[" in stream.getvalue()) is colours


@pytest.mark.parametrize("text", ["\x1b[2Jwiped", "\x9b2J", "bidi \u202e", "\r over", "two\nlines\x07"])
def test_nor_can_it_in_the_last_words(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    complain(f"no file {text}")
    said = capsys.readouterr().err
    assert said.startswith("naived: no file ")
    assert said.replace("\n", "").isprintable()


def test_a_crash_shows_no_local_variables_on_a_console() -> None:
    output = written("console", lambda: crash("plain"))
    assert "ValueError: refused: plain" in output
    assert "secret = " not in output


def test_logs_go_to_standard_error_and_leave_standard_output_alone() -> None:
    program = "import structlog; from naived.process import logs; logs.configure('json', 'info'); "
    program += "structlog.get_logger().info('x')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert json.loads(done.stderr)["event"] == "x"
