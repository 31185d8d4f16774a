"""A security key in software: makes passkeys and signs with them, also as an attacker would."""

import base64
import hashlib
import json
import secrets
import struct
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import bytes_to_base64url

UP, UV, AT = 1, 4, 64


class Authenticator:
    """Holds one passkey.

    Attributes:
        count: How often it has signed; None for a device that does not count.
        origin: The page that it believes to be on.
        flags: Present and verified, unless a test says otherwise.
    """

    def __init__(self, origin: str, host: str = "localhost") -> None:
        self.origin, self.host = origin, host
        self.count = 0
        self.counts = True
        self.flags = UP | UV
        self.id = secrets.token_bytes(32)
        self.handle = b""
        self._key = ec.generate_private_key(ec.SECP256R1())

    def create(self, options: dict[str, Any]) -> str:
        """What `navigator.credentials.create` brings, as JSON."""
        self.handle = _bytes(options["user"]["id"])
        point = self._key.public_key().public_numbers()
        x, y = (number.to_bytes(32, "big") for number in (point.x, point.y))
        public = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})
        attested = bytes(16) + struct.pack(">H", len(self.id)) + self.id + public
        data = self._data(AT) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", options["challenge"])
        response = {"clientDataJSON": _text(client), "attestationObject": _text(attestation)}
        return self._credential({**response, "transports": ["internal"]})

    def get(self, options: dict[str, Any], *, kind: str = "webauthn.get") -> str:
        """What `navigator.credentials.get` brings, as JSON."""
        self.count += self.counts
        client, data = self._client(kind, options["challenge"]), self._data()
        signed = data + hashlib.sha256(client).digest()
        signature = self._key.sign(signed, ec.ECDSA(hashes.SHA256()))
        return self._credential(
            {
                "clientDataJSON": _text(client),
                "authenticatorData": _text(data),
                "signature": _text(signature),
                "userHandle": _text(self.handle),
            }
        )

    def _data(self, more: int = 0) -> bytes:
        host = hashlib.sha256(self.host.encode()).digest()
        return host + struct.pack(">BI", self.flags | more, self.count)

    def _client(self, kind: str, challenge: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(said).encode()

    def _credential(self, response: dict[str, Any]) -> str:
        own = {"id": _text(self.id), "rawId": _text(self.id), "type": "public-key"}
        return json.dumps({**own, "response": response})


def _text(content: bytes) -> str:
    return bytes_to_base64url(content)


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
