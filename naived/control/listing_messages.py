"""What a client is told of names that the exchange does not list, and of what it does not tell."""

from naived.control.protocol import Code, ControlError
from naived.control.requests import MAX_SYMBOL


def not_a_name(name: str) -> ControlError:
    return _unknown(name, f"{name[:MAX_SYMBOL]!a} is not a symbol")


def unlisted(name: str) -> ControlError:
    return _unknown(name, "the exchange does not list this symbol")


def not_looked_for(name: str, error: Exception) -> ControlError:
    """Too many unknown names were asked for in the last minute."""
    hint = "correct the names, or wait a minute"
    return ControlError(Code.BUSY, f"the exchange was not asked for this name: {error}", symbol=name, hint=hint)


def not_told(name: str, error: Exception) -> ControlError:
    return _unreached(name, f"the exchange did not say whether it lists this symbol: {error}")


def not_told_in_time(name: str) -> ControlError:
    why = "the exchange did not say in time whether it lists this symbol"
    return _unreached(name, why, "try again in a minute")


def coins_not_told(name: str) -> ControlError:
    return _unreached(name, "the exchange did not say in time which coins are missing; nothing was changed")


def listing_not_told(name: str) -> ControlError:
    return _unreached(name, "the exchange did not say in time whether it lists it again; nothing was changed")


def not_planned(name: str) -> ControlError:
    why = "the exchange does not tell its rules or its price now, or the symbol was never traded"
    return _unreached(name, f"what it would do is not known: {why}")


def _unknown(name: str, message: str) -> ControlError:
    """The exchange does not list it, or it cannot be a symbol."""
    hint = "a symbol is base and quote asset in one word, such as ETHUSDT"
    return ControlError(Code.UNKNOWN_SYMBOL, message, symbol=name, hint=hint)


def _unreached(
    name: str, why: str, hint: str = "try again when `naivectl status` shows the exchange as reached"
) -> ControlError:
    """An answer of the exchange is needed, and it does not answer."""
    return ControlError(Code.EXCHANGE_UNAVAILABLE, why, symbol=name, hint=hint)
