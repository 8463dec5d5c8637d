"""The addresses of Binance's environments and of a local simulator."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``api_url`` serves the WebSocket API, ``stream_url`` the combined market streams."""

    api_url: str
    stream_url: str


# Source: Binance's documentation of its environments, 2026-07.
ENDPOINTS: Mapping[str, Endpoint] = MappingProxyType(
    {
        "binance": Endpoint(
            "wss://ws-api.binance.com:443/ws-api/v3",
            "wss://stream.binance.com:9443/stream",
        ),
        "testnet": Endpoint(
            "wss://ws-api.testnet.binance.vision/ws-api/v3",
            "wss://stream.testnet.binance.vision/stream",
        ),
        "demo": Endpoint(
            "wss://demo-ws-api.binance.com/ws-api/v3",
            "wss://demo-stream.binance.com/stream",
        ),
    }
)


def simulator(url: str) -> Endpoint:
    """The endpoint of a simulator at ``ws://127.0.0.1:PORT``."""
    root = url.rstrip("/")
    return Endpoint(f"{root}/ws-api/v3", f"{root}/stream")
