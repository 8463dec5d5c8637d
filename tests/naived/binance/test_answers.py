import pytest
from msgspec import Raw

from naived.binance.answers import cancelled, halt, placed, refuses_credentials, rejected
from naived.binance.codec import ApiAnswer, ApiError, ErrorData
from naived.core.orders.report import Accepted, CancelAccepted, CancelRefused, Refusal, Refused, Unknown

NOW = 1_700_000_000_000  # ms
ORDER = (
    b'{"symbol":"ETHUSDT","orderId":7,"clientOrderId":"n1test-a","transactTime":1700000000000,"price":"1.0","origQty":"1.0",'
    b'"executedQty":"0.0","cummulativeQuoteQty":"0.0","status":"NEW","side":"BUY"}'
)


# https://developers.binance.com/docs/binance-spot-api-docs/errors, as of 2026; None: it may have been placed.
PUBLISHED_CODES = {
    -1000: None,
    -1001: None,
    -1002: Refusal.CREDENTIALS,
    -1003: Refusal.TOO_MANY,
    -1006: None,
    -1007: None,
    -1008: None,
    -1014: Refusal.MALFORMED,
    -1111: Refusal.FILTER,
    -1015: Refusal.TOO_MANY,
    -1016: None,
    -1020: Refusal.MALFORMED,
    -1021: Refusal.CLOCK,
    -1022: Refusal.CREDENTIALS,
    -1033: None,  # of FIX, as the next two
    -1034: None,
    -1035: None,
    **dict.fromkeys(
        [
            *(
                -1100,
                -1101,
                -1102,
                -1103,
                -1104,
                -1105,
                -1106,
                -1108,
                -1114,
                -1115,
                -1116,
                -1117,
                -1118,
                -1119,
            ),
            *(
                -1120,
                -1121,
                -1122,
                -1125,
                -1127,
                -1128,
                -1130,
                -1131,
                -1134,
                -1135,
                -1139,
                -1145,
                -1151,
                -1152,
                -1153,
            ),
            *(
                -1155,
                -1158,
                -1160,
                -1161,
                -1165,
                -1166,
                -1168,
                -1169,
                -1170,
                -1171,
                -1172,
                -1173,
                -1174,
                -1175,
                -1176,
            ),
            *(
                -1177,
                -1178,
                -1179,
                -1180,
                -1182,
                -1183,
                -1184,
                -1185,
                -1186,
                -1187,
                -1188,
                -1189,
                -1190,
                -1191,
                -1194,
            ),
            *(-1196, -1197, -1198, -1199, -1210, -1211, -1220, -1221, -1222, -1223, -1224, -1225),
        ],
        Refusal.MALFORMED,
    ),
    -1112: Refusal.MARKET_CLOSED,
    -1181: Refusal.TOO_MANY,
    -2008: Refusal.CREDENTIALS,
    -2011: None,  # -2011 to -2042 answer other requests than that for a new order
    -2013: None,
    -2014: Refusal.CREDENTIALS,
    -2015: Refusal.CREDENTIALS,
    -2016: None,
    -2021: None,
    -2022: None,
    -2026: None,
    -2035: None,
    -2036: None,
    -2038: None,
    -2039: None,
    -2042: None,
}

PUBLISHED_MESSAGES = {
    "Market is closed.": Refusal.MARKET_CLOSED,
    "Account has insufficient balance for requested action.": Refusal.BALANCE,
    "Market orders are not supported for this symbol.": Refusal.MALFORMED,
    "Iceberg orders are not supported for this symbol.": Refusal.MALFORMED,
    "Stop loss orders are not supported for this symbol.": Refusal.MALFORMED,
    "Stop loss limit orders are not supported for this symbol.": Refusal.MALFORMED,
    "Take profit orders are not supported for this symbol.": Refusal.MALFORMED,
    "Take profit limit orders are not supported for this symbol.": Refusal.MALFORMED,
    "Price * QTY is zero or less.": Refusal.FILTER,
    "IcebergQty exceeds QTY.": Refusal.MALFORMED,
    "This action is disabled on this account.": Refusal.FORBIDDEN,
    "This account may not place or cancel orders.": Refusal.FORBIDDEN,
    "Unsupported order combination": Refusal.MALFORMED,
    "Order would trigger immediately.": Refusal.MARKET_CLOSED,
    "Order would immediately match and take.": Refusal.MARKET_CLOSED,
    "The relationship of the prices for the orders is not correct.": Refusal.MALFORMED,
    "OCO orders are not supported for this symbol": Refusal.MALFORMED,
    "OPO orders are not supported for this symbol.": Refusal.MALFORMED,
    "Quote order qty market orders are not support for this symbol.": Refusal.MALFORMED,
    "Trailing stop orders are not supported for this symbol.": Refusal.MALFORMED,
    "Order cancel-replace is not supported for this symbol.": Refusal.MALFORMED,
    "Order amend is not supported for this symbol.": Refusal.MALFORMED,
    "Order amend (quantity increase) is not supported.": Refusal.MALFORMED,
    "Order amend (pending OPO order) is not supported.": Refusal.MALFORMED,
    "This symbol is not permitted for this account.": Refusal.FORBIDDEN,
    "This symbol is restricted for this account.": Refusal.FORBIDDEN,
    "Rest API trading is not enabled.": Refusal.MARKET_CLOSED,
    "WebSocket API trading is not enabled.": Refusal.MARKET_CLOSED,
    "FIX API trading is not enabled.": Refusal.MARKET_CLOSED,
    "Order book liquidity is less than `LOT_SIZE` filter minimum quantity.": Refusal.MARKET_CLOSED,
    "Order book liquidity is less than `MARKET_LOT_SIZE` filter minimum quantity.": Refusal.MARKET_CLOSED,
    "Order book liquidity is less than symbol minimum quantity.": Refusal.MARKET_CLOSED,
    "Pegged orders are not supported for this symbol.": Refusal.MALFORMED,
    "This order type may not use pegged price.": Refusal.MALFORMED,
    "This price peg cannot be used with this order type.": Refusal.MALFORMED,
    "Order book liquidity is too low for this pegged order.": Refusal.MARKET_CLOSED,
    "This order type is not possible in this trading phase.": Refusal.MARKET_CLOSED,  # since 2023-03-13
    "Limit orders require GTC for this phase.": Refusal.MARKET_CLOSED,
    "This symbol does not allow the specified self-trade prevention mode.": Refusal.FILTER,
    **dict.fromkeys(
        [
            "Filter failure: PRICE_FILTER",
            "Filter failure: PERCENT_PRICE",
            "Filter failure: PERCENT_PRICE_BY_SIDE",
            "Filter failure: LOT_SIZE",
            "Filter failure: MIN_NOTIONAL",
            "Filter failure: NOTIONAL",
            "Filter failure: ICEBERG_PARTS",
            "Filter failure: MARKET_LOT_SIZE",
            "Filter failure: MAX_POSITION",
            "Filter failure: TRAILING_DELTA",
            "Filter failure: MAX_ASSET",
        ],
        Refusal.FILTER,
    ),
    **dict.fromkeys(
        [
            "Filter failure: MAX_NUM_ORDERS",
            "Filter failure: MAX_NUM_ALGO_ORDERS",
            "Filter failure: MAX_NUM_ICEBERG_ORDERS",
            "Filter failure: MAX_NUM_ORDER_AMENDS",
            "Filter failure: MAX_NUM_ORDER_LISTS",
            "Filter failure: EXCHANGE_MAX_NUM_ORDERS",
            "Filter failure: EXCHANGE_MAX_NUM_ALGO_ORDERS",
            "Filter failure: EXCHANGE_MAX_NUM_ICEBERG_ORDERS",
            "Filter failure: EXCHANGE_MAX_NUM_ORDER_LISTS",
        ],
        Refusal.TOO_MANY,
    ),
}
NOT_OF_A_NEW_ORDER = [
    "Unknown order sent.",
    "Cancel order is invalid. Check origClOrdId and orderId.",
    "Order was not canceled due to cancel restrictions.",
    "The requested action would change no state; rejecting",
]


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


@pytest.mark.parametrize(("code", "kind"), list(PUBLISHED_CODES.items()))
def test_each_published_code_is_a_refusal_of_its_kind_or_leaves_the_outcome_unknown(code, kind):
    answer = placed(error(code, "a text"), NOW)
    assert answer == (Unknown(f"{code} a text", code) if kind is None else Refused(kind, code, "a text"))


@pytest.mark.parametrize("code", [-1010, -1013, -2010])
@pytest.mark.parametrize(("message", "kind"), list(PUBLISHED_MESSAGES.items()))
def test_each_published_message_is_of_its_kind_whichever_code_brings_it(code, message, kind):
    assert placed(error(code, message), NOW) == Refused(kind, code, message)


@pytest.mark.parametrize("message", [*NOT_OF_A_NEW_ORDER, "A text never seen before.", ""])
def test_an_unlisted_message_is_as_certain_as_its_code(message):
    assert placed(error(-2010, message), NOW) == Refused(Refusal.OTHER, -2010, message)
    assert placed(error(-1013, message), NOW) == Refused(Refusal.FILTER, -1013, message)
    assert placed(error(-1010, message), NOW) == Unknown(f"-1010 {message}".rstrip(), -1010)


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


@pytest.mark.parametrize("code", [-1010, -1013, -2010])
def test_a_duplicate_is_unknown_because_the_order_exists(code):
    assert placed(error(code, "Duplicate order sent."), NOW) == Unknown("duplicate", code)


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


def test_an_error_that_cannot_be_read_makes_us_wait_as_long_as_it_may_have_said():
    assert halt(ApiAnswer(429, 1, refused=("error: the code",)), NOW) == 60_000
    assert halt(ApiAnswer(429, 1), NOW) == 10_000
    assert halt(ApiAnswer(500, 1, refused=("error: the code",)), NOW) is None


def test_credentials_are_refused_by_code_or_status():
    assert refuses_credentials(error(-2015))
    assert refuses_credentials(error(-1022))
    assert refuses_credentials(error(-9999, status=401))
    assert not refuses_credentials(error(-1021))
    assert not refuses_credentials(ok())


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("INSUFFICIENT_BALANCES", Refusal.BALANCE),  # these four are documented
        ("STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY", Refusal.MARKET_CLOSED),
        ("WOULD_MATCH_IMMEDIATELY", Refusal.MARKET_CLOSED),
        ("OCO_BAD_PRICES", Refusal.MALFORMED),
        ("INSUFFICIENT_BALANCE", Refusal.BALANCE),  # these were
        ("MARKET_CLOSED", Refusal.MARKET_CLOSED),
        ("PRICE_QTY_EXCEED_HARD_LIMITS", Refusal.FILTER),
        ("ACCOUNT_INACTIVE", Refusal.FORBIDDEN),
        ("ACCOUNT_CANNOT_SETTLE", Refusal.FORBIDDEN),
        ("UNKNOWN_INSTRUMENT", Refusal.OTHER),
        ("NONE", Refusal.OTHER),
    ],
)
def test_the_reason_of_a_rejected_order_says_what_follows(reason, kind):
    assert rejected(reason) == Refused(kind, 0, f"rejected by the matching engine: {reason}")


def test_an_order_that_was_rejected_as_a_duplicate_exists():
    assert rejected("DUPLICATE_ORDER") == Unknown("duplicate")


def test_the_reason_of_a_rejected_order_is_printable_and_short():
    refused = rejected("\u001b[2J" + "x" * 1000)
    assert refused.message.isprintable()
    assert len(refused.message) < 600
