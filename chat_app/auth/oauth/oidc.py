"""Which hosts a provider may say that its parts are on.

What it says is fetched from inside our network, so it may name itself and the public internet. A
public name that leads inside after all gets a TLS handshake there and no request: whoever answers
has no certificate for that name.
"""

import re
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from chat_app.auth.oauth import client
from chat_app.auth.oauth.client import AuthorizationResponse, OAuthClient, OAuthTransaction
from chat_app.auth.oauth.http_client import UnexpectedResponse, plain_client
from chat_app.auth.sign_in.identity import VerifiedIdentity
from chat_app.settings import IdentityProvider
from chat_app.settings.validation import host_of, is_loopback, is_plain_url

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


ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""How an id token may be signed: with a key that the provider alone has, so never `none` or HS*."""

_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_PATH = "/.well-known/openid-configuration"


async def discover(issuer: str) -> dict[str, Any]:
    """Ask a provider for its metadata.

    Args:
        issuer: The issuer as the operator configured it.

    Raises:
        UnfitAnswer: What it says cannot be taken.
        httpx2.HTTPError, ValueError: It cannot be reached, or does not answer with JSON.
    """
    async with plain_client() as client:
        answer = await client.get(issuer.rstrip("/") + _PATH)
    answer.raise_for_status()
    return fit(answer.json(), issuer)


def fit(said: object, issuer: str) -> dict[str, Any]:
    """The part of a provider's metadata that we use.

    Args:
        said: Its metadata, as it came.
        issuer: Who it must be about.

    Raises:
        UnfitAnswer: It is about somebody else (OpenID Connect Discovery 1.0 §4.3), names no usable
            address, or signs with nothing that we take.
    """
    if not isinstance(said, dict) or said.get("issuer") != issuer:
        raise UnexpectedResponse("is about another issuer")
    metadata: dict[str, Any] = {"issuer": issuer}
    for name in _ENDPOINTS:
        metadata[name] = _address(said, name, issuer)
    if "userinfo_endpoint" in said:
        metadata["userinfo_endpoint"] = _address(said, "userinfo_endpoint", issuer)
    metadata["id_token_signing_alg_values_supported"] = _algorithms(said)
    metadata["token_endpoint_auth_method"] = _authentication(said)
    promised = said.get("authorization_response_iss_parameter_supported")
    metadata["authorization_response_iss_parameter_supported"] = promised is True
    return metadata


def _address(said: Mapping[str, Any], name: str, issuer: str) -> str:
    url = said.get(name)
    if isinstance(url, str) and is_plain_url(url):
        scheme, host = urlsplit(url).scheme, host_of(url)
        # Whoever configured a provider of this machine may have its parts on this machine.
        is_here = is_loopback(host) and issuer.startswith("http://")
        may_be_there = is_here or host == host_of(issuer) or is_public_name(host)
        if (scheme == "https" and may_be_there) or (scheme == "http" and is_here):
            return url
    raise UnexpectedResponse(f"has no usable {name}")


def _algorithms(said: Mapping[str, Any]) -> list[str]:
    # Discovery 1.0 §3 requires the list; RS256 is what everybody must be able to do.
    offered = said.get("id_token_signing_alg_values_supported", ["RS256"])
    taken = [one for one in ALGORITHMS if isinstance(offered, list) and one in offered]
    if not taken:
        raise UnexpectedResponse("names no way of signing that is taken")
    return taken


def _authentication(said: Mapping[str, Any]) -> str:
    # RFC 8414 §2: Basic is what counts where nothing is said.
    offered = said.get("token_endpoint_auth_methods_supported")
    known = offered if isinstance(offered, list) else []
    only_posts = "client_secret_post" in known and "client_secret_basic" not in known
    return "client_secret_post" if only_posts else "client_secret_basic"


CACHED_SECONDS = 3600.0
"""How long a provider's metadata and keys are taken as they were."""
LEEWAY_SECONDS = 60
"""How far the clocks of two servers may be apart."""

_OF_THE_TOKEN = frozenset(
    {"nonce", "at_hash", "c_hash", "iat", "exp", "nbf", "jti", "aud", "azp", "sid"}
)
"""Claims about the token rather than the person: not kept."""


class OidcProvider:
    """One issuer.

    Args:
        settings: What the operator said about it.
        time: Seconds of a clock that never goes back.
    """

    def __init__(self, settings: IdentityProvider, time: Callable[[], float] = monotonic) -> None:
        self.settings = settings
        self._time = time
        self._app: OAuthClient | None = None
        self._until = 0.0

    async def ready(self) -> None:
        """Find out where its pages are, unless that is known.

        Raises:
            Exception: The issuer cannot be discovered, for whatever reason.
        """
        await self._discovered()

    async def address(self, transaction: OAuthTransaction) -> str:
        """Where the browser goes to sign in."""
        return await (await self._discovered()).address(transaction)

    async def prove(
        self, answer: AuthorizationResponse, transaction: OAuthTransaction
    ) -> VerifiedIdentity:
        """Who came back.

        Raises:
            Exception: The answer proves nothing, for whatever reason.
        """
        app = await self._discovered()
        promised = app.server_metadata["authorization_response_iss_parameter_supported"]
        if answer.issuer != self.settings.issuer and (promised or answer.issuer is not None):
            raise UnexpectedResponse("comes from another issuer")  # RFC 9207 §2.4
        token = await app.redeem(
            answer, transaction, claims_options=self._asked(transaction), leeway=LEEWAY_SECONDS
        )
        said = token.get("userinfo")
        if said is None:
            raise UnexpectedResponse("has no id token")
        return self._proof({**await self._more(app, token, said), **said})

    def _asked(self, transaction: OAuthTransaction) -> dict[str, Any]:
        return {
            "iss": {"essential": True, "value": self.settings.issuer},
            "aud": {"essential": True, "value": self.settings.client_id},
            "nonce": {"essential": True, "value": transaction.nonce},
            "sub": {"essential": True},
            "exp": {"essential": True},
            "iat": {"essential": True},
        }

    async def _more(self, app: OAuthClient, token: Any, said: Any) -> dict[str, Any]:
        """What the issuer says elsewhere: some put nothing but the subject into the id token.

        It must be about the same subject (OpenID Connect Core §5.3.2).
        """
        if "email" in said or "userinfo_endpoint" not in app.server_metadata:
            return {}
        more = await app.userinfo(token=token)
        if more.get("sub") != said["sub"]:
            raise UnexpectedResponse("is about two people")
        return dict(more)

    def _proof(self, said: dict[str, Any]) -> VerifiedIdentity:
        return VerifiedIdentity(
            method="oauth",
            issuer=self.settings.issuer,
            subject=client.subject_claim(said["sub"]),
            email=client.email_claim(said.get("email")),
            email_verified=said.get("email_verified") is True,
            name=client.name_claim(said.get("name"), said.get("preferred_username")),
            provider=self.settings.id,
            claims={key: value for key, value in said.items() if key not in _OF_THE_TOKEN},
        )

    async def _discovered(self) -> OAuthClient:
        if self._app is None or self._time() >= self._until:
            metadata = await discover(self.settings.issuer)
            self._app = OAuthClient(
                self.settings.id,
                scope=self.settings.scope,
                client_id=self.settings.client_id,
                client_secret=self.settings.client_secret.get_secret_value(),
                **metadata,
            )
            self._until = self._time() + CACHED_SECONDS
        return self._app
