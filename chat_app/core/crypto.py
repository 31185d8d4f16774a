"""Authenticated encryption with keys derived from the installation's secret (JWE, HKDF).

Each purpose has its own key, so that a value encrypted for one purpose does not decrypt for
another. The newest secret encrypts; the previous ones still decrypt, so that a secret can be
rotated without signing users out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

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


@dataclass(frozen=True)
class _Key:
    header: str  # as `encrypt` writes it; any other header is not ours
    key: OctKey


class KeyRing:
    """Encrypts with the newest secret and decrypts with all of them.

    Args:
        settings: `AUTH_SECRET` encrypts; `AUTH_SECRET_PREVIOUS` only decrypts.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cache: dict[str, Mapping[str, _Key]] = {}

    def encrypt(self, purpose: str, content: bytes) -> str:
        """Encrypt with the newest key (JWE compact serialization, RFC 7516 §3.1).

        Args:
            purpose: Only the same purpose decrypts it.
            content: At most 64 kB.
        """
        return _encrypt(self._newest(purpose).key, content)

    def decrypt(self, purpose: str, encrypted: str) -> bytes:
        """Decrypt with the key that encrypted it.

        Raises:
            DecryptionError: None of our keys for this purpose did.
        """
        key = self._key_of(purpose, encrypted)
        if key is None:
            raise DecryptionError
        try:
            return decrypt_compact(encrypted, key.key, registry=_REGISTRY).plaintext or b""
        except (JoseError, ValueError):
            raise DecryptionError from None

    def is_outdated(self, purpose: str, encrypted: str) -> bool:
        """Whether a previous key encrypted it, so that it should be encrypted again."""
        return self._key_of(purpose, encrypted) is not self._newest(purpose)

    def _newest(self, purpose: str) -> _Key:
        return next(iter(self._keys(purpose).values()))

    def _key_of(self, purpose: str, encrypted: str) -> _Key | None:
        # The header is compared as text before anything is parsed, so that no other algorithm,
        # compression or extension of the format is ever processed.
        header, _, rest = encrypted.partition(".")
        return self._keys(purpose).get(header) if rest.isascii() else None

    def _keys(self, purpose: str) -> Mapping[str, _Key]:
        """The keys of a purpose by their header, the newest first."""
        if purpose not in self._cache:
            keys = [_key(secret, purpose) for secret in self._secrets]
            self._cache[purpose] = {key.header: key for key in keys}
        return self._cache[purpose]

    @cached_property
    def _secrets(self) -> Iterable[bytes]:
        previous = self._settings.auth_secret_previous
        return (self._settings.secret, *(one.get_secret_value().encode() for one in previous))


def derive_key(secret: bytes, purpose: str) -> bytes:
    """A key of 64 bytes for one purpose: HKDF with SHA-512 and no salt (RFC 5869)."""
    return HKDF(SHA512(), length=64, salt=None, info=purpose.encode()).derive(secret)


def _key(secret: bytes, purpose: str) -> _Key:
    kid = derive_key(secret, f"key id of {purpose}")[:4].hex()
    key = OctKey.import_key(derive_key(secret, purpose), {"kid": kid, "use": "enc"})
    return _Key(_encrypt(key, b"").partition(".")[0], key)


def _encrypt(key: OctKey, content: bytes) -> str:
    header = {"alg": _ALGORITHM, "enc": _CONTENT, "kid": key.kid}
    return encrypt_compact(header, content, key, registry=_REGISTRY)
