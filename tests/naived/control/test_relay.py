"""Events of other nodes reach whoever follows events here, once each."""

import sqlalchemy as sa
import trio
from trio.testing import MockClock

from naived.control.events import RING, EventLog
from naived.control.relay import Relay
from naived.core.strategy.settings import Status
from naived.database.cluster import Transactions
from naived.database.deployment import enter
from naived.database.engine import Role, open_engine, parse_url
from naived.database.leases import Seat, claim
from naived.database.mailbox import SqlMailbox
from naived.database.schema import events, metadata
from naived.database.store import Store
from naived.nodes import Member
from naived.ports import Unit
from tests.support.database import NOW, SYMBOL, desired, event


def messages(log: EventLog) -> list[str]:
    return [each["message"] for each in log.after(0, RING)]


async def test_what_another_node_wrote_is_told_once_and_what_this_one_wrote_not_again(
    database_url: str, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    engine = open_engine(parse_url(database_url), Role.WRITE)
    metadata.create_all(engine)
    member = Member("alpha", "1.0", 30_000)
    entered = enter(engine, None, member, shared=True, now=NOW)
    seat = Seat(member, entered.epoch, lambda: NOW)
    store = Store(engine, entered.epoch, node="alpha")
    with engine.begin() as connection:
        epoch = claim(seat, connection, 1, (SYMBOL,))[SYMBOL]

    def write(*messages: str) -> None:
        unit = Unit(SYMBOL, desired(Status.ON), events=tuple(map(event, messages)), epoch=epoch)
        assert store.apply([unit]) == [None]

    log = EventLog(1)
    write("long ago")
    nursery.start_soon(Relay(SqlMailbox(Transactions(engine, threads=False), seat), log).run)
    await trio.sleep(0.5)
    write("theirs", "ours")
    log.publish(NOW, SYMBOL, "test", "ours")
    await trio.sleep(10)
    assert messages(log) == ["ours", "theirs"]
    assert log.counted == {"test": 1}

    with engine.begin() as connection:  # a failover lost the last rows, whose numbers come again
        connection.execute(sa.delete(events))
    await trio.sleep(2)
    write("after it")
    await trio.sleep(10)
    write("the same")
    await trio.sleep(10)
    assert messages(log)[2:] == ["after it", "the same"]
    engine.dispose()


def test_of_what_is_not_kept_any_more_nothing_is_known() -> None:
    log = EventLog(1)
    log.publish(NOW, None, "test", "twice")
    log.publish(NOW, None, "test", "twice")
    for number in range(RING - 1):
        log.publish(NOW, None, "test", str(number))
    log.relay(NOW, None, "test", "twice")
    assert messages(log).count("twice") == 1
    log.publish(NOW, None, "test", "one more")
    log.relay(NOW, None, "test", "twice")
    assert messages(log).count("twice") == 1
