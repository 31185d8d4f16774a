"""Random tokens and their hashes: sessions, one-time tokens, remembered devices, backup codes."""

import hashlib
import secrets


def new_token() -> str:
    """256 random bits in base64url, 43 characters."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """SHA-256 in hexadecimal: what is stored of a token.

    A fast hash is enough because tokens are random. Lone surrogates are hashed too, so that an
    untrusted token never raises.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
