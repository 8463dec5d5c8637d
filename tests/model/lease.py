"""The clocks of a symbol's lease, as a model: can two nodes trust themselves at once?

Time goes in steps. A node counts down its trust on a clock of its own, from the moment when it sent the claim or
renewal that was answered. On the same clock it counts for how long the other one's heartbeat stands still; the
database counts down ``until``, which is asked for while the node has not seen that heartbeat change. A step of time
may not count for that, because the database did not answer, or the node was stopped. Between two
steps a request may be sent, reach the database, and be answered, and a node may look, or none of that: a request
may take as long as it likes. What ``protocol.py`` shows needs no clock; this is about who holds a symbol, and for
how long nobody does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

from tests.model.checker import State, Step

NODES = "AB"
UNSEEN = -1
SENT, DONE = range(2)  # of a request: under way, applied and its answer under way


class Lease(NamedTuple):
    """``left``: steps of the database's clock until it is past. ``hurried``: how often that may still jump.

    ``seen``: the other node has seen the heartbeat that is the last.
    """

    node: int
    left: int
    hurried: int
    seen: bool = False


class Node(NamedTuple):
    """``trust``: steps for which it still trusts itself. ``asked``: () or (SENT or DONE, steps since it was sent).

    ``jumps``: how often its clock may still be set back, or stand still while time goes on. ``heard``: steps until
    the other one's heartbeat has stood still for a lease, UNSEEN before a look; ``changed``: it saw it change.
    """

    trust: int = 0
    asked: tuple[int, ...] = ()
    jumps: int = 0
    heard: int = UNSEEN
    changed: bool = False


@dataclass(frozen=True)
class Clocks:
    """The rules of the lease, and what clocks do. ``lease`` and ``margin`` in steps: the lease, how early it stops.

    ``from_before``: the holder counts from before it sent the renewal. ``steady``: its clock is never set and goes
    on through a suspend; else it goes wrong ``jumps`` times by a step. ``hurries``: how often the database's clock
    jumps a step ahead. ``starts``: nodes die and start again; else each has seen the other one's heartbeat change.
    ``judged``: by what is seen of heartbeats, not by the database's clock alone. ``checked``: a claim finds the
    heartbeat that was seen.
    """

    lease: int = 6
    margin: int = 2
    from_before: bool = True
    steady: bool = True
    jumps: int = 1
    hurries: int = 0
    starts: bool = True
    judged: bool = True
    checked: bool = True


class Leasing:
    """The model; a state is (lease, nothing, node A, node B)."""

    def __init__(self, clocks: Clocks) -> None:
        self.clocks = clocks

    def initial(self) -> State:
        node = Node(jumps=0 if self.clocks.steady else self.clocks.jumps)
        if not self.clocks.starts:
            node = node._replace(heard=0)
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
        for counts in product((True, False), repeat=2):
            aged = [self._older(state[2 + node], counts=counts[node]) for node in range(2)]
            blind = " and ".join(name for name, counted in zip(NODES, counts, strict=True) if not counted)
            words = f"time goes on, unseen by {blind}" if blind else "time goes on"
            yield Step(words, (lease._replace(left=max(0, lease.left - 1)), (), *aged))
        if lease.hurried and lease.left:
            ahead = lease._replace(left=lease.left - 1, hurried=lease.hurried - 1)
            yield Step("the database's clock jumps ahead", (ahead, *state[1:]))
        for index, name in enumerate(NODES):
            node: Node = state[2 + index]
            if node.jumps:
                rest = node._replace(jumps=node.jumps - 1)
                if node.trust:
                    set_back = rest._replace(trust=node.trust + 1, heard=node.heard + (node.heard > 0))
                    yield Step(f"{name}'s clock is set back", self._with(state, index, set_back))
            if clocks.starts:
                yield Step(f"{name} dies and starts again", self._with(state, index, Node(jumps=node.jumps)))
            if lease.node == 1 - index and (node.heard == UNSEEN or not lease.seen):
                looked = node._replace(heard=clocks.lease, changed=node.heard != UNSEEN)
                found = lease._replace(seen=True), *state[1:]
                yield Step(f"{name} sees the other one's heartbeat", self._with(found, index, looked))
            if not node.asked:
                yield Step(f"{name} asks for the lease", self._with(state, index, node._replace(asked=(SENT, 0))))
            elif node.asked[0] == SENT:
                if lease.node in (index, -1) or self._is_gone(lease, node):
                    given = lease._replace(node=index, left=clocks.lease, seen=False)
                    # Of the other one's heartbeat it matters only whether it is known, until that has the lease.
                    done = node._replace(asked=(DONE, node.asked[1]), heard=min(node.heard, 0), changed=False)
                    words = f"the database gives the lease to {name}"
                    yield Step(words, self._with((given, *state[1:]), index, done))
                refused = node._replace(asked=(), trust=0 if lease.node not in (index, -1) else node.trust)
                yield Step(f"{name} does not get the lease", self._with(state, index, refused))
            else:
                counted = clocks.lease - clocks.margin - (node.asked[1] if clocks.from_before else 0)
                trusting = node._replace(asked=(), trust=max(node.trust, counted, 0))
                yield Step(f"{name} reads that it has the lease", self._with(state, index, trusting))
                yield Step(f"{name} gets no answer", self._with(state, index, node._replace(asked=())))

    def _is_gone(self, lease: Lease, node: Node) -> bool:
        """May the node claim what is the other one's?"""
        if not self.clocks.judged:
            return not lease.left
        if node.heard == UNSEEN or (self.clocks.checked and not lease.seen):
            return False
        return not node.heard or not (node.changed or lease.left)

    def _older(self, node: Node, *, counts: bool) -> Node:
        """``counts``: as time in which the other one's heartbeat stood still."""
        asked: tuple[Any, ...] = node.asked
        if asked:
            asked = asked[0], min(asked[1] + 1, self.clocks.lease)
        heard = node.heard - 1 if counts and node.heard > 0 else node.heard
        changed = node.changed and heard > 0
        return node._replace(trust=max(0, node.trust - 1), asked=asked, heard=heard, changed=changed)

    def _with(self, state: State, index: int, node: Node) -> State:
        return (*state[: 2 + index], node, *state[3 + index :])
