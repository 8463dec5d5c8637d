import pytest

from naived.core.order import OrderStatus


@pytest.mark.parametrize("status", list(OrderStatus))
def test_an_order_has_ended_unless_it_can_still_be_filled(status: OrderStatus) -> None:
    assert status.ended is (status not in {OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED})
