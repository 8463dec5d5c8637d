"""The rates of commission: of a symbol (``account.commission``), and of the account (in ``account.status``)."""

import msgspec

from naived.binance.border import name
from naived.core.amount import SCALE, Rate, parse_rate
from naived.core.strategy.formulas import Fees


class Commission(msgspec.Struct, gc=False, frozen=True):
    """Rates of one part of the commission."""

    maker: str
    taker: str
    buyer: str = "0"
    seller: str = "0"


class Discount(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    """Of fees paid in a third asset, usually BNB. Its rate is not used: the documentation contradicts itself."""

    enabled_for_account: bool = False
    enabled_for_symbol: bool = False
    discount_asset: str = ""


class CommissionRow(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    """``account.commission``."""

    standard_commission: Commission
    tax_commission: Commission | None = None
    special_commission: Commission | None = None
    discount: Discount | None = None


def fees_of(row: CommissionRow) -> Fees:
    """A side's own rate plus the larger of maker and taker rate; standard, tax and special parts are summed."""
    parts = _parts(row)
    either = max(sum(parse_rate(part.maker) for part in parts), sum(parse_rate(part.taker) for part in parts))
    fees = Fees(
        buy=Rate(either + sum(parse_rate(part.buyer) for part in parts)),
        sell=Rate(either + sum(parse_rate(part.seller) for part in parts)),
        asset=_discount_asset(row.discount),
    )
    if max(fees.buy, fees.sell) >= SCALE:
        raise ValueError("the fees are 100 % or more: nothing can be earned")
    return fees


def least_fee_of(row: CommissionRow) -> Rate:
    """What any fill costs at least, whether buy or sell, maker or taker: makers of some symbols pay nothing."""
    parts = _parts(row)
    either = min(sum(parse_rate(part.maker) for part in parts), sum(parse_rate(part.taker) for part in parts))
    side = min(sum(parse_rate(part.buyer) for part in parts), sum(parse_rate(part.seller) for part in parts))
    return Rate(either + side)


def _parts(row: CommissionRow) -> list[Commission]:
    every = (row.standard_commission, row.tax_commission, row.special_commission)
    return [part for part in every if part is not None]


def _discount_asset(discount: Discount | None) -> str | None:
    if discount is None or not (discount.enabled_for_account and discount.enabled_for_symbol):
        return None
    return name(discount.discount_asset) if discount.discount_asset else None


def account_fees(raw: msgspec.Raw) -> Fees | None:
    """The rates of the account, None if there are none that can be read: they are not worth the balances."""
    try:
        return fees_of(CommissionRow(msgspec.json.decode(raw, type=Commission)))
    except ValueError:
        return None
