"""Cryptography: encryption (JWE) with derived keys (HKDF), random tokens and their hashes.

Each purpose has its own key, so that a value encrypted for one purpose does not decrypt for
another. The newest secret encrypts; the previous ones still decrypt, so that a secret can be
rotated without signing users out.
"""

import hashlib
import secrets

from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.errors import JoseError
from joserfc.jwe import JWERegistry, decrypt_compact, encrypt_compact
from joserfc.jwk import OctKey

from chat_app.settings import Settings

_ALGORITHM, _CONTENT = "dir", "A256CBC-HS512"
_REGISTRY = JWERegistry(algorithms=[_ALGORITHM, _CONTENT])


class DecryptionError(Exception):
    """The value was encrypted with another key or for another purpose, or was tampered with."""


class KeyRing:
    """Encrypts with the newest secret and decrypts with all of them.

    Args:
        settings: `AUTH_SECRET` encrypts; `AUTH_SECRET_PREVIOUS` only decrypts.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cache: dict[str, dict[str, OctKey]] = {}

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

    def _keys(self, purpose: str) -> dict[str, OctKey]:
        """The keys of a purpose by the header that they encrypt with, the newest first."""
        if purpose not in self._cache:
            previous = self._settings.auth_secret_previous
            all_secrets = (
                self._settings.secret,
                *(secret.get_secret_value().encode() for secret in previous),
            )
            keys = [_key(secret, purpose) for secret in all_secrets]
            self._cache[purpose] = {_header(_encrypt(key, b"")): key for key in keys}
        return self._cache[purpose]


def derive_key(secret: bytes, purpose: str) -> bytes:
    """A key of 64 bytes for one purpose: HKDF with SHA-512 and no salt (RFC 5869)."""
    return HKDF(SHA512(), length=64, salt=None, info=purpose.encode()).derive(secret)


def new_token() -> str:
    """256 random bits in base64url, 43 characters."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """SHA-256 in hexadecimal: what is stored of a token.

    A fast hash is enough because tokens are random. Lone surrogates are hashed too, so that an
    untrusted token never raises.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _key(secret: bytes, purpose: str) -> OctKey:
    kid = derive_key(secret, f"key id of {purpose}")[:4].hex()
    return OctKey.import_key(derive_key(secret, purpose), {"kid": kid, "use": "enc"})


def _header(encrypted: str) -> str:
    return encrypted.partition(".")[0]


def _encrypt(key: OctKey, content: bytes) -> str:
    header = {"alg": _ALGORITHM, "enc": _CONTENT, "kid": key.kid}
    return encrypt_compact(header, content, key, registry=_REGISTRY)
