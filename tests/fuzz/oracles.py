"""What must hold whatever is said to the socket; each oracle names what it found wrong, or finds nothing."""

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.fuzz.reading import INTERNAL, SERVICE, Reading, decimal, read

_QUOTED = 300  # bytes of an offender that are shown

Rows = dict[str, dict[str, object]]  # `settings` by symbol and column
_COLUMNS = {
    **{name: name for name in ("chunks", "budget", "max_deviation", "spacing", "floor", "ceiling")},
    **{name: f"{name}_interval" for name in ("buy_down", "profit", "rebuy", "reprice")},
}
_CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]")
_LOUD = ("error", "critical")


def shown(data: bytes) -> str:
    return repr(data) if len(data) <= _QUOTED else f"{data[:_QUOTED]!r}... ({len(data)} bytes)"


# Answers


def judge(
    lines: Sequence[bytes], answers: Sequence[bytes], codes: Counter[str], *, whole: bool = True
) -> list[str]:
    """Blame a connection's answers, in the order of its requests; ``codes`` counts what was answered.

    ``whole``: the client waited for the close, so each request must have its answer.
    """
    blames: list[str] = []
    left = list(answers)
    for line in lines:
        reading = read(line)
        if not left:
            if whole:
                blames.append(f"no answer to {shown(line)}")
            return blames
        answer = left.pop(0)
        blames += [f"{blame}: {shown(answer)} to {shown(line)}" for blame in _wrong(answer, reading, codes)]
        if reading.streams and b'"result":' in answer:
            while left and b'"error":' not in left[0]:
                blames += [f"{b}: {shown(left[0])} in a stream" for b in _wrong(left.pop(0), reading, codes)]
            break
        if reading.ends or reading.streams:
            break
    blames += [f"nobody asked for {shown(answer)}" for answer in left]
    return blames


def _wrong(answer: bytes, reading: Reading, codes: Counter[str]) -> Iterable[str]:
    try:
        frame = json.loads(answer.decode("ascii"))
    except ValueError:
        yield "not ASCII JSON"
        return
    if _CONTROL.search(answer):
        yield "a raw control character"
    known = {"jsonrpc", "id", "result", "error"}
    if not isinstance(frame, dict) or frame.get("jsonrpc") != "2.0" or not {"id"} <= frame.keys() <= known:
        yield "not JSON-RPC"
        return
    if ("result" in frame) == ("error" in frame):
        yield "neither a result nor an error, or both"
        return
    if not reading.any_id and (frame["id"] != reading.id or type(frame["id"]) is not type(reading.id)):
        yield f"the id is not {reading.id!r}"
    if "error" in frame:
        codes[str(frame["error"].get("code"))] += 1
        yield from _wrong_error(frame["error"], reading)
    else:
        codes["result"] += 1
        if not reading.valid:
            yield "taken, and must be refused"
        yield from _wrong_results(frame["result"], codes)


def _wrong_error(error: Any, reading: Reading) -> Iterable[str]:
    code, message, data = error.get("code"), error.get("message"), error.get("data")
    if code not in reading.codes:
        yield f"the code is none of {sorted(reading.codes)}"
    if not (isinstance(message, str) and message and isinstance(data, dict)):
        yield "an error without message or data"
    elif not {"kind", "symbol", "hint", "retryable"} <= data.keys():
        yield "an error without its kind"


def _wrong_results(result: Any, codes: Counter[str]) -> Iterable[str]:
    if not isinstance(result, dict):
        yield "a result that is no object"
        return
    for entry in result.get("results", ()):
        error = entry["error"]
        if error is None:
            continue
        codes[f"{error['code']} of a symbol"] += 1
        if error["code"] == INTERNAL or error["code"] not in SERVICE | {-32602}:
            yield "an undocumented code for a symbol"


# The journal


class Wishes:
    """What was validly asked for since the last look, or in the round before it: changes may still be under way."""

    def __init__(self) -> None:
        self._now: set[tuple[str | None, str, object]] = set()
        self._before: set[tuple[str | None, str, object]] = set()

    def heard(self, line: bytes) -> None:
        self._now.update(read(line).asks())

    def merge(self, other: "Wishes") -> None:
        self._now |= other._now

    def next_round(self) -> None:
        self._before, self._now = self._now, set()

    def allow(self, symbol: str, column: str, value: object) -> bool:
        return any((who, column, value) in known for known in (self._now, self._before) for who in (symbol, None))


def settings_of(database: Path) -> Rows:
    """The `settings` table, read by our own connection."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT * FROM settings").fetchall()
    connection.close()
    return {
        row["symbol"]: {
            "status": row["status"],
            **{name: decimal(row[column]) for name, column in _COLUMNS.items()},
        }
        for row in rows
    }


_UNSET: dict[str, object] = {
    "status": "off",
    "chunks": Decimal(5),
    "budget": Decimal(1000),
    "buy_down": Decimal("0.0001"),
    "profit": Decimal("0.001"),
    "rebuy": Decimal("0.006"),
    "reprice": Decimal("0.01"),
    "max_deviation": Decimal("0.1"),
    "spacing": Decimal(0),
    "floor": None,
    "ceiling": None,
}


def silent_changes(before: Rows, after: Rows, wishes: Wishes) -> list[str]:
    """Every value of `settings` that nobody validly asked for."""
    blames = [f"{symbol} is gone from the settings" for symbol in before.keys() - after.keys()]
    for symbol, row in after.items():
        known = before.get(symbol, _UNSET)
        blames += [
            f"{symbol}: {column} went from {known[column]} to {value}, and nobody asked for it"
            for column, value in row.items()
            if value != known[column] and not wishes.allow(symbol, column, value)
        ]
    return blames


def double_answers(database: Path) -> list[str]:
    """Request ids that were stored twice."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        twice = connection.execute(
            "SELECT request_id FROM control_request GROUP BY request_id HAVING count(*) > 1"
        ).fetchall()
    connection.close()
    return [f"the request {name} was answered twice" for (name,) in twice]


# What it leaves behind


def log_blames(log: bytes) -> list[str]:
    """A log is JSON, a record a line; an error in it is a defect that a client could provoke."""
    blames = []
    for line in log.splitlines(keepends=True):
        body = line.removesuffix(b"\n")
        if _CONTROL.search(body):
            blames.append(f"a control character in the log: {shown(body)}")
        try:
            record = json.loads(body)
        except ValueError:
            blames.append(f"a line of the log that is no record: {shown(body)}")
            continue
        if not isinstance(record, dict) or "event" not in record:
            blames.append(f"a line of the log that is no record: {shown(body)}")
        elif record.get("level") in _LOUD or "exception" in record:
            blames.append(f"an error in the log: {body.decode()[:2000]}")
    return blames


def leaks(home: Path, secrets: Iterable[str], keep: Iterable[Path]) -> list[str]:
    """Files of the home, and every database dumped, that hold a secret; ``keep`` are the key files themselves."""
    known, kept = [secret.encode() for secret in secrets], set(keep)
    blames = []
    for path in sorted(home.rglob("*")):
        if not path.is_file() or path in kept:
            continue
        if path.name.startswith("core"):
            blames.append(f"a core dump: {path.name}")
        data = path.read_bytes()
        if path.suffix == ".db":
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
                data += "\n".join(connection.iterdump()).encode()
            connection.close()
        if any(secret in data for secret in known):
            blames.append(f"a secret in {path.name}")
    return blames


def resident(pid: int) -> int:
    """kB of memory that a process holds."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0])


def descriptors(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def quantile(values: Iterable[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0
