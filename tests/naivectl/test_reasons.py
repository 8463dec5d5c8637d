"""`explain`, `why`, `start --dry-run` and CSV, as a pipe gets them."""

import pytest

from naivectl import reasons

EXPLAINED = {
    "v": 1,
    "symbol": "XRPUSDT",
    "status": "on",
    "state": "trading",
    "reason": "XRPUSDT-3 waits: no room",
    "next_step": "naivectl settings XRPUSDT",
    "buys": {"may": False, "text": "no: no room in the budget: 12.05 USDT are left"},
    "traders": [{"trader": "XRPUSDT-21", "text": "sells 90 XRP at 2.2201 (+0.30%)"}],
}
TOLD = {
    "v": 1,
    "symbol": "BTCUSDT",
    "order": {"side": "sell", "client_order_id": "n1abcd-dhb7", "trader": "BTCUSDT-41", "state": "open"},
    "life": [
        {"at": "2026-11-28T05:01:08.332Z", "what": "decided", "text": "sell 0.00207 at 97356.12"},
        {"at": "2026-11-29T05:01:08.391Z", "what": "placed", "text": "order 2\x1b[2J"},
    ],
}
PLAN = {
    **{"quantity": "0.0745", "base": "ETH", "price": "2683.53", "value": "199.92", "quote": "USDT"},
    **{"last_price": "2683.8", "share": "200", "most_tied_up": "999.6", "lowest_price": "2619.7"},
    **{"cycle_profit": "0.2", "cycle_fees": "0.4", "side": "buy", "chunks": 5, "chunks_taken": 0, "sells_first": 0},
    **{"held": "0", "held_cost": "0"},
    "first_buy": {"at": "2683.8", "price": "2683.53", "quantity": "0.0745", "value": "199.92"},
}
HOLDING = {
    **PLAN,
    **{"side": "sell", "price": "2689.45", "quantity": "0.0744", "value": "200.1", "sells_first": 2},
    **{"chunks_taken": 2, "held": "0.1489", "held_cost": "398.6"},
    "first_buy": {"at": "2651.5", "price": "2651.2", "quantity": "0.0754", "value": "199.9"},
}


def test_an_explanation_names_symbol_traders_and_what_to_type(daemon, naivectl):
    daemon.answers["explain"] = EXPLAINED
    finished = naivectl("explain", "xrpusdt")
    assert (finished.code, finished.out.splitlines()) == (
        0,
        [
            "XRPUSDT is on, trading.",
            "  reason      XRPUSDT-3 waits: no room",
            "  buys        no: no room in the budget: 12.05 USDT are left",
            "  XRPUSDT-21  sells 90 XRP at 2.2201 (+0.30%)",
            "  -> naivectl settings XRPUSDT",
        ],
    )
    ((method, params),) = daemon.calls
    assert (method, params["symbols"]) == ("explain", ("XRPUSDT",))


def test_a_life_has_its_days_and_no_text_moves_the_cursor(daemon, naivectl):
    daemon.answers["why"] = TOLD
    finished = naivectl("why", "BTCUSDT", "dhb7")
    assert finished.out.splitlines() == [
        "sell n1abcd-dhb7 of BTCUSDT-41: open",
        "  2026-11-28 UTC",
        "  05:01:08.332  decided: sell 0.00207 at 97356.12",
        "  2026-11-29 UTC",
        "  05:01:08.391  placed: order 2\\x1b[2J",
    ]


def test_a_plan_changes_nothing_and_says_what_to_type(daemon, naivectl, done):
    result = done("ETHUSDT", changed=False, plan=PLAN, warnings=["rebuy 0.6% is less than one tick (1.92%)"])
    daemon.answers["start"] = {"v": 1, "results": [result]}
    finished = naivectl("start", "ETHUSDT", "--dry-run", "--budget", "1000")
    lines = finished.out.splitlines()
    assert lines[0] == "ETHUSDT would start so; nothing was changed."
    assert lines[1].startswith("  first order buy 0.0745 ETH at 2683.53 (199.92 USDT)")
    assert lines[-1] == "  -> naivectl start ETHUSDT --budget 1000"
    assert finished.err == "naivectl: ETHUSDT: warning: rebuy 0.6% is less than one tick (1.92%)\n"
    ((_, params),) = daemon.calls
    assert (params["dry_run"], params["budget"], params["request_id"]) == (True, "1000", None)


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        (
            {},
            [
                "  first order sell 0.0744 ETH at 2689.45 (200.1 USDT), and 1 more; the last price is 2683.8",
                "  first buy   0.0754 ETH at 2651.2 (199.9 USDT), once the price falls to 2651.5",
                "  holds       0.1489 ETH (cost 398.6 USDT)",
            ],
        ),
        (
            {"chunks": 2, "sells_first": 1, "first_buy": None},
            [
                "  first order sell 0.0744 ETH at 2689.45 (200.1 USDT); the last price is 2683.8",
                "  first buy   none with 2 of 2 chunks taken",
                "  holds       0.1489 ETH (cost 398.6 USDT)",
            ],
        ),
        (
            {"chunks": 2, "side": "buy", "quantity": "0", "sells_first": 0, "first_buy": None},
            [
                "  first order none with 2 of 2 chunks taken; the last price is 2683.8",
                "  holds       0.1489 ETH (cost 398.6 USDT)",
                "  each trader 200 USDT",
                "  tied up     999.6 USDT at most, as now",
            ],
        ),
    ],
)
def test_a_plan_of_saved_traders_says_what_they_do_first(more, lines):
    told = reasons.planned({"symbol": "ETHUSDT", "plan": {**HOLDING, **more}}, {})
    assert told[1 : len(lines) + 1] == lines


@pytest.mark.parametrize("more", [{}, {"plan": PLAN}])
def test_a_plan_that_sells_at_a_loss_says_so(daemon, naivectl, done, more):
    coins = {"asset": "ETH", "quantity": "0.1", "cost": "200", "value": "180"}
    result = done(
        "ETHUSDT", changed=False, message="0.1 ETH would be sold at a loss", sells=coins, warnings=[], **more
    )
    daemon.answers["start"] = {"v": 1, "results": [result]}
    finished = naivectl("start", "ETHUSDT", "--dry-run")
    assert finished.code == 0
    assert finished.out.splitlines()[-1] == "ETHUSDT: 0.1 ETH would be sold at a loss"
    assert finished.out.startswith("ETHUSDT would start so") is bool(more)


def test_a_warning_of_a_start_goes_to_stderr_and_the_exit_code_stays(daemon, naivectl, done):
    daemon.answers["start"] = {"v": 1, "results": [done("ETHUSDT", warnings=["reprice is odd"])]}
    finished = naivectl("start", "ETHUSDT")
    assert (finished.code, finished.err) == (0, "naivectl: ETHUSDT: warning: reprice is odd\n")


def test_a_warning_about_nodes_goes_to_stderr_and_the_exit_code_stays(daemon, naivectl):
    node = {"name": "alpha", "state": "drained", "symbols": 0, "heartbeat": None, "version": "0.1.0"}
    daemon.answers["nodes"] = {"v": 1, "nodes": [node], "changed": True, "warnings": ["all are drained"]}
    finished = naivectl("nodes", "drain", "alpha")
    assert (finished.code, finished.err) == (0, "naivectl: warning: all are drained\n")
    assert "drained" in finished.out


def test_a_warning_about_limits_goes_to_stderr_and_the_exit_code_stays(daemon, naivectl):
    now = {"exposure": None, "free_quote": None, "loss_today": None, "drawdown": None, "currency": "USDT"}
    known = {"limits": {}, "now": now, "worst": {}, "halt": None, "changed": False}
    daemon.answers["limits"] = {"v": 1, **known, "warnings": ["they may have changed"]}
    finished = naivectl("limits")
    assert (finished.code, finished.err) == (0, "naivectl: warning: they may have changed\n")
    assert "max-exposure" in finished.out


def test_csv_has_a_heading_and_every_digit(daemon, naivectl):
    trade = {
        "symbol": "ETHUSDT",
        "trader": "ETHUSDT-1",
        "profit": "0.00000001",
        "fees": {"ETH": "0.1", "USDT": "2"},
    }
    daemon.answers["trades"] = {"v": 1, "trades": [trade], "next": None}
    out = naivectl("trades", "--csv").out.splitlines()
    assert out[0].split(",") == list(reasons.TRADES)
    assert out[1].split(",")[6:9] == ["0.1 ETH 2 USDT", "", "0.00000001"]
    daemon.answers["orders"] = {"v": 1, "orders": [], "next": None}
    assert naivectl("orders", "--csv").out == ",".join(reasons.ORDERS) + "\n"


@pytest.mark.parametrize("arguments", [["why", "A"], ["explain"], ["forget"], ["forget", "A", "--all"]])
def test_what_is_missing_is_a_usage_error(daemon, naivectl, arguments):
    assert naivectl(*arguments).code == 2
    assert daemon.calls == []


@pytest.mark.parametrize("verb", ["start", "why", "explain", "forget", "status", "is-trading"])
def test_each_help_has_an_example(naivectl, verb):
    finished = naivectl(verb, "-h")
    assert (finished.code, f"naivectl {verb}" in finished.out.split("Example: ")[1]) == (0, True)


def test_the_version_needs_no_daemon(naivectl):
    assert naivectl("--version").out.startswith("naivectl 0.")


def test_a_plan_says_what_is_not_bought_now_and_until_when():
    kept = {"reason": "the account is halted by hand: lunch", "ends": "naivectl resume"}
    told = {**PLAN, "kept_back": [kept], "stopped_by": ["floor", "max-exposure"]}
    lines = reasons.planned({"symbol": "ETHUSDT", "plan": told}, {})
    assert lines[1].startswith("  first order buy 0.0745 ETH at 2683.53")
    assert lines[2] == "  not now     the account is halted by hand: lunch; until naivectl resume"
    end = "once the price fell to 2619.7; no more because of floor, max-exposure"
    assert lines[4] == f"  tied up     999.6 USDT at most, {end}"


def test_a_plan_without_a_buy_says_so_and_does_not_blame_the_chunks():
    kept = {"reason": "a buy would be below the floor 3000: at 2683.53 USDT", "ends": None}
    told = {**PLAN, "first_buy": None, "quantity": "0", "kept_back": [kept]}
    lines = reasons.planned({"symbol": "ETHUSDT", "plan": told}, {})
    assert lines[1] == "  first order none as it is now; the last price is 2683.8"
    assert lines[2] == "  not now     a buy would be below the floor 3000: at 2683.53 USDT"
    full = reasons.planned({"symbol": "ETHUSDT", "plan": {**told, "chunks_taken": 5}}, {})
    assert full[1].startswith("  first order none with 5 of 5 chunks taken; ")


def test_a_plan_for_people_has_marks_and_rounded_money_and_one_for_a_pipe_all_digits(monkeypatch):
    buy = {**PLAN["first_buy"], "value": "199.867855"}
    exact = {**PLAN, "first_buy": buy, "most_tied_up": "999.328693", "cycle_profit": "0.20040864"}
    result = {"symbol": "ETHUSDT", "plan": exact}
    assert "  one cycle   0.20040864 USDT, after 0.4 of fees" in reasons.planned(result, {})
    monkeypatch.setattr(reasons, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    assert reasons.planned(result, {})[1:6] == [
        "  first order buy 0.0745 ETH at 2,683.53 (199.87 USDT); the last price is",
        "              2,683.8",
        "  each trader 200.00 USDT",
        "  tied up     999.33 USDT at most, once the price fell to 2,619.7",
        "  one cycle   0.20 USDT, after 0.40 of fees",
    ]
