"""A symbol of which the exchange does not answer, and an exchange that does not answer."""

from typing import cast

import pytest
import trio
from trio.testing import MockClock

from naived.ports import AccountInfo, CredentialsError, Exchange, ExchangeError, RefusedError, UnreadableError
from naived.runtime.unanswered import Unanswered


class Account:
    """Counts how often it is asked for; ``failure`` is what it raises."""

    def __init__(self) -> None:
        self.asked = 0
        self.failure: ExchangeError | None = None

    async def account(self) -> AccountInfo:
        self.asked += 1
        await trio.lowlevel.checkpoint()
        if self.failure is not None:
            raise self.failure
        return AccountInfo("uid", {})


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def unanswered(account: Account) -> Unanswered:
    return Unanswered(cast(Exchange, account))


async def ask(unanswered: Unanswered, symbol: str, failure: ExchangeError | None = None) -> None:
    async with unanswered.about(symbol):
        if failure is not None:
            raise failure


async def test_a_refusal_is_an_answer(account: Account, unanswered: Unanswered) -> None:
    await ask(unanswered, "ETHUSDT", RefusedError("-1121"))
    await unanswered.confirm()
    assert (unanswered.reasons, unanswered.passing, account.asked) == ({"ETHUSDT": "-1121"}, False, 0)


async def test_the_first_failure_and_the_last_one_ask_for_the_account(
    account: Account, unanswered: Unanswered, clock: MockClock
) -> None:
    await ask(unanswered, "A", ExchangeError("-1007"))
    assert account.asked == 1
    for name in "BCD":
        await ask(unanswered, name, CredentialsError("-2015"))
    assert account.asked == 1
    await unanswered.confirm()
    await unanswered.confirm()
    assert account.asked == 2
    assert (list(unanswered.reasons), unanswered.passing) == (list("ABCD"), True)


async def test_an_answer_of_another_symbol_is_enough_for_some_seconds(
    account: Account, unanswered: Unanswered, clock: MockClock
) -> None:
    await ask(unanswered, "A")
    await ask(unanswered, "B", ExchangeError("-1007"))
    await ask(unanswered, "C")
    await unanswered.confirm()
    assert account.asked == 0
    await trio.sleep(10)
    await ask(unanswered, "D", ExchangeError("no answer within 10 s"))
    assert account.asked == 1


async def test_an_account_that_is_not_answered_for_ends_it(account: Account, unanswered: Unanswered) -> None:
    account.failure = ExchangeError("the exchange told us to wait")
    with pytest.raises(ExchangeError, match="told us to wait"):
        await ask(unanswered, "A", ExchangeError("-1007"))
    account.failure = UnreadableError("that is an answer")
    await ask(unanswered, "B", ExchangeError("-1007"))
