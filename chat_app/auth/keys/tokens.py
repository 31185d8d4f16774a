"""The format of an API key: a prefix, 256 random bits, and a checksum.

The fixed prefix lets secret scanners find keys, and the checksum lets them tell a key from what
only looks like one without asking the server. Neither protects anything: the random bits do.
"""

import re
import secrets
import string
import zlib

PREFIX = "chatkey_"
"""How every key begins."""

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_LENGTH = 43  # 62 ** 43 > 2 ** 256
_CHECKSUM_LENGTH = 6  # 62 ** 6 > 2 ** 32

PATTERN = rf"{PREFIX}[0-9A-Za-z]{{{_RANDOM_LENGTH + _CHECKSUM_LENGTH}}}"
"""The regular expression of a key, for secret scanners."""

_KEY = re.compile(PATTERN)


def new_key() -> str:
    """A new key: the prefix, 256 random bits, and their checksum, both in base 62."""
    random = _base62(secrets.randbits(256), _RANDOM_LENGTH)
    return PREFIX + random + _checksum(random)


def is_well_formed(key: str) -> bool:
    """Whether a text has the form and the checksum of a key."""
    if not _KEY.fullmatch(key):
        return False
    random, checksum = key[len(PREFIX) : -_CHECKSUM_LENGTH], key[-_CHECKSUM_LENGTH:]
    return _checksum(random) == checksum


def _checksum(random: str) -> str:
    """CRC-32 of the random part, as it is written."""
    return _base62(zlib.crc32(random.encode("ascii")), _CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits: list[str] = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
