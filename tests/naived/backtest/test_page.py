"""The page is whole in itself, escapes what files are called, and a browser draws it."""

import html
import json
import re
import shutil
import struct
import subprocess
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from naived.backtest.charts import page
from naived.backtest.result import Result
from naived.backtest.run import backtest
from naived.backtest.tape import Tape
from naived.core.amount import parse_money, parse_price
from tests.support.tape import BEGAN, setup, tape, walk

EVIL = '</script><script>alert("x")</script><img src="//evil.example/x.png">&amp;\x1b[2J.csv'
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 120  # seconds for a browser
WIDTH, HEIGHT = 1280, 2200  # the page's


def made(**wanted: object) -> tuple[Tape, Result]:
    prices, times = walk(5, 8_000, step=25)
    of = tape(prices, times, 3_000)
    given = {"fee": "0.0001", "rebuy": "0.001", "profit": "0.0002"} | wanted
    return of, backtest(of, setup(**given))  # type: ignore[arg-type]


class Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.closed = False  # the last element was a script that has ended
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.closed = False
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] != ["script"] or self.closed:
            self.texts.append(data)

    def handle_endtag(self, tag: str) -> None:
        self.closed = tag == "script"


def test_the_page_loads_nothing_and_may_load_nothing() -> None:
    text = page(*made())
    found = Elements(text)
    assert found.addresses == []
    assert found.tags.count("script") == 3  # the library, the charts, what draws them
    assert not {"link", "img", "iframe", "object"} & set(found.tags)
    assert "default-src 'none'" in text
    assert "@import" not in text.partition("</style>")[0]
    assert len(text) < 6_000_000


def test_names_and_warnings_are_text_and_nothing_else() -> None:
    of, result = made()
    parts = tuple(replace(part, source=Path(f"/tapes/{EVIL.replace('/', '_')}")) for part in of.parts)
    text = page(replace(of, parts=parts), replace(result, warnings=(EVIL,)))
    found = Elements(text)
    assert found.tags.count("script") == 3
    assert "img" not in found.tags
    assert html.escape(EVIL).replace("\x1b", "\\x1b") in text
    assert "\x1b" not in text


def test_the_figures_of_the_page_are_those_of_the_summary() -> None:
    of, result = made()
    texts = " ".join(" ".join(Elements(page(of, result)).texts).split())
    assert f"{len(result.cycles)} finished cycles" in texts
    for words in (
        "ETHUSDT backtest",
        "chunks 5, budget 1000",
        "profit after fees",
        "largest drawdown",
        "fee 0.01%",
    ):
        assert words in texts
    assert "Nothing was bought" not in texts
    poor = made(budget=parse_money("9"))
    assert "Nothing was bought: " in " ".join(Elements(page(*poor)).texts)


def test_a_long_tape_makes_no_larger_page() -> None:
    prices, times = walk(5, 120_000, step=3)
    of = tape(prices, times)
    text = page(of, backtest(of, setup()))
    charts = json.loads(text.partition('id="charts">')[2].partition("</script>")[0])
    assert len(json.dumps(charts)) < 400_000
    assert [len(figure["data"]) for figure in charts["figures"]] == [7, 1, 1]


def test_of_one_trade_there_is_a_page_too() -> None:
    of = tape([parse_price("2000")], [BEGAN])
    assert "No cycle has finished." in page(of, backtest(of, setup()))


@pytest.fixture(scope="module")
def browser() -> str:
    for name in BROWSERS:
        path = shutil.which(name)
        if path is not None:
            return path
    pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")


def browse(browser: str, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A browser without a window and without a network opens the page."""
    return subprocess.run(
        [
            *(browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--host-resolver-rules=MAP * ~NOTFOUND", "--no-first-run", "--no-pdf-header-footer"),
            *(
                f"--user-data-dir={folder / 'profile'}",
                f"--window-size={WIDTH},{HEIGHT}",
                "--enable-logging=stderr",
            ),
            *("--virtual-time-budget=10000", *arguments, (folder / "page.html").as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def errors(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """What the page's console said."""
    return [line for line in done.stderr.splitlines() if ":CONSOLE" in line or "Refused to" in line]


def rows(picture: Path) -> list[bytes]:
    """The rows of pixels of a PNG with 8 bits a colour, each as (red, green, blue[, opacity]) after its filter."""
    data = picture.read_bytes()
    at, packed, head = 8, b"", b""
    while at < len(data):
        (size,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + size]
        head, packed = (body if kind == b"IHDR" else head), packed + (body if kind == b"IDAT" else b"")
        at += size + 12
    width, _, depth, kind_of_colour = struct.unpack(">IIBB", head[:10])
    assert (width, depth) == (WIDTH, 8)
    stride, plain = width * {2: 3, 6: 4}[kind_of_colour] + 1, zlib.decompress(packed)
    return [plain[start : start + stride] for start in range(0, len(plain), stride)]


def test_a_browser_draws_every_chart_without_an_error(browser: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page(*made()))
    done = browse(browser, tmp_path, "--dump-dom")
    assert errors(done) == []
    assert 'data-drawn="3"' in done.stdout
    assert len(re.findall(r'class="main-svg"', done.stdout)) >= 3
    assert len(re.findall(r'class="[^"]*js-line"', done.stdout)) >= 4  # two profits, drawdown, price
    points = re.findall(r'<path class="point"', done.stdout)
    assert len(points) > 20  # fills
    assert len(re.findall(r'<g class="point">', done.stdout)) > 10  # bars
    assert 'data-title="Edit' not in done.stdout
    assert "cloud" not in re.sub(r"<script.*?</script>", "", done.stdout, flags=re.DOTALL).lower()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_picture_is_not_blank_and_has_the_colours_of_the_system(
    browser: str, tmp_path: Path, scheme: str
) -> None:
    (tmp_path / "page.html").write_text(page(*made()))
    picture = tmp_path / "page.png"
    dark = ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    done = browse(browser, tmp_path, f"--screenshot={picture}", *dark)
    assert errors(done) == []
    lines = rows(picture)
    assert len(lines) == HEIGHT
    drawn = sum(len(set(line[1:])) > 8 for line in lines)
    assert drawn > HEIGHT // 2  # rows with text, lines or bars
    corner = lines[0][1]  # its filter is None or Sub: the first pixel is as it is
    assert corner > 200 if scheme == "light" else corner < 60


def test_it_prints_on_two_pages_of_paper(browser: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page(*made()))
    paper = tmp_path / "page.pdf"
    done = browse(browser, tmp_path, f"--print-to-pdf={paper}")
    assert errors(done) == []
    assert len(re.findall(rb"/Type\s*/Page\b", paper.read_bytes())) == 2
