"""``why``: one order's life, from the trade that decided it to its end."""

from typing import Any

from naived.control import messages
from naived.control.call import Call
from naived.control.caller import Caller
from naived.control.lookup import check
from naived.control.orders import order
from naived.control.protocol import encode_body, format_time
from naived.control.requests import Params
from naived.control.service import Service
from naived.core.amount import format_amount
from naived.core.orders.state import OrderState
from naived.ports import JournalError, OrderStory

Document = dict[str, Any]


async def why(service: Service, params: Params, caller: Caller) -> bytes:
    """The answer; raises ControlError if no order, or more than one, has an id that begins so."""
    (name,) = params["symbols"]
    await check(service, Call(name, {}, caller, changes=False))
    beginning = params["client_order_id"]
    try:
        found = await service.journal.stories(name, beginning)
    except JournalError as error:
        raise messages.unread(error) from error
    if not found:
        raise messages.no_such_order(name, beginning)
    if len(found) > 1:
        raise messages.several_orders(name, beginning, [story.order.client_order_id for story in found])
    (story,) = found
    return encode_body({"v": 1, "symbol": name, "order": order(story.order), "life": _life(story)})


def _life(story: OrderStory) -> list[Document]:
    """What happened to it, each with its time; of one moment the cause comes first."""
    order = story.order
    intent = order.intent
    offer = f"{intent.side} {format_amount(intent.quantity)} at {format_amount(intent.price)}"
    # The trade has the exchange's own time, which the clock that dates the intent only estimates.
    decided_at = min(order.decided_at, order.created_at)
    moments = [
        (decided_at, "decided", f"{offer}, by {intent.symbol}-{intent.trader} on a trade of this moment"),
        (order.created_at, "durable", "written to the journal before anything was sent"),
        *_sends(order),
        *(
            (
                fill.time,
                "fill",
                f"{format_amount(fill.quantity)} at {format_amount(fill.price)}, fee {format_amount(fill.fee)} "
                f"{fill.fee_asset}, trade {fill.trade_id}",
            )
            for fill in order.fills
        ),
        *((event.at, event.kind, event.message) for event in story.events),
    ]
    if order.reason is not None or not any(event.kind == str(order.state) for event in story.events):
        moments.append((order.updated_at, str(order.state), order.reason or "as last told"))
    moments.sort(key=lambda moment: moment[0])
    return [{"at": format_time(at), "what": what, "text": text} for at, what, text in moments]


def _sends(order: OrderState) -> list[tuple[int, str, str]]:
    if order.timestamp is None or not order.attempt:
        return []
    fence = "" if order.fence is None else f"; the exchange refuses it after {format_time(order.fence)}"
    which = "the first and only time" if order.attempt == 1 else f"attempt {order.attempt}, under the same id"
    return [(order.timestamp, "signed", f"to be sent once: {which}{fence}")]
