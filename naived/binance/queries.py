"""The queries of the port ``Exchange``, by Binance's methods. They change nothing at the exchange."""

from collections.abc import Mapping, Sequence

import msgspec

from naived.binance.border import UNREADABLE, Time, in_time, name, read
from naived.binance.codec import read_limits
from naived.binance.fees import CommissionRow, account_fees, fees_of, least_fee_of
from naived.binance.halving import NO_SUCH_SYMBOL, by_halves
from naived.binance.limits import Use
from naived.binance.mapping import (
    AccountRow,
    BalanceRow,
    ExchangeInfo,
    SymbolName,
    SymbolRow,
    balance_of,
    symbol_of,
)
from naived.binance.order_queries import OrderQueries
from naived.binance.reading import Reader
from naived.binance.session import ApiClient, RequestRefused
from naived.core.market import SymbolInfo
from naived.core.strategy.formulas import Fees
from naived.ports import AccountInfo, RefusedError

_NAMES = 500  # symbols in one exchangeInfo request: its answer is then about 1 MB


class _Side(msgspec.Struct, frozen=True):
    """Side fields of ``account.status``: whatever they hold, the account itself can be read."""

    can_trade: msgspec.Raw = msgspec.field(name="canTrade", default=msgspec.Raw(b"null"))
    can_withdraw: msgspec.Raw = msgspec.field(name="canWithdraw", default=msgspec.Raw(b"null"))
    update_time: msgspec.Raw = msgspec.field(name="updateTime", default=msgspec.Raw(b"null"))


def _permission(raw: msgspec.Raw) -> bool | None:
    return {b"true": True, b"false": False}.get(bytes(raw).strip())


def _time(raw: msgspec.Raw, until: int) -> int:
    """0 if it is none."""
    try:
        return in_time(msgspec.json.decode(raw, type=Time), until)
    except (*UNREADABLE, ValueError):
        return 0


class Queries(OrderQueries):
    """The part of an ``Exchange`` that only reads. Source of the weights: Binance's documentation, 2026-07."""

    def __init__(self, client: ApiClient) -> None:
        super().__init__(client, Reader(client.refusals, client.clock))

    @property
    def connected(self) -> bool:
        """See ``Exchange``."""
        return self._client.connected

    async def server_time(self) -> int:
        """See ``Exchange``."""
        await self._client.limits.wait(Use.QUERY, 1)
        return await self._client.read_time()

    async def symbols(self, names: Sequence[str]) -> Mapping[str, SymbolInfo | RefusedError]:
        """See ``Exchange``."""
        once = list(dict.fromkeys(names))  # the exchange refuses a list with a name twice
        parts = (once[start : start + _NAMES] for start in range(0, len(once), _NAMES))
        answers, left = await by_halves(parts, self._symbols)
        why = "it was not asked for: too many of the names beside it are not listed"
        found: dict[str, SymbolInfo | RefusedError] = {each: RefusedError(why) for each in left}
        for answer in answers:
            found |= answer
        return found

    async def _symbols(self, names: Sequence[str]) -> Mapping[str, SymbolInfo | RefusedError] | None:
        """None if the exchange does not list one of them."""
        try:
            answer = await self._client.ask("exchangeInfo", {"symbols": names, "showPermissionSets": False}, 20)
        except RequestRefused as error:
            if error.code in NO_SUCH_SYMBOL:
                return None
            raise
        note = self._client.refusals.adder("the rules of a symbol")
        info = self._reader.one(answer, "the list of symbols", ExchangeInfo, lambda info: info)
        self._client.limits.learn(read_limits(info.rate_limits, note))
        found: dict[str, SymbolInfo | RefusedError] = {}
        wanted = set(names)
        for raw in info.symbols:
            if _name(raw) not in wanted:
                continue
            try:
                row = symbol_of(read(raw, SymbolRow, note), note)
                found[row.symbol] = row
            except ValueError as error:
                note(f"{_name(raw)}: {error}")
                found[_name(raw)] = RefusedError(f"the rules of {_name(raw)} cannot be read: {error}")
        for missing in wanted - found.keys():
            found[missing] = RefusedError(f"the exchange left out the rules of {missing}")
        return found

    async def fees(self, symbol: str) -> Fees:
        """See ``Exchange``."""
        answer = await self._client.ask_signed("account.commission", {"symbol": symbol}, 20)
        fees, least = self._reader.one(
            answer, "the fees", CommissionRow, lambda row: (fees_of(row), least_fee_of(row))
        )
        self._client.charged[symbol] = least
        return fees

    async def account(self) -> AccountInfo:
        """See ``Exchange``."""
        answer = await self._client.ask_signed("account.status", {"omitZeroBalances": True}, 20)
        row = self._reader.one(answer, "the account", AccountRow, lambda row: row)
        side = self._reader.one(answer, "the account", _Side, lambda row: row)
        balances = self._reader.converted(row.balances, "a balance", BalanceRow, balance_of)
        return AccountInfo(
            str(row.uid),
            dict(balances.values),
            balances.unreadable,
            account_fees(row.commission_rates),
            _permission(side.can_trade),
            _permission(side.can_withdraw),
            _time(side.update_time, self._client.clock.latest_time),
        )


def _name(raw: msgspec.Raw) -> str:
    """The symbol of a row, if that much can be read."""
    try:
        return name(msgspec.json.decode(raw, type=SymbolName).symbol)
    except (ValueError, RecursionError):
        return "?"
