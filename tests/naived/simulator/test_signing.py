import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from naived.simulator.errors import ApiError, SimulatorError
from naived.simulator.signing import Key, check_time, payload, read_key

# The worked examples of Binance's documentation.
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
API_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
ASCII = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01000000",
    "price": "52000.00",
    "recvWindow": "100",
    "timestamp": "1645423376532",
    "apiKey": API_KEY,
    "signature": "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
}
UNICODE = {
    "symbol": "\uff11\uff12\uff13\uff14\uff15\uff16",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "1.00000000",
    "price": "0.10000000",
    "recvWindow": "5000",
    "timestamp": "1645423376532",
    "apiKey": API_KEY,
    "signature": "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
}


@pytest.mark.parametrize("params", [ASCII, UNICODE, {**ASCII, "signature": ASCII["signature"].upper()}])
def test_the_documented_signatures_are_good(params: dict[str, str]) -> None:
    read_key(API_KEY, SECRET, None).check(params)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"price": "52000.01"}, -1022),
        ({"extra": "1"}, -1022),
        ({"signature": "00"}, -1022),
        ({"signature": "\u00e9"}, -1022),
        ({"apiKey": "another"}, -2015),
        ({"apiKey": ""}, -1102),
        ({"signature": ""}, -1102),
    ],
)
def test_what_was_changed_after_signing_is_refused(change: dict[str, str], code: int) -> None:
    with pytest.raises(ApiError) as caught:
        read_key(API_KEY, SECRET, None).check({**ASCII, **change})
    assert caught.value.code == code


def test_without_a_key_any_key_is_good() -> None:
    Key().check({})


def test_an_ed25519_signature_is_checked() -> None:
    private = Ed25519PrivateKey.generate()
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    key = read_key("k", None, pem)
    params = {"apiKey": "k", "timestamp": "1"}
    signature = base64.b64encode(private.sign(payload(params))).decode()
    key.check({**params, "signature": signature})
    for wrong in (signature[4:] + signature[:4], "not base64!", "\u00e9"):
        with pytest.raises(ApiError, match="-1022"):
            key.check({**params, "signature": wrong})


def test_half_a_key_is_a_mistake_that_is_named() -> None:
    curve = generate_private_key(SECP256R1()).public_key()
    other = curve.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for arguments in (
        (None, "s", None),
        ("k", None, None),
        ("k", "s", "p"),
        ("k", None, "no pem"),
        ("k", None, other),
    ):
        with pytest.raises(SimulatorError, match="key"):
            read_key(*arguments)


NOW = 1_795_000_000_000
LATE = "Timestamp for this request is outside of the recvWindow."
AHEAD = "Timestamp for this request was 1000ms ahead of the server's time."


@pytest.mark.parametrize(
    ("timestamp", "window", "complaint"),
    [
        (NOW, None, None),
        (NOW - 5000, None, None),
        (NOW - 5001, None, LATE),
        (NOW - 60_000, "60000", None),
        (NOW - 60_001, "60000", LATE),
        (NOW + 999, None, None),
        (NOW + 1000, None, AHEAD),
        (NOW - 1, "0.5", LATE),
        (NOW * 1000 - 500, "0.5", None),
        (NOW * 1000 - 501, "0.5", LATE),
        (NOW * 1000 - 5_000_001, None, LATE),
        (NOW * 1000 + 1_000_000, None, AHEAD),
    ],
)
def test_a_request_is_good_from_a_second_before_to_the_end_of_its_window(
    timestamp: int, window: str | None, complaint: str | None
) -> None:
    params = {"timestamp": str(timestamp)} | ({} if window is None else {"recvWindow": window})
    if complaint is None:
        check_time(params, NOW)
        return
    with pytest.raises(ApiError) as caught:
        check_time(params, NOW)
    assert (caught.value.code, caught.value.message) == (-1021, complaint)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, -1102),
        ({"timestamp": "soon"}, -1100),
        ({"timestamp": str(NOW), "recvWindow": "60001"}, -1131),
        ({"timestamp": str(NOW), "recvWindow": "1.2345"}, -1100),
        ({"timestamp": str(NOW), "recvWindow": "5."}, -1100),
        ({"timestamp": str(NOW), "recvWindow": ""}, -1100),
        ({"timestamp": "9" * 5000}, -1100),
    ],
)
def test_a_time_that_is_none_is_refused(params: dict[str, str], code: int) -> None:
    with pytest.raises(ApiError) as caught:
        check_time(params, NOW)
    assert caught.value.code == code
