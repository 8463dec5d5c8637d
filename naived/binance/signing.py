"""Credentials: an API key, and the secret that signs each request.

The signed text is all parameters except the signature, sorted by name, joined as ``name=value`` with ``&``, in
UTF-8 and without percent-encoding (WebSocket API, "Request security").
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

Param: TypeAlias = str | int | bool
Params: TypeAlias = Mapping[str, Param]


class KeyFormatError(ValueError):
    """We cannot sign with this secret; the message does not quote it."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """``sign`` returns the signature of a payload; ``repr`` shows neither field."""

    api_key: str = field(repr=False)
    sign: Callable[[bytes], str] = field(repr=False)


def credentials(api_key: str, secret: str) -> Credentials:
    """From an HMAC secret, or an Ed25519 private key in PEM; raises KeyFormatError."""
    if not api_key.isascii() or not secret.isascii():
        raise KeyFormatError("an API key and its secret are plain ASCII")
    if not secret.startswith("-----BEGIN "):
        return Credentials(api_key, _hmac(secret.encode()))
    try:
        key = load_pem_private_key(secret.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Without the cause: a parser's message may quote the secret.
        raise KeyFormatError("the secret is not an unencrypted private key in PEM") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFormatError("the private key is not an Ed25519 key")
    return Credentials(api_key, _ed25519(key))


def _hmac(secret: bytes) -> Callable[[bytes], str]:
    def sign(payload: bytes) -> str:
        return hmac.new(secret, payload, hashlib.sha256).hexdigest()

    return sign


def _ed25519(key: Ed25519PrivateKey) -> Callable[[bytes], str]:
    def sign(payload: bytes) -> str:
        return base64.b64encode(key.sign(payload)).decode("ascii")

    return sign


def payload(params: Params) -> bytes:
    """The text that is signed."""
    return "&".join(f"{name}={_text(params[name])}" for name in sorted(params)).encode()


def signed(params: Params, key: Credentials) -> dict[str, Param]:
    """The parameters, with ``apiKey`` and ``signature`` added."""
    whole = {**params, "apiKey": key.api_key}
    return {**whole, "signature": key.sign(payload(whole))}


def _text(value: Param) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
