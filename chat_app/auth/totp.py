"""TOTP codes (RFC 6238) and backup codes. Pure: nothing is stored here."""

import base64
import hmac
import re
import secrets
from datetime import datetime, timedelta

from pyotp.hotp import HOTP
from pyotp.totp import TOTP

STEP = timedelta(seconds=30)
"""How long one TOTP code is valid."""
BACKUP_CODES = 10
"""How many backup codes a user gets."""

_BACKUP_BYTES = 10  # 80 bits: nothing to guess, so a plain hash keeps them
_SPACES = re.compile(r"[\s-]+")
_TOTP_CODE = re.compile(r"[0-9]{6}")
_BACKUP = re.compile(r"[A-Z2-7]{16}")
_MAX_LENGTH = 64  # characters of a code that are read


def new_secret() -> str:
    """160 random bits in base32, as authenticators read them (RFC 4226 §4)."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def uri_of(secret: str, *, account: str, site: str) -> str:
    """The `otpauth:` URI of the QR code.

    Args:
        secret: In base32.
        account: The account name that the authenticator shows.
        site: The issuer that the authenticator shows.
    """
    return TOTP(secret).provisioning_uri(name=account, issuer_name=site)


def normalize_code(code: str) -> str:
    """A code in capitals, without spaces and hyphens."""
    return _SPACES.sub("", code[:_MAX_LENGTH]).upper()


def is_totp_code(code: str) -> bool:
    """Whether it has the form of a TOTP code: six digits."""
    return _TOTP_CODE.fullmatch(code) is not None


def matching_step(secret: str, code: str, now: datetime) -> int | None:
    """The time step that a code belongs to, or None.

    A clock may be one step off (RFC 6238 §5.2).

    Args:
        secret: The secret in base32.
        code: As `normalize_code` returned it.
        now: The time.
    """
    current = int(now.timestamp() // STEP.total_seconds())
    counter = HOTP(secret)
    found = None
    for step in (current - 1, current, current + 1):
        if hmac.compare_digest(counter.at(step).encode(), code.encode("utf-8", "surrogatepass")):
            found = step
    return found


def new_backup_codes() -> tuple[str, ...]:
    """Ten codes in groups of four characters."""
    return tuple(_grouped(secrets.token_bytes(_BACKUP_BYTES)) for _ in range(BACKUP_CODES))


def is_backup_code(code: str) -> bool:
    """Whether it has the form of a backup code."""
    return _BACKUP.fullmatch(code) is not None


def _grouped(random: bytes) -> str:
    code = base64.b32encode(random).decode()
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))
