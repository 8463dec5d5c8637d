"""Each way in which a symbol's lots change, as a journal tells it afterwards."""

from typing import Any

from naived.backtest.past_lots import PastLots, lots_at
from naived.core.amount import Money, Quantity, parse_money, parse_price, parse_quantity
from naived.core.strategy.formulas import NO_COINS, Bought, Coins
from naived.core.strategy.lots import Lot, Lots
from naived.core.strategy.trader_state import PAID_BACK, Waiting
from naived.database.history import History
from naived.database.queries import Life, Offer
from tests.support.database import NOW, SYMBOL, desired, trader
from tests.support.market import filters


def lot(quantity: str, price: str) -> Lot:
    """A thousandth of a coin cost one USDT."""
    coins = parse_quantity(quantity)
    return Lot(coins, Money(coins * 1_000), parse_price(price))


CHEAP, DEAR = lot("0.00002", "2500"), lot("0.00003", "2900")
BOTH = Lot(parse_quantity("0.00005"), parse_money("0.05"), DEAR.price)
OWN = Bought(parse_price("2683.53"), parse_quantity("0.0745"), parse_money("199.92"))  # it asks about 2690


def life(number: int, *, started: int = 0, buys: int = 1, sells: int = 1, **told: Any) -> Life:
    """Times are ms after ``NOW``."""
    ended, offers = told.pop("ended", None), told.pop("offers", ())
    of = trader(number, Waiting())
    of = type(of)(SYMBOL, number, of.terms, of.phase, NOW + started, NOW + started, buys=buys, sells=sells)
    at = tuple(Offer(NOW + offer, 100 + number, ioc=False) for offer in offers)
    return Life(of, None if ended is None else NOW + ended, offers=at, **told)


def past(at: int, *lives: Life, lots: Lots = (), owed: Coins = NO_COINS) -> PastLots:
    return lots_at(History(SYMBOL, desired(), (), (), (), lives, lots, owed), NOW + at, filters())


LEFT = life(1, bought=OWN, dust=CHEAP, ended=10, offers=(5,)), life(2, bought=OWN, dust=DEAR, ended=20, offers=(6,))


def test_what_finished_traders_left_is_a_lot_from_then_on() -> None:
    assert past(10, *LEFT, lots=(CHEAP, DEAR)) == PastLots()
    assert past(11, *LEFT, lots=(CHEAP, DEAR)) == PastLots((CHEAP,))
    assert past(99, *LEFT, lots=(CHEAP, DEAR)) == PastLots((CHEAP, DEAR))


def test_lots_that_joined_a_sell_are_carried_until_it_is_over() -> None:
    seller = life(3, bought=OWN, carried=CHEAP, ended=40, offers=(30,))
    assert past(31, *LEFT, seller, lots=(DEAR,)) == PastLots((DEAR,), {3: CHEAP})
    assert past(41, *LEFT, seller, lots=(DEAR,)) == PastLots((DEAR,))


def test_lots_that_were_given_back_were_carried_between_two_sells() -> None:
    seller = life(3, bought=OWN, offers=(30, 35))
    assert past(31, *LEFT, seller, lots=(CHEAP, DEAR)) == PastLots((DEAR,), {3: CHEAP})
    assert past(36, *LEFT, seller, lots=(CHEAP, DEAR)) == PastLots((CHEAP, DEAR))


def test_a_trader_of_lots_is_made_in_the_millisecond_in_which_the_last_of_them_is_left() -> None:
    seller = life(3, started=20, buys=0, bought=Bought(DEAR.price), carried=BOTH, offers=(20,))
    later = life(4, bought=OWN, dust=CHEAP, ended=20, offers=(7,))
    assert past(20, *LEFT, seller, later, lots=(CHEAP,)) == PastLots((CHEAP,))
    assert past(21, *LEFT, seller, later, lots=(CHEAP,)) == PastLots((CHEAP,), {3: BOTH})


def test_lots_that_were_written_off_are_gone() -> None:
    gone = Bought(CHEAP.price, CHEAP.quantity, CHEAP.cost)
    stands = life(3, started=50, buys=0, sells=0, bought=gone, ended=50, reason="written off by hand")
    assert past(50, *LEFT, stands, lots=(DEAR,)) == PastLots((CHEAP, DEAR))
    assert past(51, *LEFT, stands, lots=(DEAR,)) == PastLots((DEAR,))


def test_what_does_not_fit_is_a_doubt() -> None:
    wrong = past(31, *LEFT, life(3, bought=OWN, carried=lot("0.00001", "2500"), offers=(30,)), lots=(DEAR,))
    assert wrong.doubt == "ETHUSDT-3 sold other lots along than it can have had"
    alone = life(3, started=20, buys=0, bought=Bought(DEAR.price), carried=lot("0.1", "2900"), offers=(20,))
    assert past(31, *LEFT, alone, lots=(CHEAP, DEAR)).doubt == "ETHUSDT-3 sold lots that it cannot have had"
    stands = life(3, started=5, buys=0, sells=0, bought=OWN, ended=5)
    assert past(31, *LEFT, stands, lots=(CHEAP, DEAR)).doubt == "ETHUSDT-3 stands for a lot that it cannot have had"
    assert past(31, *LEFT, lots=(DEAR,)).doubt == (
        "they add up to 0.00005 in 2 until now, and the journal has 0.00003 in 1"
    )


def test_coins_that_are_owed_are_a_doubt_and_those_that_were_paid_back_later() -> None:
    assert past(31, owed=Coins(Quantity(-1), Money(-2))).doubt == "it owes coins that were sold"
    paid = Bought(CHEAP.price, CHEAP.quantity, CHEAP.cost)
    stands = life(3, started=10, buys=0, sells=0, bought=paid, ended=10, reason=PAID_BACK)
    assert past(5, *LEFT, stands, lots=(DEAR,)).doubt == "it owed coins that were sold"
    assert past(31, *LEFT, stands, lots=(DEAR,)) == PastLots((DEAR,))


def test_without_traders_there_are_no_lots() -> None:
    assert past(31) == PastLots()
    assert past(31, life(1, buys=0, sells=0, ended=5)) == PastLots()
