"""Cryptography: encryption (JWE) and signatures (JWS) with derived keys (HKDF), random tokens.

Each purpose has its own key, so that a value encrypted for one purpose does not decrypt for
another. The newest secret encrypts; the previous ones still decrypt, so that a secret can be
rotated without signing users out.
"""

import hashlib
import secrets
from typing import Literal

from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.errors import JoseError
from joserfc.jwe import JWERegistry, decrypt_compact, encrypt_compact
from joserfc.jwk import OctKey
from joserfc.jws import deserialize_compact, serialize_compact

from chat_app.settings import Settings

_ALGORITHM, _CONTENT = "dir", "A256CBC-HS512"
_REGISTRY = JWERegistry(algorithms=[_ALGORITHM, _CONTENT])
_SIGNATURE = "HS256"


class DecryptionError(Exception):
    """The value was encrypted with another key or for another purpose, or was tampered with."""


class InvalidSignature(Exception):
    """The value was signed with another key or for another purpose, or was tampered with."""


class KeyRing:
    """Encrypts and signs with the newest secret; decrypts and verifies with all of them.

    Args:
        settings: `AUTH_SECRET` encrypts and signs; `AUTH_SECRET_PREVIOUS` only decrypts and
            verifies.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cache: dict[str, dict[str, OctKey]] = {}
        self._signing: dict[str, dict[str, OctKey]] = {}

    def encrypt(self, purpose: str, content: bytes) -> str:
        """Encrypt with the newest key (JWE compact serialization, RFC 7516 §3.1).

        Args:
            purpose: Only the same purpose decrypts it.
            content: At most 64 kB.
        """
        newest = next(iter(self._keys(purpose).values()))
        return _encrypt(newest, content)

    def decrypt(self, purpose: str, encrypted: str) -> bytes:
        """Decrypt with the key that encrypted it.

        Raises:
            DecryptionError: None of our keys for this purpose did.
        """
        # The header is compared as text before anything is parsed, so that no other algorithm,
        # compression or extension of the format is ever processed.
        key = self._keys(purpose).get(_header(encrypted))
        if key is None or not encrypted.isascii():
            raise DecryptionError
        try:
            return decrypt_compact(encrypted, key, registry=_REGISTRY).plaintext or b""
        except (JoseError, ValueError):
            raise DecryptionError from None

    def is_outdated(self, purpose: str, encrypted: str) -> bool:
        """Whether a previous key encrypted it, so that it should be encrypted again."""
        return _header(encrypted) != next(iter(self._keys(purpose)))

    def sign(self, purpose: str, content: bytes) -> str:
        """Sign with the newest key (JWS compact serialization, RFC 7515 §3.1).

        Args:
            purpose: Only the same purpose verifies it.
            content: Anyone can read it.
        """
        newest = next(iter(self._signing_keys(purpose).values()))
        return _sign(newest, content)

    def verify(self, purpose: str, signed: str) -> bytes:
        """The content of a signed value, verified with the key that signed it.

        Raises:
            InvalidSignature: None of our keys for this purpose did.
        """
        key = self._signing_keys(purpose).get(_header(signed))  # compared as text: see `decrypt`
        if key is None or not signed.isascii():
            raise InvalidSignature
        try:
            return deserialize_compact(signed, key, algorithms=[_SIGNATURE]).payload
        except (JoseError, ValueError):
            raise InvalidSignature from None

    def mac_keys(self, purpose: str) -> dict[str, bytes]:
        """The keys of a purpose for HMAC-SHA-256, the newest first.

        Args:
            purpose: Has keys of its own.

        Returns:
            Short id of a key, which reveals nothing of it → the key, 32 bytes.
        """
        return {
            derive_key(secret, f"key id of {purpose}")[:4].hex(): derive_key(secret, purpose)[:32]
            for secret in self._secrets
        }

    def _keys(self, purpose: str) -> dict[str, OctKey]:
        """The keys of a purpose by the header that they encrypt with, the newest first."""
        if purpose not in self._cache:
            keys = [_key(secret, purpose, "enc") for secret in self._secrets]
            self._cache[purpose] = {_header(_encrypt(key, b"")): key for key in keys}
        return self._cache[purpose]

    def _signing_keys(self, purpose: str) -> dict[str, OctKey]:
        """The keys of a purpose by the header that they sign with, the newest first."""
        if purpose not in self._signing:
            keys = [_key(secret, f"signature of {purpose}", "sig") for secret in self._secrets]
            self._signing[purpose] = {_header(_sign(key, b"")): key for key in keys}
        return self._signing[purpose]

    @property
    def _secrets(self) -> list[bytes]:
        """Every secret, the newest first."""
        previous = self._settings.auth_secret_previous
        return [
            self._settings.secret,
            *(secret.get_secret_value().encode() for secret in previous),
        ]


def derive_key(secret: bytes, purpose: str) -> bytes:
    """A key of 64 bytes for one purpose: HKDF with SHA-512 and no salt (RFC 5869)."""
    return HKDF(SHA512(), length=64, salt=None, info=purpose.encode()).derive(secret)


def new_token() -> str:
    """256 random bits in base64url, 43 characters."""
    return secrets.token_urlsafe(32)


def new_short_id() -> str:
    """A random id for what each token of a stream repeats: 16 characters of 96 bits, no secret."""
    return secrets.token_urlsafe(12)


def hash_token(token: str) -> str:
    """SHA-256 in hexadecimal: what is stored of a token.

    A fast hash is enough because tokens are random. Lone surrogates are hashed too, so that an
    untrusted token never raises.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _key(secret: bytes, purpose: str, use: Literal["enc", "sig"]) -> OctKey:
    kid = derive_key(secret, f"key id of {purpose}")[:4].hex()
    return OctKey.import_key(derive_key(secret, purpose), {"kid": kid, "use": use})


def _header(token: str) -> str:
    return token.partition(".")[0]


def _encrypt(key: OctKey, content: bytes) -> str:
    header = {"alg": _ALGORITHM, "enc": _CONTENT, "kid": key.kid}
    return encrypt_compact(header, content, key, registry=_REGISTRY)


def _sign(key: OctKey, content: bytes) -> str:
    header = {"alg": _SIGNATURE, "kid": key.kid, "typ": "JWT"}
    return serialize_compact(header, content, key, algorithms=[_SIGNATURE])
