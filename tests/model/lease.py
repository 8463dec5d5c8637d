"""The clocks of a symbol's lease, as a model: can two nodes trust themselves at once?

Time goes in steps. The database counts down ``until``; a node counts down its trust on a clock of its own, from the
moment when it sent the claim or renewal that was answered. Between two steps a request may be sent, reach the
database, and be answered, or none of that: a request may take as long as it likes. What ``protocol.py`` shows needs
no clock; this is about who holds a symbol, and for how long nobody does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.model.checker import State, Step

NODES = "AB"
SENT, DONE = range(2)  # of a request: under way, applied and its answer under way


class Lease(NamedTuple):
    """``left``: steps of the database's clock until it is past. ``hurried``: how often that may still jump."""

    node: int
    left: int
    hurried: int


class Node(NamedTuple):
    """``trust``: steps for which it still trusts itself. ``asked``: () or (SENT or DONE, steps since it was sent).

    ``jumps``: how often its clock may still be set back, or stand still while time goes on.
    """

    trust: int = 0
    asked: tuple[int, ...] = ()
    jumps: int = 0


@dataclass(frozen=True)
class Clocks:
    """The rules of the lease, and what clocks do. ``lease`` and ``margin`` in steps: the lease, how early it stops.

    ``from_before``: the holder counts from before it sent the renewal. ``steady``: its clock is never set and goes
    on through a suspend; else it goes wrong ``jumps`` times by a step. ``hurries``: how often the database's clock
    jumps a step ahead.
    """

    lease: int = 6
    margin: int = 2
    from_before: bool = True
    steady: bool = True
    jumps: int = 1
    hurries: int = 0


class Leasing:
    """The model; a state is (lease, nothing, node A, node B)."""

    def __init__(self, clocks: Clocks) -> None:
        self.clocks = clocks

    def initial(self) -> State:
        node = Node(jumps=0 if self.clocks.steady else self.clocks.jumps)
        return Lease(-1, 0, self.clocks.hurries), (), node, node

    def alike(self, state: State) -> tuple[State, ...]:
        return (state,)

    def mirrored(self, state: State) -> State:
        lease, nothing, one, other = state
        return lease._replace(node=1 - lease.node if lease.node >= 0 else -1), nothing, other, one

    def broken(self, state: State) -> str | None:
        return "two nodes trust themselves" if state[2].trust and state[3].trust else None

    def settled(self, state: State) -> bool:
        """One node trusts itself, and the database says the same."""
        lease = state[0]
        return bool(lease.left and state[2 + lease.node].trust)

    def steps(self, state: State) -> Iterator[Step]:
        lease: Lease = state[0]
        clocks = self.clocks
        aged = [self._older(state[2 + node]) for node in range(2)]
        yield Step("time goes on", (lease._replace(left=max(0, lease.left - 1)), (), *aged))
        if lease.hurried and lease.left:
            ahead = lease._replace(left=lease.left - 1, hurried=lease.hurried - 1)
            yield Step("the database's clock jumps ahead", (ahead, *state[1:]))
        for index, name in enumerate(NODES):
            node: Node = state[2 + index]
            if node.jumps:
                rest = node._replace(jumps=node.jumps - 1)
                if node.trust:
                    set_back = rest._replace(trust=node.trust + 1)
                    yield Step(f"{name}'s clock is set back", self._with(state, index, set_back))
            yield Step(f"{name} dies and starts again", self._with(state, index, Node(jumps=node.jumps)))
            if not node.asked:
                yield Step(f"{name} asks for the lease", self._with(state, index, node._replace(asked=(SENT, 0))))
            elif node.asked[0] == SENT:
                if lease.node == index or not lease.left:
                    given = lease._replace(node=index, left=clocks.lease)
                    done = node._replace(asked=(DONE, node.asked[1]))
                    words = f"the database gives the lease to {name}"
                    yield Step(words, self._with((given, *state[1:]), index, done))
                refused = node._replace(asked=(), trust=0 if lease.node not in (index, -1) else node.trust)
                yield Step(f"{name} does not get the lease", self._with(state, index, refused))
            else:
                counted = clocks.lease - clocks.margin - (node.asked[1] if clocks.from_before else 0)
                trusting = node._replace(asked=(), trust=max(node.trust, counted, 0))
                yield Step(f"{name} reads that it has the lease", self._with(state, index, trusting))
                yield Step(f"{name} gets no answer", self._with(state, index, node._replace(asked=())))

    def _older(self, node: Node) -> Node:
        asked: tuple[Any, ...] = node.asked
        if asked:
            asked = asked[0], min(asked[1] + 1, self.clocks.lease)
        return node._replace(trust=max(0, node.trust - 1), asked=asked)

    def _with(self, state: State, index: int, node: Node) -> State:
        return (*state[: 2 + index], node, *state[3 + index :])
