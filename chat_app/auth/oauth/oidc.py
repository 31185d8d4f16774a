"""Sign-in with OpenID Connect: discovery, validation of the metadata, and id tokens.

A provider's metadata names URLs that are requested from inside our network, so its endpoints may
be on the issuer's own host or under a public name with public addresses.
"""

import re
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import httpx2

from chat_app.auth.oauth import client
from chat_app.auth.oauth.client import AuthorizationResponse, OAuthClient, OAuthTransaction
from chat_app.auth.sign_in.identity import VerifiedIdentity
from chat_app.core.http_out import UnexpectedResponse, client_options
from chat_app.settings.identity_providers import IdentityProvider
from chat_app.settings.validation import host_of, is_loopback, is_plain_url

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""Accepted id token signatures: asymmetric ones only, so never `none` or HS*."""
METADATA_TTL_SECONDS = 3600.0
"""How long a provider's metadata and keys are cached."""
LEEWAY_SECONDS = 60
"""The accepted difference between the clocks of two servers."""

_DISCOVERY_PATH = "/.well-known/openid-configuration"
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_TOKEN_CLAIMS = frozenset(
    {"nonce", "at_hash", "c_hash", "iat", "exp", "nbf", "jti", "aud", "azp", "sid"}
)
"""Claims about the token rather than the user; not kept."""
_HOST_MAX_LENGTH = 253
_NAME = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+"
    r"(?P<top>[a-z]{2,63}|xn--[a-z0-9-]{0,58}[a-z0-9])"  # never a number in any notation
)
_PRIVATE_DOMAINS = frozenset(
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
"""Top-level domains that no public name has (RFC 6761, RFC 6762, RFC 8375)."""


def is_public_name(host: str) -> bool:
    """Whether a lower-case host is a name of the public DNS with a dot, not an IP address."""
    match = _NAME.fullmatch(host) if len(host) <= _HOST_MAX_LENGTH else None
    return match is not None and match["top"] not in _PRIVATE_DOMAINS


def private_hosts(issuer: str) -> Callable[[str], bool]:
    """Which hosts an issuer's endpoints may have private addresses on.

    The issuer's own host, which the operator named; any host when the issuer is on this machine.
    """
    return lambda host: host == host_of(issuer) or is_loopback(host_of(issuer))


async def discover(issuer: str) -> dict[str, Any]:
    """Fetch and validate a provider's metadata.

    Args:
        issuer: The issuer as the operator configured it.

    Raises:
        UnexpectedResponse: The metadata is not accepted.
        httpx2.HTTPError, ValueError: The issuer can't be reached or returns no JSON.
    """
    async with httpx2.AsyncClient(**client_options(private_hosts(issuer))) as http:
        response = await http.get(issuer.rstrip("/") + _DISCOVERY_PATH)
    response.raise_for_status()
    return validate_metadata(response.json(), issuer)


def validate_metadata(document: Any, issuer: str) -> dict[str, Any]:
    """The fields of a provider's metadata that are used, each validated.

    Raises:
        UnexpectedResponse: Something is missing, of the wrong type or not accepted.
    """
    if not isinstance(document, dict) or document.get("issuer") != issuer:
        raise UnexpectedResponse("is about another issuer (a slash at its end counts)")
    metadata: dict[str, Any] = {"issuer": issuer}
    for name in _ENDPOINTS:
        metadata[name] = _endpoint(document, name, issuer)
    if "userinfo_endpoint" in document:
        metadata["userinfo_endpoint"] = _endpoint(document, "userinfo_endpoint", issuer)
    metadata["id_token_signing_alg_values_supported"] = _algorithms(document)
    metadata["token_endpoint_auth_method"] = _token_endpoint_auth_method(document)
    sends_issuer = document.get("authorization_response_iss_parameter_supported")
    metadata["authorization_response_iss_parameter_supported"] = sends_issuer is True
    return metadata


def _endpoint(document: Mapping[str, Any], name: str, issuer: str) -> str:
    url = document.get(name)
    if isinstance(url, str) and is_plain_url(url):
        scheme, host = urlsplit(url).scheme, host_of(url)
        # A provider on this machine may have its endpoints on this machine.
        is_local = is_loopback(host) and issuer.startswith("http://")
        is_allowed = is_local or host == host_of(issuer) or is_public_name(host)
        if (scheme == "https" and is_allowed) or (scheme == "http" and is_local):
            return url
    raise UnexpectedResponse(f"has no usable {name}")


def _algorithms(document: Mapping[str, Any]) -> list[str]:
    # Discovery 1.0 §3 requires the list; RS256 is mandatory to implement.
    offered = document.get("id_token_signing_alg_values_supported", ["RS256"])
    accepted = [name for name in ALGORITHMS if isinstance(offered, list) and name in offered]
    if not accepted:
        raise UnexpectedResponse("offers no accepted signature algorithm")
    return accepted


def _token_endpoint_auth_method(document: Mapping[str, Any]) -> str:
    # RFC 8414 §2: Basic is the default.
    offered = document.get("token_endpoint_auth_methods_supported")
    methods = offered if isinstance(offered, list) else []
    only_post = "client_secret_post" in methods and "client_secret_basic" not in methods
    return "client_secret_post" if only_post else "client_secret_basic"


class OidcProvider:
    """One issuer.

    Args:
        settings: The operator's settings of this provider.
        time: A monotonic clock, in seconds.
    """

    def __init__(self, settings: IdentityProvider, time: Callable[[], float] = monotonic) -> None:
        self.settings = settings
        self._time = time
        self._client: OAuthClient | None = None
        self._expires_at = 0.0

    async def discover(self) -> OAuthClient:
        """The OAuth client, whose metadata is fetched unless it is cached.

        Raises:
            Exception: The discovery failed, for any reason.
        """
        if self._client is None or self._time() >= self._expires_at:
            metadata = await discover(self.settings.issuer)
            self._client = OAuthClient(
                self.settings, allow_private=private_hosts(self.settings.issuer), **metadata
            )
            self._expires_at = self._time() + METADATA_TTL_SECONDS
        return self._client

    async def verify(
        self, response: AuthorizationResponse, transaction: OAuthTransaction
    ) -> VerifiedIdentity:
        """The identity that a callback verifies.

        Raises:
            Exception: The callback verifies none, for any reason.
        """
        app = await self.discover()
        sends_issuer = app.server_metadata["authorization_response_iss_parameter_supported"]
        if response.issuer != self.settings.issuer and (
            sends_issuer or response.issuer is not None
        ):
            raise UnexpectedResponse("comes from another issuer")  # RFC 9207 §2.4
        token = await app.redeem(
            response,
            transaction,
            claims_options=self._claims_options(transaction),
            leeway=LEEWAY_SECONDS,
        )
        claims = token.get("userinfo")
        if claims is None:
            raise UnexpectedResponse("has no id token")
        return self._identity({**await self._userinfo(app, token, claims), **claims})

    def _claims_options(self, transaction: OAuthTransaction) -> dict[str, Any]:
        return {
            "iss": {"essential": True, "value": self.settings.issuer},
            "aud": {"essential": True, "value": self.settings.client_id},
            "nonce": {"essential": True, "value": transaction.nonce},
            "sub": {"essential": True},
            "exp": {"essential": True},
            "iat": {"essential": True},
        }

    async def _userinfo(self, app: OAuthClient, token: Any, claims: Any) -> dict[str, Any]:
        """The claims of the userinfo endpoint: some issuers put only `sub` into the id token.

        They must be about the same subject (OpenID Connect Core §5.3.2).
        """
        if "email" in claims or "userinfo_endpoint" not in app.server_metadata:
            return {}
        userinfo = await app.userinfo(token=token)
        if userinfo.get("sub") != claims["sub"]:
            raise UnexpectedResponse("is about another subject")
        return dict(userinfo)

    def _identity(self, claims: dict[str, Any]) -> VerifiedIdentity:
        return VerifiedIdentity(
            method="oauth",
            issuer=self.settings.issuer,
            subject=client.subject_claim(claims["sub"]),
            email=client.email_claim(claims.get("email")),
            email_verified=claims.get("email_verified") is True,
            name=client.name_claim(claims.get("name"), claims.get("preferred_username")),
            provider=self.settings.id,
            claims={key: value for key, value in claims.items() if key not in _TOKEN_CLAIMS},
        )
