import pytest
import trio

from naived.binance.public import PublicCandles, symbol_rows
from naived.ports import ExchangeError

ROW = {"symbol": "ETHUSDT", "status": "TRADING", "filters": [{"filterType": "NEW_KIND"}], "field": [1, None]}


async def test_a_row_is_returned_as_it_was_sent(autojump_clock, peer):
    peer.answer("exchangeInfo", {"timezone": "UTC", "symbols": [ROW]})
    assert (await symbol_rows("memory://api", ["ETHUSDT"], peer.connect)).get("ETHUSDT") == ROW
    (request,) = peer.asked("exchangeInfo")
    assert request["params"] == {"symbols": ["ETHUSDT"], "showPermissionSets": False}
    assert [socket.url for socket in peer.sockets] == ["memory://api"]
    assert not peer.sockets[0].open


@pytest.mark.parametrize("code", [-1121, -1100])
async def test_a_symbol_is_unknown_only_if_the_exchange_says_so(autojump_clock, peer, code):
    peer.fail("exchangeInfo", code, "Invalid symbol.")
    assert (await symbol_rows("memory://api", ["NOSUCH"], peer.connect)).get("NOSUCH") is None


@pytest.mark.parametrize("unlisted", [1, 300])
async def test_a_symbol_that_is_not_listed_costs_the_others_nothing(autojump_clock, peer, unlisted):
    rows = {f"S{number}": {"symbol": f"S{number}", "filters": []} for number in range(300)}

    def info(request):
        names = request["params"].get("symbols", rows)
        if not set(names) <= rows.keys():
            return {"status": 400, "error": {"code": -1121, "msg": "Invalid symbol."}}
        return {"status": 200, "result": {"symbols": [rows[name] for name in names]}}

    peer.script["exchangeInfo"] = info
    wanted = [*list(rows)[:200], *(f"Q{number}" for number in range(unlisted)), "S250", "S250"]
    found = await symbol_rows("memory://api", wanted, peer.connect)
    assert set(found) == rows.keys() & set(wanted)
    asked_for_all = [request for request in peer.asked("exchangeInfo") if "symbols" not in request["params"]]
    assert len(asked_for_all) == (unlisted > 1)
    assert len(peer.sockets) == 1


async def test_another_symbols_row_is_not_ours(autojump_clock, peer):
    peer.answer("exchangeInfo", {"symbols": [ROW]})
    assert (await symbol_rows("memory://api", ["BTCUSDT"], peer.connect)).get("BTCUSDT") is None
    peer.answer("exchangeInfo", {"symbols": []})
    assert (await symbol_rows("memory://api", ["ETHUSDT"], peer.connect)).get("ETHUSDT") is None


@pytest.mark.parametrize(("code", "status"), [(-1101, 400), (-1003, 429), (-1003, 418), (-1000, 500)])
async def test_any_other_refusal_says_nothing_about_the_symbol(autojump_clock, peer, code, status):
    peer.fail("exchangeInfo", code, "something else", status=status)
    with pytest.raises(ExchangeError, match="something else"):
        (await symbol_rows("memory://api", ["ETHUSDT"], peer.connect)).get("ETHUSDT")


@pytest.mark.parametrize("result", [None, [], {}, {"symbols": None}, {"symbols": {"ETHUSDT": 1}}, {"symbols": [7]}])
async def test_an_answer_of_another_shape_is_an_error(autojump_clock, peer, result):
    peer.answer("exchangeInfo", result)
    with pytest.raises(ExchangeError, match="no list of symbols"):
        (await symbol_rows("memory://api", ["ETHUSDT"], peer.connect)).get("ETHUSDT")


@pytest.mark.parametrize(
    "frame", ["", "nonsense", "[]", {"event": {"e": "serverShutdown", "E": 1}}, {"id": "x", "status": 200}]
)
async def test_a_frame_that_is_not_an_answer_is_an_error(autojump_clock, peer, frame):
    def interrupt(_request):
        peer.sockets[-1].push(frame)

    peer.script["exchangeInfo"] = interrupt
    with pytest.raises(ExchangeError, match="no list of symbols"):
        (await symbol_rows("memory://api", ["ETHUSDT"], peer.connect)).get("ETHUSDT")


async def test_an_answer_is_awaited_for_10_s(autojump_clock, peer):
    peer.ignore("exchangeInfo")
    with pytest.raises(ExchangeError, match="did not answer within 10 s"):
        (await symbol_rows("memory://api", ["ETHUSDT"], peer.connect)).get("ETHUSDT")


async def test_a_lost_or_refused_connection_is_an_error(autojump_clock, peer):
    peer.script["exchangeInfo"] = lambda _: peer.sockets[-1].drop()
    with pytest.raises(ExchangeError, match="did not answer: closed by the peer"):
        (await symbol_rows("memory://api", ["ETHUSDT"], peer.connect)).get("ETHUSDT")
    peer.refuses_connections = True
    with pytest.raises(ExchangeError, match="did not answer: connection refused"):
        (await symbol_rows("memory://api", ["ETHUSDT"], peer.connect)).get("ETHUSDT")


async def test_many_symbols_are_one_question_over_one_connection(autojump_clock, peer):
    rows = [{"symbol": f"S{number}", "filters": []} for number in range(500)]
    peer.answer("exchangeInfo", {"symbols": rows})
    found = await symbol_rows("memory://api", [row["symbol"] for row in rows], peer.connect)
    assert list(found.values()) == rows
    assert len(peer.asked("exchangeInfo")) == len(peer.sockets) == 1


KLINE = [1_700_000_000_000, "2500", "2600", "2400", "2550", "1", 1_700_000_059_999, "2550", 7, "0.5", "1275", "0"]


async def test_candles_of_many_symbols_open_no_more_connections_than_are_allowed(autojump_clock, peer):
    peer.answer("klines", [KLINE])
    of, began, now = PublicCandles("memory://api", peer.connect), trio.current_time(), 1_700_000_060_000
    async with trio.open_nursery() as nursery:
        for number in range(400):
            nursery.start_soon(of.ask, f"S{number}", 3_600_000, now)
    assert all(request["params"]["startTime"] == 1_699_996_440_000 for request in peer.asked("klines"))
    assert len(peer.attempts) == 400
    assert max(sum(each <= other < each + 300 for other in peer.attempts) for each in peer.attempts) <= 250
    assert peer.attempts[0] == began
    assert [each.high for each in await of.ask("ETHUSDT", 3_600_000, now)] == [260_000_000_000]


@pytest.mark.parametrize("result", [None, {}, [None], [KLINE[:3]], [KLINE, [*KLINE[:2], None, *KLINE[3:]]]])
async def test_candles_of_another_shape_are_an_error(autojump_clock, peer, result):
    peer.answer("klines", result)
    of = PublicCandles("memory://api", peer.connect)
    with pytest.raises(ExchangeError, match="gave no candles"):
        await of.ask("ETHUSDT", 3_600_000, 1_700_000_060_000)
    peer.fail("klines", -1121, "Invalid symbol.")
    with pytest.raises(ExchangeError, match="Invalid symbol"):
        await of.ask("ETHUSDT", 3_600_000, 1_700_000_060_000)
