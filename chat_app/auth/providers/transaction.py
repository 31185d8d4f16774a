"""One sign-in at a provider: what is remembered between going there and coming back."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

_MAX_LENGTH = 8_192  # characters of a query; codes are the longest thing in it
_MAX_FIELDS = 20


@dataclass(frozen=True, slots=True)
class Transaction:
    """What ties a callback to the browser and the provider that it began with.

    Args:
        state: Random, in the address that the browser is sent to and back.
        nonce: Random, in the id token (OpenID Connect Core §3.1.2.1).
        verifier: Random, shown when the code is redeemed (RFC 7636).
        redirect_uri: Where the provider sends the browser back to.
    """

    state: str
    nonce: str
    verifier: str
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a callback brought.

    Args:
        state: Which transaction it says it is about.
        code: What is redeemed; empty when there is none.
        issuer: Who it says it comes from (RFC 9207); None when it says nothing.
        error: The provider's word for why not; empty when there is none.
    """

    state: str
    code: str
    issuer: str | None
    error: str


def read_answer(query: bytes) -> Answer:
    """What the query of a callback says. Empty texts where it says nothing or is no such query."""
    fields = _fields(query)
    return Answer(
        state=fields.get("state", ""),
        code=fields.get("code", ""),
        issuer=fields.get("iss"),
        error=fields.get("error", ""),
    )


def _fields(query: bytes) -> dict[str, str]:
    if len(query) > _MAX_LENGTH:
        return {}
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError:
        return {}
    return {} if _repeats([name for name, _ in pairs]) else dict(pairs)


def _repeats(names: Sequence[str]) -> bool:
    # Two readers of a query that says a thing twice may hear different things.
    return len(set(names)) != len(names)
