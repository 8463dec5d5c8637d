"""Asks for many symbols at once, of which the exchange may not list some.

One such name makes the whole answer an error that does not name it. The answer about all symbols would tell, but it
has megabytes, and what else comes over its connection, such as fills, waits behind it. So what is refused is asked
for by halves, until the names that are not listed stand alone.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")

NO_SUCH_SYMBOL = (-1121, -1100)  # invalid symbol; illegal characters

_MOST = 100  # questions: enough for six such names among 500, and a third of a minute's weight for exchangeInfo


async def by_halves(
    parts: Iterable[Sequence[str]], ask: Callable[[Sequence[str]], Awaitable[T | None]]
) -> tuple[list[T], list[str]]:
    """The answers of ``ask``, and the names about which it was not asked to the end, because of too many questions.

    ``ask`` returns None if the exchange does not list one of its names. A name that it refuses alone has no answer.
    """
    answers: list[T] = []
    left = [names for names in parts if names]
    for _ in range(_MOST):
        if not left:
            break
        names = left.pop()
        answer = await ask(names)
        if answer is not None:
            answers.append(answer)
        elif len(names) > 1:
            middle = len(names) // 2
            left += names[middle:], names[:middle]
    return answers, [name for names in left for name in names]
