from tests.simulator_values import NOW, exchange, new, print_trade


def test_history_is_oldest_first_and_the_newest_without_a_beginning() -> None:
    times = iter(range(NOW, NOW + 1000))
    engine = exchange(clock=lambda: next(times))
    for number in range(1, 6):
        engine.place(new("buy", "2600", "0.002", client_order_id=f"n{number}"))
    orders = engine.ledger.history.orders
    assert [o.id for o in orders("ETHUSDT", limit=2)] == [4, 5]
    assert [o.id for o in orders("ETHUSDT", first=2, limit=2)] == [2, 3]
    assert [o.id for o in orders("ETHUSDT", first=0, limit=2)] == [1, 2]
    third = orders("ETHUSDT", limit=9)[2].updated
    assert [o.id for o in orders("ETHUSDT", start=third, limit=2)] == [3, 4]
    assert [o.id for o in orders("ETHUSDT", end=third, limit=2)] == [2, 3]
    assert orders("BTCUSDT", limit=9) == []
    print_trade(engine, "2599")
    fills = engine.ledger.history.fills
    assert [f.order_id for f in fills("ETHUSDT", limit=2)] == [4, 5]
    assert [f.trade_id for f in fills("ETHUSDT", order_id=3, limit=9)] == [3]
    assert [f.trade_id for f in fills(None, first=4, limit=9)] == [4, 5]
    engine.ledger.close()


def test_an_id_finds_the_newest_order_it_named_or_cancelled() -> None:
    engine = exchange()
    history = engine.ledger.history
    engine.place(new("buy", "2600", "0.1", client_order_id="mine"))
    engine.cancel("ETHUSDT", 1, "mine-x")
    engine.place(new("buy", "2601", "0.1", client_order_id="mine"))
    found = [history.order_by_client_id("ETHUSDT", name) for name in ("mine", "mine-x", "nobody")]
    assert [order and order.id for order in found] == [2, 1, None]
    assert history.order_by_client_id("BTCUSDT", "mine") is None
    assert [order.id for order in history.open_orders()] == [2]
    engine.ledger.close()
