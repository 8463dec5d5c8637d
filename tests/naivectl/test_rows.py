import json
import signal

import pytest

from naived.control.protocol import MAX_ROWS


class Rows:
    """A daemon with ``total`` orders that gives at most ``most`` of them at once."""

    def __init__(self, total, most):
        self.rows = [{"symbol": "ETHUSDT", "client_order_id": f"n{number}"} for number in range(1, total + 1)]
        self.most = most

    def __call__(self, params):
        rows = list(enumerate(self.rows, 1))
        if params["after"] is not None:
            rows = rows[params["after"] :][: params["limit"]]
        elif params["limit"] is not None:
            rows = rows[-params["limit"] :]
        page, more = rows[: self.most], rows[self.most :]
        return {"v": 1, "orders": [row for _, row in page], "next": page[-1][0] if more else None}


@pytest.mark.parametrize(("total", "limit", "first"), [(25, None, 1), (25, 23, 3), (25, 30, 1), (10, 10, 1)])
def test_pages_are_joined_into_one_document(daemon, naivectl, total, limit, first):
    daemon.answers["orders"] = Rows(total, 10)
    done = naivectl("orders", "--json", *(["--limit", str(limit)] if limit else []))
    document = json.loads(done.out)
    assert document.keys() == {"v", "orders"}
    assert [row["client_order_id"] for row in document["orders"]] == [f"n{n}" for n in range(first, total + 1)]


def test_a_full_page_fits_into_an_answer(daemon, naivectl):
    row = {"symbol": "S" * 32, "client_order_id": "n" * 36, "price": "9" * 20, "more": "x" * 300}
    daemon.answers["orders"] = {"v": 1, "orders": [row] * MAX_ROWS, "next": None}
    assert len(json.loads(naivectl("orders", "--json").out)["orders"]) == MAX_ROWS


def test_since_may_be_a_time_or_a_duration_ago(daemon, naivectl):
    daemon.answers["trades"] = {"v": 1, "trades": [], "next": None}
    naivectl("trades", "--since", "2026-11-22T07:00:00Z")
    naivectl("trades", "--since", "1h")
    naivectl("trades", "--since", "0s")
    (_, absolute), (_, hour), (_, now) = daemon.calls
    assert absolute["since"] == 1795330800000
    assert now["since"] - hour["since"] == pytest.approx(3_600_000, abs=30_000)


def test_trades_are_columns_with_their_fees(daemon, naivectl):
    trade = {
        "symbol": "ETHUSDT",
        "trader": "ETHUSDT-1",
        "bought": "0.0745",
        "buy_price": "2683.53",
        "sold": "0.0744",
        "sell_price": "2689.45",
        "fees": {"ETH": "0.0000745", "USDT": "0.2"},
        "profit": "0.24",
        "finished_at": "2026-11-22T07:00:00.000Z",
    }
    daemon.answers["trades"] = {"v": 1, "trades": [trade], "next": None}
    header, line = naivectl("trades").out.splitlines()
    assert header.split("  ")[0] == "SYMBOL"
    assert "0.0000745 ETH 0.2 USDT" in line


def test_events_are_one_line_each(daemon, naivectl):
    event = {"at": "2026-11-22T07:00:00.000Z", "symbol": None, "kind": "started", "message": "two\nlines"}
    daemon.answers["events"] = {"v": 1, "events": [event], "next": None}
    assert naivectl("events").out == "2026-11-22T07:00:00.000Z  -  started  two\\nlines\n"


def test_following_ends_well_with_an_interrupt(home, fake_daemon, serving, spawn):
    fake = fake_daemon()
    with serving(fake, home / "control.sock") as publish:
        publish(0, "ETHUSDT", "kind", "before")
        process = spawn("events", "-f")
        assert process.stdout.readline() == "1970-01-01T00:00:00.000Z  ETHUSDT  kind  before\n"
        publish(1, "ETHUSDT", "kind", "after")
        assert process.stdout.readline().endswith("after\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


@pytest.mark.parametrize("line", ["events -f", "--jsonl events -f", "--jsonl status --live"])
def test_following_ends_when_nobody_reads_any_more_and_nothing_happens(home, fake_daemon, serving, spawn, line):
    with serving(fake_daemon(), home / "control.sock") as publish:
        publish(0, "ETHUSDT", "kind", "before")
        process = spawn(*line.split())
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(10) == -signal.SIGPIPE


def test_following_what_nobody_lists_is_a_failure(daemon, naivectl):
    done = naivectl("events", "-f", "NOPE")
    assert (done.code, done.out) == (4, "")
    assert "NOPE" in done.err


def test_following_as_json_lines_keeps_the_numbers(home, fake_daemon, serving, spawn):
    fake = fake_daemon()
    with serving(fake, home / "control.sock") as publish:
        publish(0, "ETHUSDT", "kind", "text")
        process = spawn("events", "-f", "--jsonl")
        assert json.loads(process.stdout.readline()) == {
            "v": 1,
            "seq": 1,
            "at": "1970-01-01T00:00:00.000Z",
            "symbol": "ETHUSDT",
            "kind": "kind",
            "message": "text",
        }


@pytest.mark.parametrize("form", ["--json", "--jsonl"])
@pytest.mark.parametrize("verb", ["orders", "trades"])
def test_rows_have_one_form(daemon, naivectl, verb, form):
    done = naivectl(verb, "--csv", form)
    assert (done.code, done.err, daemon.calls) == (2, "", [])
    assert json.loads(done.out)["error"]["message"].startswith("--csv and --json are two forms")


def test_one_document_cannot_be_followed(daemon, naivectl):
    done = naivectl("--json", "events", "-f")
    assert (done.code, done.err) == (2, "")
    error = json.loads(done.out)["error"]
    assert error["kind"] == "usage"
    assert "--jsonl" in error["message"]


def test_a_follower_whose_daemon_goes_says_so(home, fake_daemon, serving, spawn):
    with serving(fake_daemon(), home / "control.sock") as publish:
        publish(0, None, "kind", "text")
        process = spawn("events", "-f")
        process.stdout.readline()
    _, err = process.communicate(timeout=10)
    assert process.returncode == 7
    assert "went away" in err


def test_a_duration_of_longer_than_there_were_rows_asks_for_all_of_them(daemon, naivectl):
    daemon.answers["orders"] = {"v": 1, "orders": [], "next": None}
    assert naivectl("orders", "--since", "999999999h").code == 0
    assert daemon.calls[-1][1]["since"] == 0
