from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from naived.core.amount import (
    SCALE,
    Money,
    Price,
    Quantity,
    Rate,
    amount_up,
    format_amount,
    parse_money,
    parse_price,
    parse_quantity,
    parse_rate,
    value_up,
)
from naived.core.market import Filters, refusal
from naived.core.orders.intent import Side
from naived.core.strategy.formulas import (
    NO_COINS,
    NOTHING_SOLD,
    Bought,
    Coins,
    Fees,
    Sold,
    buy_price,
    buy_quantity,
    dust_cost,
    largest_budget,
    least_budget,
    offered,
    rebuy_below,
    reprice_above,
    sell_price,
    sell_quantity,
    untradable,
)
from tests.support.market import ETH, FEES, FREE, PEPE, XRP, fill, filters


@pytest.mark.parametrize(
    ("rules", "given", "figures"),
    [
        (
            ETH,
            "2683.80 1000 5 0.0001 0.0002 0.001",
            "2683.53 0.0745 199.922985 0.0744255 2689.45 0.0744 0.0000255 0.06849851 0.04049843",
        ),
        (
            ETH,
            "2683.80 1000 5 0.0001 0.0002 0",
            "2683.53 0.0745 199.922985 0.0745 2684.07 0.0745 0 0 0.04023",
        ),
        (
            XRP,
            "0.6123 100 3 0.001 0.005 0.001",
            "0.6116 54.5 33.3322 54.4455 0.6159 54.4 0.0455 0.02785565 0.16711069",
        ),
        (
            XRP,
            "0.6123 100 3 0.001 0.005 0",
            "0.6116 54.5 33.3322 54.5 0.6147 54.5 0 0 0.16895",
        ),
        (
            PEPE,
            "0.00000815 100 4 0.0001 0.0002 0.001",
            "0.00000814 3071253 24.99999942 3068181.747 0.00000816 3068181 0.747 0.00000608 0.01132726",
        ),
        (
            PEPE,
            "0.00000815 100 4 0.0001 0.0002 0",
            "0.00000814 3071253 24.99999942 3071253 0.00000815 3071253 0 0 0.03071253",
        ),
    ],
    ids=["G1", "G2", "G3", "G3f0", "G4", "G4f0"],
)
def test_a_golden_cycle_comes_out_to_the_last_digit(rules: Filters, given: str, figures: str) -> None:
    last, budget, chunks, down, profit, rate = given.split()
    fee = parse_rate(rate)
    price = buy_price(parse_price(last), parse_rate(down), rules)
    quantity = buy_quantity(parse_money(budget), int(chunks), price, rules)
    cost = value_up(price, quantity)
    net = Quantity(quantity - amount_up(quantity * fee, SCALE))
    target = sell_price(price, cost, net, parse_rate(profit), Fees(fee, fee), rules)
    sold = sell_quantity(net, rules)
    dust = Quantity(net - sold)
    kept = dust_cost(cost, dust, net)
    gross = value_up(target, sold)
    earned = gross - amount_up(gross * fee, SCALE) - (cost - kept)
    came_out = (price, quantity, cost, net, target, sold, dust, kept, earned)
    assert [format_amount(figure) for figure in came_out] == figures.split()


def g1_sell(cost: str, net: str) -> str:
    return format_amount(
        sell_price(parse_price("2683.53"), parse_money(cost), parse_quantity(net), parse_rate("0.0002"), FEES, ETH)
    )


def test_fills_below_the_limit_do_not_lower_the_sell() -> None:
    assert g1_sell("199.90815", "0.0744255") == "2689.45"  # G5: the cost side alone would be 2689.25


def test_a_fee_above_the_expected_one_raises_the_sell() -> None:
    assert g1_sell("199.922985", "0.074351") == "2692.14"  # G6


def test_fees_in_a_third_asset_do_not_change_the_sell() -> None:
    assert g1_sell("199.922985", "0.0745") == "2689.45"  # G9


def test_rounding_is_that_of_integers_and_not_of_floats() -> None:
    free = sell_price(parse_price("2028.00"), Money(0), Quantity(1), parse_rate("0.01"), FREE, ETH)
    assert format_amount(free) == "2048.28"  # G11: 2048.29 in floats
    assert format_amount(buy_price(parse_price("2601.00"), parse_rate("0.01"), ETH)) == "2574.99"


@pytest.mark.parametrize(
    ("limit", "rebuy", "edge"),
    [
        ("2683.53", "0.0003", "2682.724941"),  # G1: 2682.72 is below, 2682.73 is not
        ("2500.00", "0.0003", "2499.25"),  # G12: not at 2499.25, but at 2499.24
        ("0.00000814", "0.0003", "0.00000814"),
    ],
)
def test_a_rebuy_is_strictly_below_its_edge(limit: str, rebuy: str, edge: str) -> None:
    assert format_amount(rebuy_below(parse_price(limit), parse_rate(rebuy))) == edge


def test_the_reprice_edge_is_exact() -> None:
    assert format_amount(reprice_above(parse_price("2683.80"), parse_rate("0.01"), ETH)) == "2710.638"


def test_a_chunk_whose_sell_would_be_too_small_is_not_bought() -> None:
    def reason(share: str) -> str | None:
        return untradable(
            parse_price("2683.80"), parse_money(share), 1, parse_rate("0.0001"), parse_rate("0.0002"), FEES, ETH
        )

    assert reason("5.20") == "NOTIONAL"  # G10: the buy of 0.0019 passes, the sell of 0.0018 does not
    assert reason("5.36706") is None
    assert reason("5.36705") == "NOTIONAL"


def test_the_least_budget_is_named_to_the_last_digit() -> None:
    least = least_budget(parse_price("2683.80"), 5, parse_rate("0.0001"), parse_rate("0.0002"), FEES, ETH)
    assert least is not None
    assert format_amount(least) == "26.8353"  # five times 0.0020 at 2683.53


def test_at_a_price_below_one_tick_no_budget_is_enough() -> None:
    assert least_budget(Price(1), 1, parse_rate("0.5"), parse_rate("0.01"), FREE, ETH) is None
    assert buy_quantity(parse_money("100"), 1, Price(0), ETH) == 0


def test_where_the_largest_quantity_is_worth_too_little_no_budget_is_named() -> None:
    """90,000,000 coins at 0.0000001 are 9 USDT, and an order is worth at least 10."""
    rules = filters("0.0000001", "1", "10", max_quantity=parse_quantity("90000000"))
    for named in (least_budget, largest_budget):
        assert named(Price(20), 5, parse_rate("0.0001"), parse_rate("0.001"), FEES, rules) is None
        assert named(Price(30), 5, parse_rate("0.0001"), parse_rate("0.001"), FEES, rules) is not None


def test_a_share_that_buys_less_than_a_step_is_too_small_even_without_bounds() -> None:
    rules = filters(min_quantity=0, min_notional=0)
    for budget in (Money(1), parse_money("0.1")):
        assert untradable(parse_price("2683.80"), budget, 1, Rate(0), Rate(1), FEES, rules) == "LOT_SIZE"


def test_a_buy_that_fees_would_eat_up_is_too_small() -> None:
    dear = Fees(parse_rate("0.5"), parse_rate("0.5"))
    rules = filters(tick="0.00000001", step="0.00000001", min_quantity=0, min_notional=0)
    assert untradable(Price(SCALE), Money(1), 1, Rate(0), Rate(1), dear, rules) == "LOT_SIZE"


def test_a_sell_far_above_the_market_is_refused_before_the_buy() -> None:
    rules = filters(ask_up=parse_rate("1.05"))
    reason = untradable(
        parse_price("2683.80"), parse_money("200"), 1, parse_rate("0.0001"), parse_rate("0.06"), FEES, rules
    )
    assert reason == "PERCENT_PRICE_BY_SIDE"


def test_one_order_offers_no_more_than_the_largest_lot() -> None:
    rules = filters(max_quantity=parse_quantity("2.00005"))
    assert sell_quantity(parse_quantity("7"), rules) == parse_quantity("2")
    assert sell_quantity(parse_quantity("1.99999"), rules) == parse_quantity("1.9999")
    assert sell_quantity(parse_quantity("7"), filters(max_quantity=0)) == parse_quantity("7")


@pytest.mark.parametrize(
    ("most", "quantity"), [("100", "0.0499"), ("0", "7"), ("10000000", "7"), ("2000.99", "1.0004")]
)
def test_one_order_offers_no_more_than_it_may_be_worth(most: str, quantity: str) -> None:
    rules = filters(max_notional=parse_money(most))
    assert offered(parse_quantity("7"), parse_price("2000.01"), rules) == parse_quantity(quantity)


def test_coins_add_up_and_are_nothing_only_without_coins_and_cost() -> None:
    some = Coins(parse_quantity("0.1"), parse_money("2"))
    assert some + NO_COINS == some
    assert (some + some).cost == parse_money("4")
    assert not NO_COINS
    assert Coins(Quantity(0), Money(1))
    assert Coins(Quantity(1), Money(0))


NOTHING_BOUGHT = Bought(parse_price("2683.53"))


@pytest.mark.parametrize(
    ("fee", "asset", "net", "cost"),
    [
        ("0.0000745", "ETH", "0.0744255", "199.922985"),
        ("0.2", "USDT", "0.0745", "200.122985"),
        ("0.00025", "BNB", "0.0745", "199.922985"),
    ],
)
def test_a_fee_lessens_what_was_bought_or_is_part_of_its_cost_or_is_not_netted(
    fee: str, asset: str, net: str, cost: str
) -> None:
    bought = NOTHING_BOUGHT.with_fill(fill("2683.53", "0.0745", fee, asset), "ETH", "USDT")
    assert (bought.net, bought.cost) == (parse_quantity(net), parse_money(cost))


def test_a_fee_of_a_sell_in_a_third_asset_is_not_netted() -> None:
    sold = NOTHING_SOLD.with_fill(fill("2689.45", "0.0744", "0.00025", "BNB"), "ETH", "USDT")
    assert sold == Sold(parse_quantity("0.0744"), parse_money("200.09508"))


def test_fills_of_a_sell_add_up() -> None:
    sold = NOTHING_SOLD
    for part in (fill("2689.45", "0.04", "0.1", "USDT"), fill("2689.45", "0.0344", "0.00001", "ETH")):
        sold = sold.with_fill(part, "ETH", "USDT")
    assert sold == Sold(
        parse_quantity("0.0744"), parse_money("200.09508"), parse_money("0.1"), parse_quantity("0.00001")
    )


rates = st.integers(0, SCALE // 20).map(Rate)
profits = st.integers(1, SCALE // 20).map(Rate)
fees = st.builds(Fees, rates, rates)
rules = st.builds(
    lambda tick, step, notional: filters(
        tick_size=10**tick, min_price=10**tick, step_size=10**step, min_quantity=10**step, min_notional=notional
    ),
    st.integers(0, 8),
    st.integers(0, 8),
    st.integers(0, 20 * SCALE),
)


@given(st.integers(1, 10**13).map(Price), st.integers(1, 10**12).map(Money), rates, st.integers(1, 50), rules)
def test_a_buy_is_never_dearer_than_the_trade_nor_than_its_share(
    last: Price, budget: Money, down: Rate, chunks: int, rules: Filters
) -> None:
    price = buy_price(last, down, rules)
    quantity = buy_quantity(budget, chunks, price, rules)
    assert price <= last
    assert price * quantity * chunks <= budget * SCALE


@given(
    st.integers(10**4, 10**13).map(Price),
    st.integers(10**4, 10**12).map(Money),
    rates,
    profits,
    fees,
    st.integers(1, 20),
    rules,
)
def test_what_is_tradable_earns_the_profit_after_both_fees(
    last: Price, budget: Money, down: Rate, profit: Rate, fees: Fees, chunks: int, rules: Filters
) -> None:
    assume(untradable(last, budget, chunks, down, profit, fees, rules) is None)
    price = buy_price(last, down, rules)
    quantity = buy_quantity(budget, chunks, price, rules)
    cost = value_up(price, quantity)
    net = Quantity(quantity - amount_up(quantity * fees.buy, SCALE))
    target = sell_price(price, cost, net, profit, fees, rules)
    sold = sell_quantity(net, rules)
    assert refusal(rules, Side.SELL, target, sold, last) is None
    received = Fraction(target * sold, SCALE) * (SCALE - fees.sell) / SCALE
    assert received >= Fraction(cost * sold, net) * (SCALE + profit) / SCALE


@given(st.integers(10**4, 10**13).map(Price), rates, profits, fees, st.integers(1, 20), rules)
def test_the_budgets_that_are_named_can_be_traded(
    last: Price, down: Rate, profit: Rate, fees: Fees, chunks: int, rules: Filters
) -> None:
    for budget in (
        least_budget(last, chunks, down, profit, fees, rules),
        largest_budget(last, chunks, down, profit, fees, rules),
    ):
        assert budget is None or untradable(last, budget, chunks, down, profit, fees, rules) is None


@given(st.integers(10**4, 10**13).map(Price), rates, st.integers(1, 20))
def test_one_unit_less_than_the_least_budget_is_too_little_where_no_rounding_helps(
    last: Price, down: Rate, chunks: int
) -> None:
    rules = filters(tick="0.00000001", step="0.00000001", min_notional=0, min_price=1, min_quantity=10**6)
    least = least_budget(last, chunks, down, Rate(1), FREE, rules)
    assume(least is not None)
    assert least is not None
    assert untradable(last, Money(least - chunks), chunks, down, Rate(1), FREE, rules) == "LOT_SIZE"


@given(st.integers(1, 10**13), st.integers(1, SCALE - 1).map(Rate))
def test_edges_lie_on_their_own_side_of_the_limit(limit: int, rate: Rate) -> None:
    assert rebuy_below(Price(limit), rate) <= limit <= reprice_above(Price(limit), rate, ETH)
    below = rebuy_below(Price(limit), rate)
    assert (below - 1) * SCALE < limit * (SCALE - rate) <= below * SCALE


@given(st.integers(0, 10**14), st.integers(1, 10**14), st.integers(0, 10**14))
def test_dust_takes_its_share_of_the_cost_and_never_more(cost: int, have: int, dust: int) -> None:
    dust = min(dust, have)
    share = dust_cost(Money(cost), Quantity(dust), Quantity(have))
    assert share * have <= cost * dust < (share + 1) * have
