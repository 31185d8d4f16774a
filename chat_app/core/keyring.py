"""Sealing what leaves the program, or rests in its database, for nobody else's eyes.

Each purpose has a key of its own, derived from the installation's secret, so that what was sealed
for one is noise to another. The newest secret seals; those before it still open, which is how a
secret is changed without signing anybody out.
"""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from joserfc.errors import JoseError
from joserfc.jwe import JWERegistry, decrypt_compact, encrypt_compact
from joserfc.jwk import OctKey

from chat_app.settings import Settings

_ALGORITHM, _CONTENT = "dir", "A256CBC-HS512"
_REGISTRY = JWERegistry(algorithms=[_ALGORITHM, _CONTENT])


class DecryptionError(Exception):
    """No key of this ring sealed that, or not for this purpose, or it was changed since."""


@dataclass(frozen=True)
class _Key:
    header: str  # as it is written: whatever else stands there is not ours
    key: OctKey


class KeyRing:
    """Seals and opens with every secret of the settings.

    Args:
        settings: `AUTH_SECRET` seals; `AUTH_SECRET_PREVIOUS` opens.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: dict[str, Mapping[str, _Key]] = {}

    def seal(self, purpose: str, content: bytes) -> str:
        """Encrypt with the newest key (JWE compact serialization, RFC 7516 §3.1).

        Args:
            purpose: What it is for; only the same word opens it.
            content: At most 64 kB.
        """
        newest = next(iter(self._keys(purpose).values()))
        return _encrypt(newest.key, content)

    def open(self, purpose: str, sealed: str) -> bytes:
        """Decrypt with whichever key sealed it.

        Raises:
            NotSealed: It is none of ours, or for another purpose.
        """
        key = self._sealer(purpose, sealed)
        if key is None:
            raise DecryptionError
        try:
            return decrypt_compact(sealed, key.key, registry=_REGISTRY).plaintext or b""
        except (JoseError, ValueError):
            raise DecryptionError from None

    def is_old(self, purpose: str, sealed: str) -> bool:
        """Whether it should be sealed again, because its key will be taken away one day."""
        newest = next(iter(self._keys(purpose).values()))
        return self._sealer(purpose, sealed) is not newest

    def _sealer(self, purpose: str, sealed: str) -> _Key | None:
        # The header is compared as a text before anything is parsed: no other algorithm, no
        # compression and no extension of the format is ever looked at.
        header, _, rest = sealed.partition(".")
        return self._keys(purpose).get(header) if rest.isascii() else None

    def _keys(self, purpose: str) -> Mapping[str, _Key]:
        """The keys of a purpose by their header, the newest first."""
        if purpose not in self._known:
            keys = [_key(secret, purpose) for secret in self._secrets]
            self._known[purpose] = {key.header: key for key in keys}
        return self._known[purpose]

    @cached_property
    def _secrets(self) -> Iterable[bytes]:
        older = (one.get_secret_value().encode() for one in self._settings.auth_secret_previous)
        return (self._settings.secret, *older)


def derive(secret: bytes, purpose: str) -> bytes:
    """A key of 64 bytes for one purpose: HKDF with SHA-512 and no salt (RFC 5869).

    One block of that hash is enough, so expanding is a single step (§2.3).
    """
    extracted = hmac.digest(bytes(64), secret, "sha512")
    return hmac.digest(extracted, purpose.encode() + b"\x01", "sha512")


def _key(secret: bytes, purpose: str) -> _Key:
    kid = derive(secret, f"key id of {purpose}")[:4].hex()
    key = OctKey.import_key(derive(secret, purpose), {"kid": kid, "use": "enc"})
    return _Key(_encrypt(key, b"").partition(".")[0], key)


def _encrypt(key: OctKey, content: bytes) -> str:
    header = {"alg": _ALGORITHM, "enc": _CONTENT, "kid": key.kid}
    return encrypt_compact(header, content, key, registry=_REGISTRY)
