import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from naived.binance.signing import KeyFormatError, credentials, payload, signed

# Published by Binance with its documentation of signatures; not a key of anybody's.
API_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"


def test_the_documented_request_gets_the_documented_signature():
    params = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01000000",
        "price": "52000.00",
        "recvWindow": 100,
        "timestamp": 1645423376532,
    }
    whole = signed(params, credentials(API_KEY, SECRET))
    assert whole["signature"] == "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"
    assert {name: whole[name] for name in params} == params
    assert whole["apiKey"] == API_KEY


def test_a_symbol_beyond_ascii_is_signed_as_utf8_without_escapes():
    params = {
        "symbol": "１２３４５６",  # noqa: RUF001 - the documentation's own sample
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "1.00000000",
        "price": "0.10000000",
        "recvWindow": 5000,
        "timestamp": 1645423376532,
    }
    whole = signed(params, credentials(API_KEY, SECRET))
    assert whole["signature"] == "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd"


def test_a_text_is_signed_byte_for_byte():
    text = (
        b"symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
        b"&recvWindow=5000&timestamp=1499827319559"
    )
    signature = credentials(API_KEY, SECRET).sign(text)
    assert signature == "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"


def test_parameters_are_sorted_and_written_as_the_exchange_reads_them():
    assert payload({"b": True, "a": 5000, "C": "x y&z", "d": False}) == b"C=x y&z&a=5000&b=true&d=false"


def test_an_ed25519_key_signs_in_base64_what_its_public_key_verifies():
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    signature = credentials("key", pem).sign(b"timestamp=1")
    key.public_key().verify(base64.b64decode(signature, validate=True), b"timestamp=1")


def test_other_keys_are_refused_and_not_quoted():
    other = ec.generate_private_key(ec.SECP256R1())
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(KeyFormatError, match="not an Ed25519 key"):
        credentials("key", pem)
    with pytest.raises(KeyFormatError, match="unencrypted private key") as caught:
        credentials("key", "-----BEGIN PRIVATE KEY-----\nplanted\n-----END PRIVATE KEY-----")
    assert "planted" not in str(caught.value)
    assert caught.value.__cause__ is None
    with pytest.raises(KeyFormatError, match="ASCII"):
        credentials("key", "ключ")


def test_neither_key_nor_secret_is_in_the_repr():
    shown = repr(credentials("planted-key", "planted-secret"))
    assert "planted" not in shown
