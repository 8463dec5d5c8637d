"""The CSV of cycles is the one of `naivectl trades --csv`, and its figures are those of the result."""

import contextlib
import csv
import io

from jsonschema import Draft202012Validator

from naivectl.documents import schemas
from naivectl.reasons import TRADES
from naivectl.reasons import write_csv as naivectl_csv
from naived.backtest.cycles import COLUMNS, documents, write_csv
from naived.backtest.result import Result
from naived.backtest.run import backtest
from naived.core.amount import SCALE, format_amount, parse_amount, parse_money
from tests.support.tape import setup, tape, walk


def found(fee: str = "0.0001") -> Result:
    prices, times = walk(5, 8_000, step=25)
    result = backtest(tape(prices, times), setup(fee=fee, rebuy="0.001", profit="0.0002"))
    assert len(result.cycles) > 5
    return result


def written(result: Result) -> str:
    file = io.StringIO()
    write_csv(result, file)
    return file.getvalue()


def test_each_cycle_is_an_entry_of_trades() -> None:
    cycles = list(documents(found()))
    Draft202012Validator(schemas()["trades"]).validate({"v": 1, "trades": cycles})
    assert cycles[0]["trader"] == "ETHUSDT-1"
    assert [cycle["finished_at"] for cycle in cycles] == sorted(cycle["finished_at"] for cycle in cycles)


def test_the_file_is_what_naivectl_writes_of_the_same_cycles() -> None:
    result = found()
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        naivectl_csv("trades", list(documents(result)))
    assert COLUMNS == TRADES
    assert written(result) == printed.getvalue()


def test_profits_add_up_and_fees_are_those_of_the_fills() -> None:
    result = found()
    rows = list(csv.DictReader(written(result).splitlines()))
    assert len(rows) == len(result.cycles)
    assert sum(parse_money(row["profit"]) for row in rows) == result.profit
    for row in rows:
        base, quote = row["fees"].split(" ETH ")
        received = parse_amount(row["sold"]) * parse_amount(row["sell_price"]) // SCALE
        assert parse_amount(base) == -(-parse_amount(row["bought"]) // 10_000)
        assert quote == f"{format_amount(-(-received // 10_000))} USDT"


def test_without_fees_the_column_is_empty() -> None:
    rows = list(csv.DictReader(written(found(fee="0")).splitlines()))
    assert {row["fees"] for row in rows} == {""}


def test_without_cycles_there_is_the_heading() -> None:
    result = backtest(tape(*walk(1, 3, step=0)), setup())
    assert written(result) == ",".join(COLUMNS) + "\n"
