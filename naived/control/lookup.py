"""Finds the symbol of a name: a configured one, or one that the exchange lists."""

import trio

from naived.control import listing_messages, messages
from naived.control.call import Call
from naived.control.requests import is_symbol
from naived.control.service import Service
from naived.ports import ExchangeError, JournalError
from naived.runtime.listing import UnknownNamesError
from naived.runtime.symbol_task import Symbol


async def find(service: Service, call: Call) -> Symbol | None:
    """The configured symbol; None if it is listed and was never configured. Raises ControlError.

    So it does for one whose rows cannot be read: nothing of it is known here. Where nodes share the database a
    symbol that nobody has is taken for this one.
    """
    name, symbol = call.name, service.supervisor.symbols.get(call.name)
    if symbol is None and await _stored(service, call):
        symbol = await service.configure(call)  # no node has it, or this one does not know yet which
    elif symbol is None:
        await _look_up(service, call)
        symbol = service.supervisor.symbols.get(name)
    if symbol is not None and symbol.unread is not None:
        raise messages.unread_symbol(name, symbol.unread)
    return symbol


async def check(service: Service, call: Call) -> None:
    """Raises ControlError if the symbol was never configured and is not listed, or if that is not known."""
    if call.name not in service.supervisor.symbols and not await _stored(service, call):
        await _look_up(service, call)


async def _look_up(service: Service, call: Call) -> None:
    """Raises ControlError unless the exchange lists the symbol."""
    name = call.name
    if service.session.away is None and service.session.unread is None:
        with trio.move_on_at(call.patience.deadline):
            await service.session.usable()
    try:
        with trio.fail_at(call.until_stored):
            listed = await service.listing.info(name)
    except UnknownNamesError as error:
        raise listing_messages.not_looked_for(name, error) from error
    except trio.TooSlowError as error:
        raise listing_messages.not_told_in_time(name) from error
    except ExchangeError as error:
        raise listing_messages.not_told(name, error) from error
    if listed is None:
        raise listing_messages.unlisted(name)


async def _stored(service: Service, call: Call) -> bool:
    """Was the symbol ever configured, by any node? Raises ControlError if it is no name, or nothing answers."""
    if not is_symbol(call.name):
        raise listing_messages.not_a_name(call.name)
    if service.keeper is None:
        return False  # this node knows every one that was
    try:
        with trio.fail_at(call.until_stored):
            return bool(await service.journal.load(call.name))
    except JournalError as error:
        raise messages.away(call.name, error) from error
    except trio.TooSlowError as error:
        raise messages.away(call.name) from error
