import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from naived.control import metrics
from naived.control.metrics import exposition
from naived.control.protocol import Code, ControlError
from naived.ports import Remarks
from tests.support.runtime import World

ALERTS = Path(__file__).parents[3] / "contrib" / "alerts.yml"


def values(text: bytes) -> dict[str, float]:
    lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


async def test_the_figures_are_those_of_the_daemon(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        world.exchange.remarked = Remarks(weight=(120, 6000))
        found = values(await exposition(naived.service))
        assert found['naived_symbols{state="trading"}'] == 1
        assert found['naived_state{state="ready"}'] == 1
        assert found['naived_exchange_state{state="up"}'] == 1
        assert found["naived_database_up"] == 1
        assert found["naived_last_commit_age_seconds"] >= 0
        assert (found["naived_request_weight_used"], found["naived_request_weight_limit"]) == (120, 6000)
        assert found['naived_cycles_total{symbol="ETHUSDT"}'] == 0
        assert found['naived_events_total{kind="desired"}'] == 1
        world.exchange.go_away("no route to host")
        naived.journal.hanging = "the database does not answer"
        found = values(await exposition(naived.service))
        assert found['naived_exchange_state{state="down"}'] == 1
        assert found["naived_database_up"] == 0
        assert found['naived_state{state="degraded"}'] == 1


async def test_money_of_a_symbol_is_what_status_says_as_a_float(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2683.8")
        [row] = (await naived.call("status"))["symbols"]
        found = values(await exposition(naived.service))
        money = '{quote="USDT",symbol="ETHUSDT"}'
        assert found[f"naived_tied_up{money}"] == float(row["tied_up"]) > 0
        assert found[f"naived_held_cost{money}"] == float(row["held_cost"])
        assert found[f"naived_realized_profit{money}"] == float(row["realized_profit"])
        assert found['naived_last_trade_age_seconds{symbol="ETHUSDT"}'] >= 0
        assert found['naived_orders_open{symbol="ETHUSDT"}'] == 1
        assert (found["naived_account_halted"], found['naived_halted{symbol="ETHUSDT"}']) == (0, 0)
        await naived.call("halt")
        await naived.ask("halt")
        found = values(await exposition(naived.service))
        assert (found["naived_account_halted"], found['naived_halted{symbol="ETHUSDT"}']) == (1, 1)


async def test_the_age_of_the_last_trade_is_told_while_trades_are_asked_for(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:

        async def age() -> float | None:
            families = {family.name: family for family in await metrics.collect(naived.service)}
            return dict(families["naived_last_trade_age_seconds"].samples).get(("ETHUSDT",))

        await naived.start()
        await trio.sleep(700)
        assert await age() == pytest.approx(700, abs=1)  # of one that never came
        await naived.trade("2000")
        assert await age() == pytest.approx(0, abs=1)
        await naived.ask("stop", cancel="all")
        await trio.sleep(700)
        assert await age() is None
        await naived.start()
        assert await age() == pytest.approx(0, abs=1)
        await trio.sleep(10)
        assert await age() == pytest.approx(10, abs=1)


async def test_money_of_a_symbol_that_is_off_is_in_its_quote_after_a_restart(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        await naived.ask("stop", cancel="all")
        shown = (await naived.call("status"))["symbols"][0]
        before = {name for name in values(await exposition(naived.service)) if "quote=" in name}
        assert len(before) == 3
    async with world.naived() as naived:
        [row] = (await naived.call("status"))["symbols"]
        assert (row["base"], row["quote"], row["held_cost"]) == ("ETH", "USDT", shown["held_cost"])
        assert {name for name in values(await exposition(naived.service)) if "quote=" in name} == before


async def test_a_symbol_that_was_forgotten_is_not_shown(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.call("stop", "ETHUSDT", cancel="all")
        await naived.call("forget", "ETHUSDT")
        assert b'symbol="ETHUSDT"' not in await exposition(naived.service)


async def test_without_the_library_the_method_says_what_to_install(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    async with world.naived() as naived:
        with pytest.raises(ControlError, match="prometheus_client, which is not installed") as caught:
            await naived.call("metrics")
        assert (caught.value.code, caught.value.code.exit) == (Code.INVALID_TRANSITION, 1)
        assert ".[metrics]" in (caught.value.hint or "")


async def test_the_method_answers_with_the_text(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        document = await naived.call("metrics")
        assert document["v"] == 1
        assert document["text"].startswith("# HELP naived_info")


def test_the_daemon_imports_the_library_only_when_asked() -> None:
    program = "import sys, naived.daemon; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0


async def test_every_alert_is_about_a_metric_that_there_is(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        text = (await exposition(naived.service)).decode()
    known = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    known |= {f"{name}_bucket" for name in known}
    expressions = re.findall(r"^ +expr: (.*)$", ALERTS.read_text(), re.MULTILINE)
    wanted = {name for line in expressions for name in re.findall(r"naived_\w+", line)}
    assert len(expressions) > 8
    assert wanted <= known


def promtool(*arguments: str, text: bytes = b"") -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed: it is part of Prometheus")
    done = subprocess.run([program, *arguments], input=text, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_the_alerts() -> None:
    promtool("check", "rules", str(ALERTS))


async def test_promtool_accepts_the_text(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        text = await metrics.exposition(naived.service)
    await trio.to_thread.run_sync(lambda: promtool("check", "metrics", text=text))
