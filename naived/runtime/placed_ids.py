"""The ids with which our orders were placed, by what the exchange told of them.

A person's cancel or amendment gives an order another client order id, and the exchange lists it only with that one.
An order without a row, as after a failover of the database that lost commits, is then found as ours by its number.
"""

from msgspec.structs import replace

from naived.core.orders.report import OrderStatus, Report

_DAY = 24 * 3_600_000  # ms; an order that was created earlier is not looked for
_APART = 1_000  # ms between the creation of one order by its answer and by the list


class PlacedIds:
    """Of our orders of the last day: those that are open, or that a cancel or an amendment may have renamed."""

    def __init__(self) -> None:
        self._ids: dict[tuple[str, int], tuple[int, str]] = {}  # by symbol and number: when it was created, its id

    def note(self, report: Report) -> None:
        """Take in a report of an order of ours, with its id at placement."""
        key = report.symbol, report.order_id
        if report.status.ended and not (report.status is OrderStatus.CANCELED and report.executed):
            self._ids.pop(key, None)  # it keeps this id, or moved nothing
            return
        self._ids.setdefault(key, (report.created, report.client_order_id))
        while self._ids:
            oldest = next(iter(self._ids))
            if self._ids[oldest][0] > report.created - _DAY:
                return
            del self._ids[oldest]

    def restore(self, report: Report) -> Report:
        """The report with its order's id at placement, if that is known.

        Another order may have the same number, as on a testnet that began anew, but was not created then.
        """
        created, client_order_id = self._ids.get((report.symbol, report.order_id), (None, ""))
        if created is None or abs(created - report.created) > _APART:
            return report
        return replace(report, client_order_id=client_order_id)
