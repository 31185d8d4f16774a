"""The OAuth 2 and OpenID Connect client (on authlib), and the claims that it returns."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode

from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.integrations.starlette_client import StarletteIntegration, StarletteOAuth2App
from starlette.requests import Request

from chat_app.auth.account.profile import truncate_display_name
from chat_app.auth.emails import normalise
from chat_app.auth.errors import InvalidEmail
from chat_app.core.http_out import UnexpectedResponse, client_options
from chat_app.core.logging import error_words
from chat_app.settings.identity_providers import IdentityProvider

MAX_ID_TOKEN = 16_384
"""The longest id token that is decoded, in characters."""
_SUBJECT_MAX_LENGTH = 255
_QUERY_MAX_LENGTH = 8_192  # characters; the authorization code is the longest value
_QUERY_MAX_FIELDS = 20


def subject_claim(value: object) -> str:
    """The provider's permanent key of a user (OpenID Connect Core §2, `sub`).

    Raises:
        UnexpectedResponse: It is not 1 to 255 printable ASCII characters.
    """
    if not isinstance(value, str) or not value.strip() or len(value) > _SUBJECT_MAX_LENGTH:
        raise UnexpectedResponse("has no usable subject")
    if not (value.isascii() and value.isprintable()):
        raise UnexpectedResponse("has no usable subject")
    return value


def text_claim(value: object) -> str:
    """A string claim; any other type is an empty string."""
    return value if isinstance(value, str) else ""


def email_claim(value: object) -> str:
    """A normalised email, or an empty string for an invalid one."""
    try:
        return normalise(text_claim(value))
    except InvalidEmail:
        return ""


def name_claim(*candidates: object) -> str:
    """The first display name that is not empty."""
    names = (truncate_display_name(text_claim(candidate)) for candidate in candidates)
    return next(filter(None, names), "")


def provider_words(error: Exception, *hidden: str) -> str:
    """What went wrong at an identity provider, in its own words or those of the network.

    Args:
        error: What authlib, joserfc or the HTTP client raised.
        hidden: What must not be repeated: the client secret, the code and the rest of a sign-in.
    """
    first_line = str(error).partition("\n")[0]
    if isinstance(error, TimeoutError):
        first_line = first_line or "no response in time"
    words = error_words(first_line, *hidden)
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


@dataclass(frozen=True, slots=True)
class OAuthTransaction:
    """Ties a callback to the browser and the provider where the sign-in started.

    Args:
        state: Random; in the authorization URL and in the callback.
        nonce: Random; in the id token (OpenID Connect Core §3.1.2.1).
        verifier: The PKCE code verifier (RFC 7636).
        redirect_uri: The callback's URL.
    """

    state: str
    nonce: str
    verifier: str
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class AuthorizationResponse:
    """The query of a callback.

    Args:
        state: The transaction it claims to belong to.
        code: The authorization code; empty when there is none.
        issuer: The `iss` parameter (RFC 9207); None when it is missing.
        error: The provider's error code; empty when there is none.
    """

    state: str
    code: str
    issuer: str | None
    error: str


def read_authorization_response(query: bytes) -> AuthorizationResponse:
    """Parse the query of a callback. An invalid query has no fields."""
    fields = _fields(query)
    return AuthorizationResponse(
        state=fields.get("state", ""),
        code=fields.get("code", ""),
        issuer=fields.get("iss"),
        error=fields.get("error", ""),
    )


def _fields(query: bytes) -> dict[str, str]:
    if len(query) > _QUERY_MAX_LENGTH:
        return {}
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_QUERY_MAX_FIELDS,
        )
    except ValueError:
        return {}
    fields = dict(pairs)
    # Two parsers may choose different values of a repeated field.
    return fields if len(fields) == len(pairs) else {}


class OAuthHttpClient(AsyncOAuth2Client):
    """authlib's HTTP client with the transport for outgoing requests.

    Args:
        allow_private: Which hosts may have private addresses.
    """

    def __init__(self, *args: Any, allow_private: Callable[[str], bool], **kwargs: Any) -> None:
        # authlib passes client settings here too: a name that is in both fails.
        super().__init__(*args, **kwargs, **client_options(allow_private))


class _OneTransaction(StarletteIntegration):
    """Stores nothing: the request's session holds the data of its one transaction."""

    async def get_state_data(self, session: dict[str, Any] | None, state: str) -> dict[str, Any]:
        return (session or {}).get(state, {})

    async def set_state_data(self, session: dict[str, Any] | None, state: str, data: Any) -> None:
        raise RuntimeError("Transactions are stored as one-time tokens.")

    async def clear_state_data(self, session: dict[str, Any] | None, state: str) -> None:
        (session or {}).pop(state, None)


class OAuthClient(StarletteOAuth2App):
    """authlib's client of one identity provider, always with PKCE S256 (RFC 9700 §2.1.1).

    Args:
        settings: The operator's settings of the provider.
        allow_private: Which hosts may have private addresses.
        options: Further arguments of authlib: URLs, validated metadata.
    """

    def __init__(
        self, settings: IdentityProvider, *, allow_private: Callable[[str], bool], **options: Any
    ) -> None:
        super().__init__(
            _OneTransaction(settings.id),
            settings.id,
            client_id=settings.client_id,
            client_secret=settings.client_secret.get_secret_value(),
            client_kwargs={"scope": settings.scope, "code_challenge_method": "S256"},
            **options,
        )
        self.client_cls = partial(OAuthHttpClient, allow_private=allow_private)

    async def authorization_url(self, transaction: OAuthTransaction) -> str:
        """Where the browser is redirected to sign in."""
        created = await self.create_authorization_url(
            transaction.redirect_uri,
            state=transaction.state,
            nonce=transaction.nonce,
            code_verifier=transaction.verifier,
        )
        return created["url"]

    async def redeem(
        self, response: AuthorizationResponse, transaction: OAuthTransaction, **checks: Any
    ) -> dict[str, Any]:
        """Exchange a callback's code for the token, with the verified claims of its id token.

        Args:
            response: The callback.
            transaction: The sign-in that it belongs to.
            checks: authlib's options for verifying the id token.

        Raises:
            Exception: Anything: authlib, joserfc and the client raise types of their own, and
                the provider's response decides which.
        """
        data = {
            "nonce": transaction.nonce,
            "code_verifier": transaction.verifier,
            "redirect_uri": transaction.redirect_uri,
        }
        query = urlencode({"code": response.code, "state": transaction.state})
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

    async def parse_id_token(self, token: Any, *args: Any, **checks: Any) -> Any:
        """The verified claims of an id token; one that is too long is not decoded."""
        text = token["id_token"]
        if not isinstance(text, str) or len(text) > MAX_ID_TOKEN:
            raise UnexpectedResponse("has no usable id token")
        return await super().parse_id_token(token, *args, **checks)
