"""Which hosts a provider may say that its parts are on.

What it says is fetched from inside our network, so it may name itself and the public internet. A
public name that leads inside after all gets a TLS handshake there and no request: whoever answers
has no certificate for that name.
"""

import re

_MAX_LENGTH = 253
_NAME = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+"
    r"(?P<top>[a-z]{2,63}|xn--[a-z0-9-]{0,58}[a-z0-9])"  # never a number, nor what is read as one
)
_INSIDE = frozenset(
    {
        "arpa",
        "corp",
        "home",
        "internal",
        "intranet",
        "invalid",
        "lan",
        "local",
        "localdomain",
        "localhost",
        "onion",
        "private",
    }
)
"""What no public name ends with, and networks' own names do (RFC 6761, RFC 6762, RFC 8375)."""


def is_public_name(host: str) -> bool:
    """Whether a host, in lower case, is a name of the public DNS in its plain spelling.

    A number is none, however it is written, and neither is a name without a dot.
    """
    found = _NAME.fullmatch(host) if len(host) <= _MAX_LENGTH else None
    return found is not None and found["top"] not in _INSIDE
