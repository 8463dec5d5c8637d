import pytest
from msgspec import Raw

from naived.binance.answers import cancelled, halt, placed, refuses_credentials
from naived.binance.codec import ApiAnswer, ApiError, ErrorData
from naived.core.orders.report import Accepted, CancelAccepted, CancelRefused, Refusal, Refused, Unknown

NOW = 1_700_000_000_000  # ms
ORDER = (
    b'{"symbol":"ETHUSDT","orderId":7,"clientOrderId":"n1-a","transactTime":1700000000000,"price":"1.0","origQty":"1.0",'
    b'"executedQty":"0.0","cummulativeQuoteQty":"0.0","status":"NEW","side":"BUY"}'
)


def ok(result=ORDER):
    return ApiAnswer(200, 1, Raw(result))


def error(code, message="", status=400, retry_after=None):
    data = None if retry_after is None else ErrorData(retry_after=retry_after)
    return ApiAnswer(status, 1, error=ApiError(code, message, data))


def test_an_order_id_means_accepted():
    answer = placed(ok(), NOW)
    assert isinstance(answer, Accepted)
    assert answer.report.order_id == 7


@pytest.mark.parametrize("result", [b"{}", b"null", ORDER.replace(b'"1.0"', b'"1.0e5"')])
def test_an_unreadable_success_is_unknown(result):
    assert isinstance(placed(ok(result), NOW), Unknown)
    assert isinstance(cancelled(ok(result)), Unknown)


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (-1013, "Filter failure: NOTIONAL", Refusal.FILTER),
        (-1013, "Market is closed.", Refusal.MARKET_CLOSED),
        (-1013, "This symbol does not allow the specified self-trade prevention mode.", Refusal.MALFORMED),
        (-1021, "Timestamp for this request is outside of the recvWindow.", Refusal.CLOCK),
        (-1022, "Signature for this request is not valid.", Refusal.CREDENTIALS),
        (-2014, "API-key format invalid.", Refusal.CREDENTIALS),
        (-2015, "Invalid API-key, IP, or permissions for action.", Refusal.CREDENTIALS),
        (-1100, "Illegal characters found in parameter 'price'", Refusal.MALFORMED),
        (-1121, "Invalid symbol.", Refusal.MALFORMED),
        (-1199, "", Refusal.MALFORMED),
        (-2010, "Account has insufficient balance for requested action.", Refusal.BALANCE),
        (-2010, "Market is closed.", Refusal.MARKET_CLOSED),
        (-2010, "This action is disabled on this account.", Refusal.FORBIDDEN),
        (-2010, "This symbol is not permitted for this account.", Refusal.FORBIDDEN),
        (-2010, "Filter failure: MAX_NUM_ORDERS", Refusal.TOO_MANY),
        (-2010, "Filter failure: MAX_POSITION", Refusal.FILTER),
        (-2010, "Order would immediately match and take.", Refusal.OTHER),
        (-2010, "A text never seen before.", Refusal.OTHER),
    ],
)
def test_a_listed_code_is_a_refusal(code, message, kind):
    assert placed(error(code, message), NOW) == Refused(kind, code, message)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (429, -1015, Refusal.TOO_MANY),
        (418, -1003, Refusal.TOO_MANY),
        (429, -9999, Refusal.TOO_MANY),
        (401, -9999, Refusal.CREDENTIALS),
        (403, -9999, Refusal.OTHER),
    ],
)
def test_a_status_of_the_gateway_is_a_refusal(status, code, kind):
    answer = placed(error(code, status=status, retry_after=99), NOW)
    assert isinstance(answer, Refused)
    assert (answer.kind, answer.retry_at) == (kind, NOW + (120_000 if status == 418 else 10_000))


@pytest.mark.parametrize("code", [-1000, -1001, -1006, -1007, -1008, -1016, -1200, -1099, -2011, -7777, 0])
def test_any_other_code_leaves_the_outcome_unknown(code):
    assert placed(error(code), NOW) == Unknown(f"{code}", code)
    if code != -2011:
        assert cancelled(error(code)) == Unknown(f"{code}", code)


@pytest.mark.parametrize("code", [-1013, -1021, -2010, -2015, -7777])
def test_a_5xx_leaves_the_outcome_unknown_whatever_its_code(code):
    assert isinstance(placed(error(code, status=503), NOW), Unknown)
    assert isinstance(cancelled(error(code, status=500)), Unknown)


def test_an_error_without_a_code_is_unknown():
    assert placed(ApiAnswer(400, 1), NOW) == Unknown("status 400", None)


def test_a_duplicate_is_unknown_because_the_order_exists():
    assert placed(error(-2010, "Duplicate order sent."), NOW) == Unknown("duplicate", -2010)


def test_a_cancel_is_accepted_refused_or_unknown():
    assert isinstance(cancelled(ok()), CancelAccepted)
    assert cancelled(error(-2011, "Unknown order sent.")) == CancelRefused(-2011, "Unknown order sent.")
    assert cancelled(error(-1021, "late")) == CancelRefused(-1021, "late")


def test_the_exchange_says_how_long_we_must_wait_and_too_many_requests_always_make_us_wait():
    assert halt(error(-1003, status=429, retry_after=NOW + 123), NOW) == 123
    assert halt(error(-1015, status=400, retry_after=NOW + 123), NOW) == 123
    assert halt(error(-1015, status=429), NOW) == 10_000
    assert halt(error(-1003, status=418), NOW) == 120_000
    assert halt(error(-1008, retry_after=NOW + 123), NOW) == 123
    assert halt(error(-2010), NOW) is None
    assert halt(ok(), NOW) is None


@pytest.mark.parametrize("after", [32_503_680_000_000, 2**63, 10**22])
def test_a_wait_is_believed_as_long_as_the_exchange_documents_it(after):
    day = 86_400_000
    assert halt(error(-1003, status=429, retry_after=after), NOW) == 60_000
    assert halt(error(-1003, status=418, retry_after=after), NOW) == 3 * day
    assert halt(error(-1003, status=418, retry_after=NOW + 2 * day), NOW) == 2 * day
    assert placed(error(-1015, status=429, retry_after=after), NOW).retry_at == NOW + 60_000


@pytest.mark.parametrize("after", [0, -1, -(10**15), NOW - 5])
def test_a_wait_that_ended_in_the_past_is_the_shortest_one(after):
    assert halt(error(-1003, status=429, retry_after=after), NOW) == 10_000
    assert halt(error(-1003, status=418, retry_after=after), NOW) == 120_000


def test_credentials_are_refused_by_code_or_status():
    assert refuses_credentials(error(-2015))
    assert refuses_credentials(error(-1022))
    assert refuses_credentials(error(-9999, status=401))
    assert not refuses_credentials(error(-1021))
    assert not refuses_credentials(ok())
