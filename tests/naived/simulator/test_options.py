import pytest

from naived.simulator.errors import ApiError
from naived.simulator.options import named_in, read_options


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/stream?streams=btcusdt@trade/ethusdt@aggTrade", ["btcusdt@trade", "ethusdt@aggTrade"]),
        ("/ws/btcusdt@trade", ["btcusdt@trade"]),
        ("/ws/btcusdt@trade?timeUnit=MICROSECOND", ["btcusdt@trade"]),
        ("/ws/0", []),
        ("/ws", []),
        ("/stream", []),
        ("/stream?streams=", []),
    ],
)
def test_a_path_names_streams_or_none_yet(target: str, expected: list[str]) -> None:
    assert named_in(target) == expected


@pytest.mark.parametrize(
    ("target", "micro", "limits", "combined"),
    [
        ("/ws-api/v3", False, True, False),
        ("/ws-api/v3?timeUnit=MICROSECOND&returnRateLimits=false", True, False, False),
        ("/ws-api/v3?timeUnit=millisecond", False, True, False),
        ("/stream?streams=ethusdt@trade&timeUnit=microsecond", True, True, True),
        ("/ws/ethusdt@trade?responseFormat=json", False, True, False),
    ],
)
def test_a_connection_says_what_it_wants_in_its_address(
    target: str, micro: bool, limits: bool, combined: bool
) -> None:
    options = read_options(target)
    assert (options.micro, options.return_rate_limits, options.combined) == (micro, limits, combined)


@pytest.mark.parametrize(
    ("query", "code"), [("timeUnit=NANOSECOND", -1194), ("responseFormat=sbe&sbeSchemaId=3", -1155)]
)
def test_what_this_exchange_does_not_do_is_refused(query: str, code: int) -> None:
    with pytest.raises(ApiError) as caught:
        read_options(f"/ws-api/v3?{query}")
    assert caught.value.code == code
