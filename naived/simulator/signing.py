"""API keys, signatures, and the time window in which a signed request is accepted.

The signed text is every parameter except the signature, sorted by name, as ``name=value`` joined by ``&``, UTF-8,
not percent-encoded. A request is accepted only while server time <= timestamp + recvWindow.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from naived.simulator.errors import ApiError, SimulatorError, missing
from naived.simulator.params import MICROSECONDS_FROM, Params, illegal, integer, required

_AHEAD = 1000  # milliseconds that a timestamp may be ahead of the server's clock
_DEFAULT_WINDOW = 5_000_000  # microseconds
_LONGEST_WINDOW = 60_000_000  # microseconds
_WINDOW = re.compile(r"[0-9]{1,5}(\.[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class Key:
    """The only accepted API key, with a secret (HMAC) or a public key (Ed25519). ``api_key`` None accepts any."""

    api_key: str | None = None
    secret: str | None = None
    public_key: Ed25519PublicKey | None = None

    def check(self, params: Params) -> None:
        """Raises ApiError -1102, -2015 or -1022 unless key and signature are right."""
        if self.api_key is None:
            return
        if required(params, "apiKey") != self.api_key:
            raise ApiError(-2015, "Invalid API-key, IP, or permissions for action.")
        if not self._signed(payload(params), required(params, "signature")):
            raise ApiError(-1022, "Signature for this request is not valid.")

    def _signed(self, text: bytes, signature: str) -> bool:
        if self.secret is not None:
            right = hmac.new(self.secret.encode(), text, hashlib.sha256).hexdigest()
            return hmac.compare_digest(right.encode(), signature.lower().encode())
        assert self.public_key is not None
        try:
            self.public_key.verify(base64.b64decode(signature, validate=True), text)
        except (InvalidSignature, ValueError):
            return False
        return True


def read_key(api_key: str | None, secret: str | None, public_key: str | None) -> Key:
    """The key to check against; ``public_key`` is an Ed25519 key in PEM. Raises SimulatorError."""
    if api_key is None and secret is None and public_key is None:
        return Key()
    if api_key is None or (secret is None) == (public_key is None):
        raise SimulatorError("signatures are checked with an API key and either its secret or its public key")
    if public_key is None:
        return Key(api_key, secret=secret)
    try:
        loaded = load_pem_public_key(public_key.encode())
    except ValueError as error:
        raise SimulatorError(f"the API public key is not PEM: {error}") from error
    if not isinstance(loaded, Ed25519PublicKey):
        raise SimulatorError("the API public key is not an Ed25519 key")
    return Key(api_key, public_key=loaded)


def payload(params: Params) -> bytes:
    """The signed text."""
    return "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "signature").encode()


def check_time(params: Params, now: int) -> None:
    """Raises ApiError -1021 outside the window; ``now`` is server time in milliseconds."""
    timestamp = integer(params, "timestamp")
    if timestamp is None:
        raise missing("timestamp")
    given = timestamp if timestamp >= MICROSECONDS_FROM else timestamp * 1000
    window = _window(params.get("recvWindow"))
    if given >= (now + _AHEAD) * 1000:
        raise ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now * 1000 - given > window:
        raise ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")


def _window(text: str | None) -> int:
    """recvWindow in microseconds from milliseconds with up to 3 decimals."""
    if text is None:
        return _DEFAULT_WINDOW
    if not _WINDOW.fullmatch(text):
        raise illegal("recvWindow", f"^{_WINDOW.pattern}$")
    whole, _, part = text.partition(".")
    window = int(whole) * 1000 + int(part.ljust(3, "0"))
    if window > _LONGEST_WINDOW:
        raise ApiError(-1131, "recvWindow must be less than 60000.")
    return window
