import pytest

from naived.binance.endpoint import ENDPOINTS, simulator


@pytest.mark.parametrize("name", ["binance", "testnet", "demo"])
def test_every_real_exchange_is_reached_over_tls(name):
    endpoint = ENDPOINTS[name]
    assert endpoint.api_url.startswith("wss://")
    assert endpoint.api_url.endswith("/ws-api/v3")
    assert endpoint.stream_url.startswith("wss://")
    assert endpoint.stream_url.endswith("/stream")


def test_only_production_is_production():
    urls = [url for each in ("testnet", "demo") for url in (ENDPOINTS[each].api_url, ENDPOINTS[each].stream_url)]
    assert not any("//ws-api.binance.com" in url or "//stream.binance.com" in url for url in urls)


def test_a_simulator_has_both_sockets_on_one_port():
    endpoint = simulator("ws://127.0.0.1:41234/")
    assert endpoint.api_url == "ws://127.0.0.1:41234/ws-api/v3"
    assert endpoint.stream_url == "ws://127.0.0.1:41234/stream"
