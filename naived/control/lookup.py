"""Finds the symbol of a name: a configured one, or one that the exchange lists."""

import trio

from naived.control import messages
from naived.control.call import LEAST_WAIT, PATIENCE, Call
from naived.control.requests import is_symbol
from naived.control.service import Service
from naived.ports import ExchangeError
from naived.runtime.listing import UnknownNamesError
from naived.runtime.symbol_task import Symbol


async def find(service: Service, call: Call) -> Symbol | None:
    """The configured symbol; None if it is listed and was never configured. Raises ControlError."""
    name, known = call.name, service.supervisor.symbols
    if name in known:
        return known[name]
    if not is_symbol(name):
        raise messages.not_a_name(name)
    if service.session.away is None:
        with trio.move_on_at(call.patience.deadline):
            await service.session.usable()
    try:
        now = trio.current_time()
        with trio.fail_at(min(max(call.patience.deadline, now + LEAST_WAIT), now + PATIENCE)):
            listed = await service.listing.info(name)
    except UnknownNamesError as error:
        raise messages.not_looked_for(name, error) from error
    except trio.TooSlowError as error:
        raise messages.not_told_in_time(name) from error
    except ExchangeError as error:
        raise messages.not_told(name, error) from error
    if listed is None:
        raise messages.unlisted(name)
    return known.get(name)
