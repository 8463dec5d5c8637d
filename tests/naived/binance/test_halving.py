import pytest

from naived.binance.halving import by_halves

NAMES = [f"S{number:03}USDT" for number in range(500)]


class Exchange:
    """Answers with the names; refuses every list that has one of the ``unlisted``."""

    def __init__(self, unlisted):
        self.unlisted = set(unlisted)
        self.asked = []

    async def ask(self, names):
        self.asked.append(list(names))
        return None if self.unlisted & set(names) else list(names)


async def halved(parts, unlisted):
    exchange = Exchange(unlisted)
    answers, left = await by_halves(parts, exchange.ask)
    return exchange, sorted(name for names in answers for name in names), left


async def test_names_that_are_listed_are_one_question():
    exchange, told, left = await halved([NAMES], [])
    assert (told, left, len(exchange.asked)) == (NAMES, [], 1)


async def test_no_name_is_no_question():
    exchange, told, left = await halved([[]], [])
    assert (told, left, exchange.asked) == ([], [], [])


@pytest.mark.parametrize("count", [1, 2, 6])
@pytest.mark.parametrize("first", [0, 1, 250, 499])
async def test_a_few_names_that_are_not_listed_cost_the_others_nothing(count, first):
    unlisted = [NAMES[(first + 83 * step) % 500] for step in range(count)]
    exchange, told, left = await halved([NAMES], unlisted)
    assert told == sorted(set(NAMES) - set(unlisted))
    assert left == []
    assert len(exchange.asked) <= 100
    assert all([name] in exchange.asked for name in unlisted), "refused among others means nothing"


@pytest.mark.parametrize("unlisted", [NAMES, NAMES[::2], NAMES[::20]])
async def test_too_many_of_them_end_the_questions_and_whoever_is_left_is_named(unlisted):
    exchange, told, left = await halved([NAMES[:300], NAMES[300:]], unlisted)
    assert len(exchange.asked) == 100
    refused = {name for names in exchange.asked for name in names if len(names) == 1 and name in unlisted}
    assert refused
    assert sorted([*told, *left, *refused]) == NAMES
