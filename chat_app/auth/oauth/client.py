"""What a provider says about a person, made fit for our rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from authlib.integrations.starlette_client import StarletteIntegration, StarletteOAuth2App
from starlette.requests import Request

from chat_app.auth.account.profile import truncate_display_name
from chat_app.auth.emails import normalise
from chat_app.auth.errors import InvalidEmail
from chat_app.auth.oauth.http_client import OAuthHttpClient, UnexpectedResponse

_SUBJECT_MAX_LENGTH = 255


def subject_claim(value: object) -> str:
    """The provider's own lasting key of a person (OpenID Connect Core §2, `sub`).

    Raises:
        UnfitAnswer: It is not 1 to 255 printable ASCII characters.
    """
    if not isinstance(value, str) or not value.strip() or len(value) > _SUBJECT_MAX_LENGTH:
        raise UnexpectedResponse("names nobody")
    if not (value.isascii() and value.isprintable()):
        raise UnexpectedResponse("names nobody")
    return value


def text_claim(value: object) -> str:
    """A text, or nothing for whatever else stands there."""
    return value if isinstance(value, str) else ""


def email_claim(value: object) -> str:
    """An address in its one form, or nothing for what is none that we take."""
    try:
        return normalise(text_claim(value))
    except InvalidEmail:
        return ""


def name_claim(*candidates: object) -> str:
    """The first of some names that has something to show."""
    return next(
        (kept for one in candidates if (kept := truncate_display_name(text_claim(one)))), ""
    )


_MAX_LENGTH = 8_192  # characters of a query; codes are the longest thing in it
_MAX_FIELDS = 20


@dataclass(frozen=True, slots=True)
class OAuthTransaction:
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
class AuthorizationResponse:
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


def read_authorization_response(query: bytes) -> AuthorizationResponse:
    """What the query of a callback says. Empty texts where it says nothing or is no such query."""
    fields = _fields(query)
    return AuthorizationResponse(
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


MAX_ID_TOKEN = 16_384
"""The longest id token that is looked at, in characters."""


class _OneTransaction(StarletteIntegration):
    """Keeps nothing: the session of a request holds the data of its one transaction."""

    async def get_state_data(self, session: dict[str, Any] | None, state: str) -> dict[str, Any]:
        return (session or {}).get(state, {})

    async def set_state_data(self, session: dict[str, Any] | None, state: str, data: Any) -> None:
        raise RuntimeError("Transactions are kept as one-time tokens.")

    async def clear_state_data(self, session: dict[str, Any] | None, state: str) -> None:
        (session or {}).pop(state, None)


class OAuthClient(StarletteOAuth2App):
    """One provider, as authlib sees it. PKCE with S256 for everyone (RFC 9700 §2.1.1).

    Args:
        name: The provider's id.
        scope: What is asked for, with spaces between.
        given: Further arguments of authlib: addresses, the client, fitted metadata.
    """

    client_cls = OAuthHttpClient

    def __init__(self, name: str, *, scope: str, **given: Any) -> None:
        kwargs = {"scope": scope, "code_challenge_method": "S256"}
        super().__init__(_OneTransaction(name), name, client_kwargs=kwargs, **given)

    async def address(self, transaction: OAuthTransaction) -> str:
        """Where the browser goes to sign in."""
        made = await self.create_authorization_url(
            transaction.redirect_uri,
            state=transaction.state,
            nonce=transaction.nonce,
            code_verifier=transaction.verifier,
        )
        return made["url"]

    async def redeem(
        self, answer: AuthorizationResponse, transaction: OAuthTransaction, **checks: Any
    ) -> dict[str, Any]:
        """The token for a callback's code, with the claims of its id token, checked, if it has one.

        Args:
            answer: What the callback brought.
            transaction: The sign-in that it belongs to.
            checks: What authlib shall ask of the id token.

        Raises:
            Exception: Anything. authlib, joserfc and the client raise types of their own, and what
                a provider sends decides which.
        """
        data = {
            "nonce": transaction.nonce,
            "code_verifier": transaction.verifier,
            "redirect_uri": transaction.redirect_uri,
        }
        query = urlencode({"code": answer.code, "state": transaction.state})
        request = Request(
            {
                "type": "http",
                "method": "GET",
                "headers": [],
                "query_string": query.encode(),
                "session": {transaction.state: data},
            }
        )
        return await self.authorize_access_token(request, **checks)

    async def parse_id_token(self, token: Any, *rest: Any, **checks: Any) -> Any:
        """The claims of an id token, checked; one of unfit size is not even decoded."""
        text = token["id_token"]
        if not isinstance(text, str) or len(text) > MAX_ID_TOKEN:
            raise UnexpectedResponse("has no usable id token")
        return await super().parse_id_token(token, *rest, **checks)
