"""How nodes share one database and one exchange account, as a model: what can happen next in every state.

What is left out, and why nothing is lost by it:

- **The lease's clock.** ``until`` may pass at any moment: whoever does not hold a symbol may claim it at any time.
  What is shown here holds whatever clocks say; what clocks are for is in ``lease.py``.
- **Epochs are compared for equality alone**, so that of the lease row is always ``NOW``, and a claim makes all
  others older: the number of claims has no bound. What a node would commit under an epoch that will never again be
  that of the lease row can only be refused; it is left out (``reduced``), but not a signed frame that it may send.
- **Pauses, cuts, crashes** have no step of their own: no step ever has to happen, so each process may stand still
  between any two, and may let go of a symbol at each, as one that was killed does.
- **A commit** is one moment at the database. Until then it is under way and its node waits. A commit that was
  applied and answered with an error is one that was read back and found. One that was not found is over, as the
  reading waited for the lock of the row. What a dying process had under way may still be applied (``orphans``).
- **Time at the exchange** is, for each frame, before its deadline, after it, or after the grace too: any frame may
  be slower than any other. A frame that is under way at its deadline got in just before it, or is refused.
- **The user stream, lost replies, lost requests**: an answer may never be read; a node may look at any time.
- **Request rows** of verbs: whoever holds the symbol may be told anything at any time.
"""

from collections.abc import Iterator
from typing import Any

from naived.core.orders.intent import Side
from tests.model.checker import State as Whole
from tests.model.checker import Step
from tests.model.values import (
    ABANDONED,
    ABSENT,
    ACCEPTED,
    AFTER_GRACE,
    AWAITED,
    BEFORE_DEADLINE,
    BEFORE_GRACE,
    CANCELLED,
    COMPARE,
    DRAINED,
    EXECUTED,
    FILLED,
    HELD,
    INSIDE,
    INTENDED,
    LIVE,
    NOBODY,
    NODES,
    NONE,
    NOT_PLACED,
    NOTHING,
    NOW,
    OFF,
    OLD,
    ON,
    OPEN,
    REFUSED,
    REJECTED,
    RESTING,
    RULES,
    SEEN,
    SHUTDOWN,
    STATES,
    STATUS,
    STATUSES,
    TAKEN_BACK,
    TIED_UP,
    TRANSIT,
    UNKNOWN,
    UNSENT,
    UNSIGNED,
    WRITE,
    Bounds,
    Frame,
    Hold,
    Order,
    Rest,
    Row,
    Rules,
    Symbol,
    Transaction,
    acknowledged,
    found,
    harmless,
    is_attempt,
    mirrored,
    older,
    owns,
    put,
    symbol_name,
    with_hold,
    with_order,
)


class Protocol:
    """The model; a state is (database, outside, node A, node B, the rest)."""

    def __init__(self, bounds: Bounds, rules: Rules = RULES, *, reduced: bool = True) -> None:
        self.bounds = bounds
        self.rules = rules
        self._fresh = Order((Frame(),) * bounds.frames)
        # What a node with an older epoch would still commit is refused for ever: such commits are left out.
        self._reduces = reduced and rules.checks_epoch == "always"
        if bounds.failovers and not self._reduces:
            raise ValueError("after a failover only commits that check the epoch are modelled")

    def initial(self) -> Whole:
        bounds = self.bounds
        symbol = Symbol(-1, NOW, ON, True, (Row(),) * bounds.orders)
        nobody = (NOTHING,) * bounds.symbols
        return (
            (symbol,) * bounds.symbols,
            ((self._fresh,) * bounds.orders,) * bounds.symbols,
            nobody,
            nobody,
            Rest(((),) * bounds.symbols, (), bounds.failovers, True),
        )

    def alike(self, state: Whole) -> tuple[Whole, ...]:
        """The state with its symbols in a certain order, as all are alike; both orders if none is first."""
        if self.bounds.symbols == 1:
            return (state,)
        database, outside, one, other, rest = state
        first, second = ((outside[place], *database[place][1:]) for place in range(2))
        if first < second:
            return (state,)
        past = tuple(each[::-1] for each in rest.past)
        rest = rest._replace(orphans=rest.orphans[::-1], past=past)
        turned = database[::-1], outside[::-1], one[::-1], other[::-1], rest
        return (turned,) if second < first else (state, turned)

    def mirrored(self, state: Whole) -> Whole:
        database, outside, one, other, rest = state
        orphans = tuple((1 - each[0], each[1]) if each else each for each in rest.orphans)
        past = tuple(map(mirrored, rest.past))
        return mirrored(database), outside, other, one, rest._replace(orphans=orphans, past=past)

    def broken(self, state: Whole) -> str | None:
        """What a person would find wrong: rows that contradict the exchange, more orders than there may be."""
        for symbol, orders in zip(state[0], state[1], strict=True):
            if not symbol.compared:
                continue
            for row, order in zip(symbol.rows, orders, strict=True):
                if order.at in (RESTING, EXECUTED) and row.state not in (INTENDED, UNKNOWN, OPEN, FILLED):
                    return f"the exchange has an order whose row says {STATES[row.state]}"
                if order.at == ABSENT and row.state in (OPEN, FILLED):
                    return f"a row says {STATES[row.state]} of an order that never was"
        return None

    def settled(self, state: Whole) -> bool:
        """Everything is known: rows and exchange agree, and one node trades each symbol."""
        for place, (symbol, orders) in enumerate(zip(state[0], state[1], strict=True)):
            for row, order in zip(symbol.rows, orders, strict=True):
                if row.state in (NOT_PLACED, INTENDED, UNKNOWN) or row.state != SEEN.get(order.at, row.state):
                    return False
            holds = [state[2 + node][place] for node in range(2)]
            if not any(owns(symbol, node, hold.epoch) and hold.believes for node, hold in enumerate(holds)):
                return False
        return True

    def steps(self, state: Whole) -> Iterator[Step]:
        for place in range(self.bounds.symbols):
            yield from self._exchange_steps(state, place)
            if state[4].orphans[place]:
                yield from self._orphan_steps(state, place)
            for node in range(2):
                hold: Hold = state[2 + node][place]
                if hold.epoch == NOBODY:
                    yield from self._claim(state, node, place, hold)
                    continue
                yield from self._let_go(state, node, place, hold)
                if hold.commit:
                    yield from self._commit(state, node, place, hold)
                elif self._reduces and hold.epoch == OLD:
                    pass
                elif not hold.believes:
                    yield self._load(state, node, place, hold)
                else:
                    yield from self._decide(state, node, place, hold)
                yield from self._send(state, node, place, hold)
        if self.bounds.failovers:
            yield from self._failover_steps(state)

    # The exchange and its time

    def _exchange_steps(self, state: Whole, place: int) -> Iterator[Step]:
        symbol: Symbol = state[0][place]
        for number, order in enumerate(state[1][place]):
            name = self._name(place, number)
            if order.at == RESTING:
                executed = order._replace(at=EXECUTED, cancel=False)
                yield Step(f"the exchange executes {name}", with_order(state, place, number, executed))
            if order.cancel:
                unwanted = symbol.compared and not symbol.rows[number].cancelling
                wrong = "an order was cancelled that no row wants cancelled" if unwanted else None
                taken = order._replace(at=TAKEN_BACK, cancel=False)
                yield Step(f"the exchange cancels {name}", with_order(state, place, number, taken), wrong)
                late = order._replace(cancel=False)
                yield Step(f"the cancel of {name} comes too late", with_order(state, place, number, late))
            for index, frame in enumerate(order.frames):
                if frame.phase != UNSIGNED:
                    yield from self._frame_steps(state, place, number, order, index, frame)

    def _frame_steps(
        self, state: Whole, place: int, number: int, order: Order, index: int, frame: Frame
    ) -> Iterator[Step]:
        name = f"frame {index + 1} of {self._name(place, number)}"

        def to(state_: int, phase: int = frame.phase, at: int = order.at) -> Whole:
            frames = put(order.frames, index, Frame(state_, phase))
            return with_order(state, place, number, order._replace(frames=frames, at=at))

        if frame.state in (TRANSIT, INSIDE):
            if order.at == RESTING:
                yield Step(f"the exchange refuses {name} as a duplicate", to(ACCEPTED, AFTER_GRACE))
            else:
                wrong = self._accepting(state, place, number, order, index)
                yield Step(f"the exchange accepts {name}", to(ACCEPTED, AFTER_GRACE, RESTING), wrong)
            yield Step(f"the exchange refuses {name}", to(REFUSED))
        if frame.phase == BEFORE_DEADLINE:
            if frame.state == TRANSIT:
                yield Step(f"the deadline of {name} passes, it got in just before", to(INSIDE, BEFORE_GRACE))
                yield Step(f"the deadline of {name} passes, it comes too late", to(REFUSED, BEFORE_GRACE))
            else:
                yield Step(f"the deadline of {name} passes", to(frame.state, BEFORE_GRACE))
        elif frame.phase == BEFORE_GRACE and (
            frame.state != INSIDE or not self.rules.within_grace or not self.rules.signs_once
        ):
            yield Step(f"the grace of {name} passes", to(frame.state, AFTER_GRACE))

    def _accepting(self, state: Whole, place: int, number: int, order: Order, index: int) -> str | None:
        """What is wrong with this acceptance."""
        if order.at != ABSENT:
            return "an order was placed twice under one id"
        symbol: Symbol = state[0][place]
        row = symbol.rows[number]
        if symbol.compared and (row.state not in (INTENDED, UNKNOWN) or row.timestamp != index):
            return f"a frame was accepted whose row says {STATES[row.state]}, frame {row.timestamp + 1}"
        counted = state[1] if self.bounds.side is Side.BUY else (state[1][place],)
        live = sum(each.at in (RESTING, EXECUTED) for orders in counted for each in orders)
        if live >= self.bounds.cap:
            return (
                "more was bought than the cap" if self.bounds.side is Side.BUY else "the same coins were sold twice"
            )
        return None

    # Leases

    def _claim(self, state: Whole, node: int, place: int, hold: Hold) -> Iterator[Step]:
        symbol: Symbol = state[0][place]
        if not self.rules.loads_after_claim and not hold.believes:
            early = with_hold(state, node, place, hold._replace(believes=symbol.rows, status=symbol.status))
            yield Step(f"{NODES[node]} reads the rows of {symbol_name(place)} before it claims it", early)
        if not self.rules.restarts_claim_anew and symbol.node == node:
            resumed = with_hold(state, node, place, hold._replace(epoch=NOW))
            yield Step(f"{NODES[node]} starts again and goes on with its lease of {symbol_name(place)}", resumed)
        claimed = self._written(state, place, symbol._replace(node=node))
        database, outside, *holds, rest = claimed
        past = tuple(put(each, place, each[place]._replace(epoch=each[place].epoch - 1)) for each in rest.past)
        mine = hold._replace(epoch=NOW, believes=found(hold.believes))
        other = holds[1 - node][place]
        holds[node] = put(holds[node], place, mine)
        holds[1 - node] = put(holds[1 - node], place, older(other))
        orphans = rest.orphans
        if orphans[place]:
            owner, commit = orphans[place]
            orphans = put(orphans, place, (owner, commit._replace(epoch=max(OLD, commit.epoch - 1))))
        after = self._outdated((database, outside, *holds, rest._replace(past=past, orphans=orphans)), place)
        yield Step(f"{NODES[node]} claims {symbol_name(place)}", after)

    def _outdated(self, state: Whole, place: int) -> Whole:
        """Without what nodes and orphans have of an epoch that will never again be that of the lease row."""
        leases = [database[place] for database in (state[0], *state[4].past)]
        rest: Rest = state[4]
        if rest.orphans[place]:
            owner, commit = rest.orphans[place]
            if self._epoch_matters(commit) and not any(owns(lease, owner, commit.epoch) for lease in leases):
                state = (*state[:4], rest._replace(orphans=put(rest.orphans, place, ())))
                state = self._unwritten(state, place, commit)
        for node in range(2):
            hold: Hold = state[2 + node][place]
            if hold.epoch in (NOBODY, OLD) and not (hold.commit or hold.believes):
                continue
            if self._reduces and not any(owns(lease, node, hold.epoch) for lease in leases):
                for commit in hold.commit:
                    state = self._unwritten(state, place, commit)
                state = with_hold(state, node, place, harmless(hold))
        return state

    def _load(self, state: Whole, node: int, place: int, hold: Hold) -> Step:
        symbol: Symbol = state[0][place]
        believes, sends = found(symbol.rows), hold.sends
        if self.rules.sends_what_it_finds:
            number = next((number for number, row in enumerate(symbol.rows) if row.state == INTENDED), None)
            if number is not None:
                believes, sends = symbol.rows, (number, symbol.rows[number].timestamp, HELD)
        loaded = hold._replace(believes=believes, status=symbol.status, sends=sends)
        return Step(f"{NODES[node]} reads the rows of {symbol_name(place)}", with_hold(state, node, place, loaded))

    def _let_go(self, state: Whole, node: int, place: int, hold: Hold) -> Iterator[Step]:
        """Killed, drained, or its lease is past: its frames and commits under way stay under way."""
        words = f"{NODES[node]} dies or lets go of {symbol_name(place)}"
        if not hold.commit:
            yield Step(words, with_hold(state, node, place, NOTHING))
            return
        yield Step(words, self._forgotten(state, node, place, hold.commit[0], NOTHING))
        orphaned = self._orphaned(state, node, place, hold.commit[0], NOTHING)
        if orphaned is not None:
            yield Step(f"{words}, its commit still under way", orphaned)

    def _orphaned(self, state: Whole, node: int, place: int, commit: Transaction, after: Hold) -> Whole | None:
        rest: Rest = state[4]
        useless = self._epoch_matters(commit) and not owns(state[0][place], node, commit.epoch)
        if rest.orphans[place] or useless:
            return None
        orphans = put(rest.orphans, place, (node, commit))
        return with_hold((*state[:4], rest._replace(orphans=orphans)), node, place, after)

    def _orphan_steps(self, state: Whole, place: int) -> Iterator[Step]:
        rest: Rest = state[4]
        node, commit = rest.orphans[place]
        without = (*state[:4], rest._replace(orphans=put(rest.orphans, place, ())))
        yield Step(
            f"the commit that {NODES[node]} left for {symbol_name(place)} is rolled back",
            self._unwritten(without, place, commit),
        )
        applied, wrong = self._apply(without, node, place, commit)
        if applied is not None:
            yield Step(
                f"the commit that {NODES[node]} left is applied: {self._told(place, commit)}", applied, wrong
            )

    # Transactions

    def _epoch_matters(self, commit: Transaction) -> bool:
        checked = self.rules.checks_epoch
        return checked == "always" or (checked == "intents" and is_attempt(commit))

    def _apply(self, state: Whole, node: int, place: int, commit: Transaction) -> tuple[Whole | None, str | None]:
        """The state after the transaction, None if it is rolled back; and what it breaks."""
        database = state[0]
        symbol: Symbol = database[place]
        if self._epoch_matters(commit) and not owns(symbol, node, commit.epoch):
            return None, None
        if not symbol.compared and commit.kind != COMPARE and self.rules.checks_timeline:
            return None, None
        wrong = None
        if commit.kind == WRITE:
            if is_attempt(commit):
                refused, wrong = self._refuses(database, place, commit)
                if refused:
                    return None, None
            after = symbol._replace(rows=put(symbol.rows, commit.order, commit.value))
        elif commit.kind == COMPARE:
            after = symbol._replace(rows=commit.value, compared=True)
        elif commit.kind == STATUS:
            after = symbol._replace(status=commit.value)
        else:
            if symbol.status != SHUTDOWN and self.rules.drained_from_shutdown:
                return None, None
            wrong = None if symbol.status == SHUTDOWN else f"a symbol that is {STATUSES[symbol.status]} was drained"
            after = symbol._replace(status=OFF)
        return self._written(state, place, after), wrong

    def _refuses(self, database: tuple[Symbol, ...], place: int, commit: Transaction) -> tuple[bool, str | None]:
        """Is a new attempt rolled back? And what it breaks if not."""
        rules, symbol = self.rules, database[place]
        wanted = symbol.status == ON
        if rules.compares_all and not all(each.compared for each in database):
            return True, None
        live = [number for number, row in enumerate(symbol.rows) if row.state in LIVE and number != commit.order]
        if (live and rules.one_live_intent) or not self._has_room(database, place, commit):
            return True, None
        return rules.checks_status and not wanted, None if wanted else "an order was decided after the stop"

    def _has_room(self, database: tuple[Symbol, ...], place: int, commit: Transaction) -> bool:
        """Of buys: the account has room for a new one."""
        if self.bounds.side is not Side.BUY or commit.value.attempt > 1:
            return True
        if not self.rules.exposure_in_transaction:
            return commit.fitted
        return self._room(database, place, commit.order)

    def _room(self, database: tuple[Symbol, ...], place: int, number: int) -> bool:
        others = (
            row
            for at, symbol in enumerate(database)
            for index, row in enumerate(symbol.rows)
            if (at, index) != (place, number)
        )
        return sum(row.state in TIED_UP for row in others) < self.bounds.cap

    def _commit(self, state: Whole, node: int, place: int, hold: Hold) -> Iterator[Step]:
        commit: Transaction = hold.commit[0]
        told = self._told(place, commit)
        applied, wrong = self._apply(state, node, place, commit)
        if applied is not None:
            after = self._unsigned(applied, place, hold, commit)
            after = with_hold(after, node, place, acknowledged(hold))
            yield Step(f"{NODES[node]} commits {told}", after, wrong)
        else:
            ours = owns(state[0][place], node, commit.epoch) or not self._epoch_matters(commit)
            refused = Hold(hold.epoch) if ours and state[0][place].compared else NOTHING
            words = f"the database refuses {NODES[node]} {told}"
            yield Step(words, self._forgotten(state, node, place, commit, refused))
        words = f"{NODES[node]} gets an error for {told}"
        if self.rules.after_doubt == "read under lock":
            unknown = self._forgotten(state, node, place, commit, Hold(hold.epoch))
            yield Step(f"{words} and reads that it was not written", unknown)
            return
        lasting = Hold(hold.epoch) if self.rules.after_doubt == "read without lock" else NOTHING
        orphaned = self._orphaned(state, node, place, commit, lasting)
        yield Step(f"{words}, it is not written", self._forgotten(state, node, place, commit, lasting))
        if orphaned is not None:
            yield Step(f"{words}, it is not written yet", orphaned)

    def _unsigned(self, state: Whole, place: int, hold: Hold, commit: Transaction) -> Whole:
        """A frame that nobody holds any more, and no row knows, is none. A failover could bring such a row back."""
        if commit.kind != WRITE or commit.value.state != NOT_PLACED or self.bounds.failovers:
            return state
        before = hold.believes[commit.order]
        order: Order = state[1][place][commit.order]
        if before.state != INTENDED or order.frames[before.timestamp].state != UNSENT:
            return state
        order = order._replace(frames=put(order.frames, before.timestamp, Frame()))
        return with_order(state, place, commit.order, order)

    # What a node decides

    def _decide(self, state: Whole, node: int, place: int, hold: Hold) -> Iterator[Step]:
        bounds, orders = self.bounds, state[1][place]
        name = NODES[node]
        if bounds.failovers and not state[0][place].compared:
            if state[4].waited or not self.rules.waits_after_failover:
                yield self._compare(state, node, place, hold)
            if self.rules.checks_timeline:
                return  # whatever else it decides would be refused
        if hold.sends:
            yield from self._answers(state, node, place, hold)
        elif hold.status == ON and not any(row.state in (NOT_PLACED, *LIVE) for row in hold.believes):
            sold = self.bounds.side is Side.SELL and any(row.state == FILLED for row in hold.believes)
            number = next((number for number, order in enumerate(orders) if order == self._fresh), None)
            if number is not None and not sold:
                fitted = self.rules.exposure_in_transaction or self._room(state[0], place, number)
                yield from self._admit(state, node, place, hold, number, Row(), fitted)
        for number, row in enumerate(hold.believes):
            order: Order = orders[number]
            if row.state == NOT_PLACED and hold.status == ON:
                if row.cancelling:
                    yield self._submit(state, node, place, hold, number, row._replace(state=ABANDONED))
                else:
                    yield from self._admit(state, node, place, hold, number, row)
            elif row.state == UNKNOWN or (row.state == OPEN and order.at in (EXECUTED, TAKEN_BACK)):
                learned = self._looked(order, row)
                if learned is not None:
                    words = f"{name} looks for {self._name(place, number)}: {STATES[learned.state]}"
                    yield self._submit(state, node, place, hold, number, learned, words)
            if (
                bounds.cancels
                and not hold.cancels
                and (row.state == OPEN or (row.state == UNKNOWN and not row.cancelling))
            ):
                # An open order that is cancelling already: its cancel is repeated, with a new timestamp.
                words = f"{name} wants {self._name(place, number)} cancelled"
                yield self._submit(state, node, place, hold, number, row._replace(cancelling=True), words)
        if bounds.verbs:
            for status in (OFF, SHUTDOWN, ON):
                if status != hold.status:
                    commit = Transaction(STATUS, hold.epoch, 0, status)
                    after = hold._replace(commit=(commit,))
                    yield Step(f"{name} is told {STATUSES[status]}", with_hold(state, node, place, after))
            if hold.status == SHUTDOWN and not any(row.state in (NOT_PLACED, *LIVE) for row in hold.believes):
                after = hold._replace(commit=(Transaction(DRAINED, hold.epoch, 0, OFF),))
                yield Step(f"{name} has drained {symbol_name(place)}", with_hold(state, node, place, after))

    def _looked(self, order: Order, row: Row) -> Row | None:
        """What a query tells of an order; None: nothing yet."""
        if order.at != ABSENT:
            return row._replace(state=SEEN[order.at])
        signed = order.frames[row.timestamp].phase
        if signed != AFTER_GRACE and self.rules.absence_behind_fence:
            return None
        return self._absent(row)

    def _absent(self, row: Row) -> Row:
        given_up = self.bounds.side is Side.BUY or row.cancelling
        return row._replace(state=ABANDONED if given_up else NOT_PLACED)

    def _answers(self, state: Whole, node: int, place: int, hold: Hold) -> Iterator[Step]:
        number, index, doing = hold.sends
        row, name = hold.believes[number], self._name(place, number)
        if row.state != INTENDED:
            return
        done = hold._replace(sends=())
        if doing == HELD:
            unsent = row._replace(state=NOT_PLACED, attempt=row.attempt - 1)
            yield self._submit(state, node, place, done, number, unsent, f"{NODES[node]} does not send {name}")
            return
        frame = state[1][place][number].frames[index]
        if frame.state == ACCEPTED:
            words = f"{NODES[node]} reads that {name} was accepted"
            yield self._submit(state, node, place, done, number, row._replace(state=OPEN), words)
        elif frame.state == REFUSED:
            refused = row._replace(state=REJECTED if row.attempt == 1 else UNKNOWN)
            words = f"{NODES[node]} reads that {name} was refused"
            yield self._submit(state, node, place, done, number, refused, words)
        words = f"{NODES[node]} gets no answer about {name}"
        yield self._submit(state, node, place, done, number, row._replace(state=UNKNOWN), words)

    def _submit(
        self, state: Whole, node: int, place: int, hold: Hold, number: int, row: Row, words: str = ""
    ) -> Step:
        commit = Transaction(WRITE, hold.epoch, number, row)
        words = words or f"{NODES[node]} decides that {self._name(place, number)} is {STATES[row.state]}"
        return Step(words, with_hold(state, node, place, hold._replace(commit=(commit,))))

    def _admit(
        self, state: Whole, node: int, place: int, hold: Hold, number: int, row: Row, fitted: bool = True
    ) -> Iterator[Step]:
        """Stamp the next attempt with its timestamp, and so its deadline, and hand it to the database."""
        order: Order = state[1][place][number]
        index = next((index for index, frame in enumerate(order.frames) if frame == Frame()), None)
        name = self._name(place, number)
        if index is None:
            # Here the world ends: more frames are not looked at.
            yield self._submit(state, node, place, hold, number, row._replace(state=REJECTED))
            return
        signed = order._replace(frames=put(order.frames, index, Frame(UNSENT, BEFORE_DEADLINE)))
        commit = Transaction(WRITE, hold.epoch, number, Row(INTENDED, row.attempt + 1, index), fitted)
        after = with_hold(state, node, place, hold._replace(commit=(commit,)))
        words = f"{NODES[node]} decides attempt {row.attempt + 1} of {name}, frame {index + 1}"
        yield Step(words, with_order(after, place, number, signed))

    def _send(self, state: Whole, node: int, place: int, hold: Hold) -> Iterator[Step]:
        if hold.sends and hold.sends[2] == HELD and hold.status == ON and not hold.commit:
            number, index, _ = hold.sends
            order: Order = state[1][place][number]
            frame = order.frames[index]
            wrong = None if frame.state == UNSENT else "a frame was sent twice"
            late = REFUSED if self.rules.signs_once else INSIDE
            sent = TRANSIT if frame.phase == BEFORE_DEADLINE else late
            frames = put(order.frames, index, frame._replace(state=sent))
            after = with_hold(state, node, place, self._sent(hold))
            words = f"{NODES[node]} sends frame {index + 1} of {self._name(place, number)}"
            if sent == REFUSED:
                words += ", too late"
            yield Step(words, with_order(after, place, number, order._replace(frames=frames)), wrong)
        if hold.cancels:
            yield from self._send_cancel(state, node, place, hold)

    def _send_cancel(self, state: Whole, node: int, place: int, hold: Hold) -> Iterator[Step]:
        number, phase = hold.cancels
        order: Order = state[1][place][number]
        words = f"the cancel of {self._name(place, number)}"
        done = hold._replace(cancels=())
        if self._reduces and hold.epoch == OLD:
            done = harmless(done)
        sent = with_order(state, place, number, order._replace(cancel=order.at == RESTING))
        yield Step(f"{NODES[node]} sends {words}", with_hold(sent, node, place, done))
        if phase == BEFORE_DEADLINE:
            after = done if self.rules.cancel_signed_at_commit else hold._replace(cancels=(number, AFTER_GRACE))
            yield Step(f"the deadline of {words} by {NODES[node]} passes", with_hold(state, node, place, after))

    def _sent(self, hold: Hold) -> Hold:
        if self._reduces and hold.epoch == OLD:
            return harmless(hold._replace(sends=()))
        return hold._replace(sends=(*hold.sends[:2], AWAITED))

    # Failover

    def _failover_steps(self, state: Whole) -> Iterator[Step]:
        database, outside, *nodes, rest = state
        if rest.failovers:
            for lost, earlier in enumerate(rest.past, start=1):
                after: Whole = (
                    database,
                    outside,
                    *nodes,
                    rest._replace(past=(), failovers=rest.failovers - 1, waited=False),
                )
                for place, symbol in enumerate(earlier):
                    after = self._gone_back(after, place, symbol)
                yield Step(f"the database fails over and has lost {lost} commits", after)
        if not rest.waited and all(
            self._is_over(outside[place][number], place, number, nodes)
            for place in range(self.bounds.symbols)
            for number in range(self.bounds.orders)
        ):
            yield Step(
                "all that was signed before the failover is behind its fence",
                (*state[:4], rest._replace(waited=True)),
            )

    def _gone_back(self, state: Whole, place: int, symbol: Symbol) -> Whole:
        """The lease of before is the present one; commits under way are lost with their connections."""
        back = symbol._replace(epoch=NOW, compared=False)
        database, rest = put(state[0], place, back), state[4]
        state = (database, *state[1:4], rest._replace(orphans=put(rest.orphans, place, ())))
        for node in range(2):
            hold: Hold = state[2 + node][place]
            if hold.epoch == NOBODY:
                continue
            if hold.commit:
                hold = Hold(hold.epoch, sends=hold.sends, cancels=hold.cancels)
            after = hold._replace(epoch=NOW) if owns(symbol, node, hold.epoch) else harmless(hold)
            state = with_hold(state, node, place, after)
        return state

    def _is_over(self, order: Order, place: int, number: int, nodes: list[Any]) -> bool:
        held = {hold[place].sends[:2] for hold in nodes if hold[place].sends}
        frames = all(
            frame.phase == AFTER_GRACE or (frame.state == UNSENT and (number, index) not in held)
            for index, frame in enumerate(order.frames)
        )
        cancels = any(hold[place].cancels == (number, BEFORE_DEADLINE) for hold in nodes)
        return frames and not order.cancel and not cancels

    def _compare(self, state: Whole, node: int, place: int, hold: Hold) -> Step:
        rows = tuple(map(self._compared, hold.believes, state[1][place]))
        commit = Transaction(COMPARE, hold.epoch, 0, rows)
        after = hold._replace(commit=(commit,))
        words = f"{NODES[node]} compares {symbol_name(place)} with the exchange"
        return Step(words, with_hold(state, node, place, after))

    def _compared(self, row: Row, order: Order) -> Row:
        if row.state in (FILLED, CANCELLED, REJECTED, ABANDONED):
            return row
        if row.state == NOT_PLACED and not self.rules.compares_not_placed:
            return row
        if order.at != ABSENT:
            attempt = max(row.attempt, 1)
            return row._replace(state=SEEN[order.at], attempt=attempt)
        if row.state == NONE:
            return row
        if row.state != NOT_PLACED and order.frames[row.timestamp].phase != AFTER_GRACE:
            return row._replace(state=UNKNOWN)
        return self._absent(row)

    # Parts of a state

    def _written(self, state: Whole, place: int, symbol: Symbol) -> Whole:
        database, rest = state[0], state[4]
        after = put(database, place, symbol)
        if not rest.failovers:
            return after, *state[1:]
        state = (after, *state[1:4], rest._replace(past=(database, *rest.past)[: self.bounds.lost]))
        for each in range(self.bounds.symbols):
            state = self._outdated(state, each)
        return state

    def _forgotten(self, state: Whole, node: int, place: int, commit: Transaction, after: Hold) -> Whole:
        """A commit came to nothing; its client order id was never used, if it was a new one."""
        return self._unwritten(with_hold(state, node, place, after), place, commit)

    def _unwritten(self, state: Whole, place: int, commit: Transaction) -> Whole:
        """Its frame was never signed for anybody, nor was its client order id ever used, if it was a new one."""
        if not is_attempt(commit):
            return state
        order: Order = state[1][place][commit.order]
        order = order._replace(frames=put(order.frames, commit.value.timestamp, Frame()))
        return with_order(state, place, commit.order, order)

    def _name(self, place: int, number: int) -> str:
        return f"order {number + 1}" if self.bounds.symbols == 1 else f"order {number + 1} of {symbol_name(place)}"

    def _told(self, place: int, commit: Transaction) -> str:
        if commit.kind == WRITE:
            row = commit.value
            wanted = ", cancelling" if row.cancelling else ""
            return f"({self._name(place, commit.order)}: {STATES[row.state]}, attempt {row.attempt}{wanted})"
        if commit.kind == COMPARE:
            return f"({symbol_name(place)} is compared: {', '.join(STATES[row.state] for row in commit.value)})"
        return f"(status {STATUSES[commit.value]})" if commit.kind == STATUS else "(drained: status off)"
