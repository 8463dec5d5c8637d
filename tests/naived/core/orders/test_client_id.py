"""The ids of our orders and cancels."""

import re

from naived.core.orders import client_id

RANDOM = bytes(range(16))


def test_an_order_and_its_cancel_have_ids_that_the_exchange_takes() -> None:
    order = client_id.make("abcd", RANDOM)
    assert order == "n1abcd-aaaqeayeaudaocajbifqydiob4"
    for each in (order, client_id.cancel_id(order)):
        assert re.fullmatch(r"[a-z0-9-]{1,36}", each)
    assert client_id.cancel_id(order) == f"{order}-x"


def test_an_id_tells_whose_it_is() -> None:
    order = client_id.make("abcd", RANDOM)
    assert order.startswith(client_id.prefix("abcd"))
    assert not order.startswith(client_id.prefix("abc"))
    assert client_id.is_naived(order)
    assert client_id.is_naived(client_id.cancel_id(client_id.make("zzzz", RANDOM)))
    assert not client_id.is_naived("web_1")


def test_what_the_exchange_makes_up_for_a_person_is_no_id_of_ours() -> None:
    made_up = "n1kUBxfnY0fqEogcln5Abc"
    assert not client_id.is_naived(made_up)
    assert client_id.placed_id(f"{made_up}-x") == f"{made_up}-x"


def test_the_id_of_a_cancel_of_ours_leads_to_its_order() -> None:
    order = client_id.make("abcd", RANDOM)
    assert client_id.placed_id(client_id.cancel_id(order)) == client_id.placed_id(order) == order
    assert client_id.placed_id("web-x") == "web-x"
