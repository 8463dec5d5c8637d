"""The picture in the README."""

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from tests.support import screens

ROOT = Path(__file__).parents[2]


def texts(svg: str) -> str:
    """All that is written in it, a blank between what has different styles."""
    found = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return " ".join(" ".join("".join(each.itertext()).split()) for each in found)


def headings(svg: str) -> list[str]:
    """Those of the columns, which stand between the counted symbols and the first row."""
    written = texts(svg)
    line = re.split(r"\w+USDT", written[written.index("SYMBOL") :])[0]
    return re.findall(r"[A-Z]{2,}(?: BUY| SELL| COST)?", line)


def draw(path: Path, told: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, ROOT / "contrib" / "picture.py", path],
        input=told,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        check=False,
    )


def test_the_live_table_becomes_a_picture_that_loads_nothing(tmp_path):
    interrupted = {"v": 1, "error": {"kind": "interrupted", "message": "before the answer came", "hint": None}}
    lines = (screens.status(*screens.ten()), interrupted)  # as `timeout` ends it
    done = draw(tmp_path / "live.svg", "".join(f"{json.dumps(line)}\n" for line in lines))
    assert (done.returncode, done.stderr) == (0, "")
    svg = (tmp_path / "live.svg").read_text()
    assert "quarantined" in texts(svg)
    assert "naivectl why ARBUSDT 7fh2mjs4" in texts(svg)
    assert not re.search(r"url\((?!#)|href=|@import|@font-face", svg)


def test_without_symbols_there_is_no_picture(tmp_path):
    done = draw(tmp_path / "live.svg", "")
    assert (done.returncode, (tmp_path / "live.svg").exists()) == (1, False)
    assert "is naived running" in done.stderr


def test_the_picture_of_the_readme_has_the_columns_of_today(tmp_path):
    assert "docs/live.svg" in (ROOT / "README.md").read_text()
    draw(tmp_path / "live.svg", json.dumps(screens.status(*screens.ten())) + "\n")
    now, committed = (
        headings((tmp_path / "live.svg").read_text()),
        headings((ROOT / "docs" / "live.svg").read_text()),
    )
    # How many fit depends on how wide the symbols' figures are.
    fewer = min(len(now), len(committed))
    assert now[:fewer] == committed[:fewer], "stale: contrib/picture.py makes it"
    assert fewer >= 8
