"""Going to a provider and coming back: one transaction, one browser, one use.

What is remembered meanwhile is a one-time token. The token is the `state` of OAuth 2; the browser
holds a random value in a cookie of that transaction's own, without which the token is worth
nothing, so an address taken from somebody else's browser opens nothing (RFC 9700 §4.7).
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeVar
from uuid import UUID

from chat_app.auth.errors import (
    AuthError,
    IdentityProviderUnavailable,
    InvalidToken,
    OAuthCallbackFailed,
    UnknownIdentityProvider,
)
from chat_app.auth.oauth.client import AuthorizationResponse, OAuthTransaction
from chat_app.auth.oauth.github import GitHubProvider
from chat_app.auth.oauth.oidc import OidcProvider
from chat_app.auth.one_time_tokens import OneTimeTokens
from chat_app.auth.principal import Principal
from chat_app.auth.rate_limits import AuthRateLimits
from chat_app.auth.sign_in.identity import VerifiedIdentity
from chat_app.core.tokens import new_token
from chat_app.settings import IdentityProvider, Settings

TRANSACTION_LIFETIME = timedelta(minutes=10)
"""How long somebody may take at the provider."""
PROVIDER_TIMEOUT_SECONDS = 20.0
"""How long a provider may take to answer everything that we ask while somebody waits."""

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


class IdentityProviderClient(Protocol):
    """One way to ask who somebody is."""

    settings: IdentityProvider

    async def ready(self) -> None:
        """Find out where its pages are, unless that is known."""
        ...

    async def address(self, transaction: OAuthTransaction) -> str:
        """Where the browser goes to sign in."""
        ...

    async def prove(
        self, answer: AuthorizationResponse, transaction: OAuthTransaction
    ) -> VerifiedIdentity:
        """Who came back."""
        ...


@dataclass(frozen=True, slots=True)
class OAuthRequest:
    """What somebody wants who goes to a provider.

    Args:
        callback_url: The page they want afterwards.
        remember: Whether the session may outlive the browser.
        link_to: Who connects the account, when it is not about signing in.
    """

    callback_url: str
    remember: bool = False
    link_to: Principal | None = None


@dataclass(frozen=True, slots=True)
class AuthorizationRedirect:
    """The way to a provider.

    Args:
        url: Where the browser goes.
        state: Names the transaction.
        binding: For the cookie of the transaction.
    """

    url: str
    state: str
    binding: str


@dataclass(frozen=True, slots=True)
class OAuthCallback:
    """Somebody who came back to the transaction that they began, in the browser they began it in.

    Args:
        provider: Where they were.
        wish: What they wanted.
        transaction: What was remembered of it.
    """

    provider: IdentityProviderClient
    oauth_request: OAuthRequest
    transaction: OAuthTransaction


class OAuthService:
    """Sends people to providers, and reads what they bring back.

    Args:
        settings: Which providers there are.
        tokens: Where transactions are kept.
        throttle: Counts transactions that anybody may begin.
    """

    def __init__(
        self, settings: Settings, tokens: OneTimeTokens, rate_limits: AuthRateLimits
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._rate_limits = rate_limits
        self._providers = {one.id: _provider(one) for one in settings.identity_providers}

    async def start(
        self, provider_id: str, oauth_request: OAuthRequest, address: str
    ) -> AuthorizationRedirect:
        """Begin a transaction.

        Args:
            provider_id: Where.
            wish: What for.
            address: The client's address, for the limits.

        Raises:
            ProviderUnknown: There is no such provider.
            ProviderUnavailable: It cannot be asked now. Nothing was written.
            RateLimited: Too many from this address.
        """
        if provider_id not in self._providers:
            raise UnknownIdentityProvider
        async with self._rate_limits.start(address):
            return await self._start(self._providers[provider_id], oauth_request)

    async def _start(
        self, provider: IdentityProviderClient, oauth_request: OAuthRequest
    ) -> AuthorizationRedirect:
        provider_id, who = provider.settings.id, oauth_request.link_to
        await _or_else(IdentityProviderUnavailable, provider, provider.ready())
        binding = new_token()
        nonce, verifier = new_token(), secrets.token_urlsafe(48)
        redirect_uri = f"{self._settings.api_url}/api/auth/callback/{provider_id}"
        state = await self._tokens.make(
            "oauth",
            lasts=TRANSACTION_LIFETIME,
            user_id=who.user_id if who else None,
            subject=provider_id,
            binding=binding,
            data={
                "nonce": nonce,
                "verifier": verifier,
                "redirect_uri": redirect_uri,
                "callback_url": oauth_request.callback_url,
                "remember": oauth_request.remember,
                "session_id": str(who.credential_id) if who else None,
            },
        )
        transaction = OAuthTransaction(state, nonce, verifier, redirect_uri)
        url = await _or_else(IdentityProviderUnavailable, provider, provider.address(transaction))
        return AuthorizationRedirect(url, state, binding)

    async def resume(
        self, provider_id: str, answer: AuthorizationResponse, binding: str | None
    ) -> OAuthCallback:
        """The transaction that a callback belongs to. It is used up by this, whatever follows.

        Args:
            provider_id: Whose callback it is.
            answer: What the callback brought.
            binding: The value of the transaction's cookie, if it came.

        Raises:
            ProviderUnknown: There is no such provider.
            ProviderRefused: It belongs to none that this browser began with this provider.
        """
        if provider_id not in self._providers:
            raise UnknownIdentityProvider
        if not binding:
            raise OAuthCallbackFailed
        try:
            spent = await self._tokens.consume(answer.state, "oauth", binding=binding)
        except InvalidToken:
            raise OAuthCallbackFailed from None
        if spent.subject != provider_id:
            raise OAuthCallbackFailed
        return OAuthCallback(
            provider=self._providers[provider_id],
            oauth_request=_oauth_request(spent.user_id, spent.data),
            transaction=OAuthTransaction(
                state=answer.state,
                nonce=spent.data["nonce"],
                verifier=spent.data["verifier"],
                redirect_uri=spent.data["redirect_uri"],
            ),
        )

    async def prove(
        self, returned: OAuthCallback, answer: AuthorizationResponse
    ) -> VerifiedIdentity:
        """Who came back.

        Raises:
            ProviderRefused: The answer proves nothing.
        """
        if answer.error or not answer.code:
            raise OAuthCallbackFailed
        proving = returned.provider.prove(answer, returned.transaction)
        return await _or_else(OAuthCallbackFailed, returned.provider, proving)


def _provider(settings: IdentityProvider) -> IdentityProviderClient:
    return GitHubProvider(settings) if settings.kind == "github" else OidcProvider(settings)


def _oauth_request(user_id: UUID | None, data: Mapping[str, str | bool | None]) -> OAuthRequest:
    session_id = data["session_id"]
    return OAuthRequest(
        callback_url=str(data["callback_url"]),
        remember=data["remember"] is True,
        link_to=Principal(user_id, UUID(str(session_id))) if user_id and session_id else None,
    )


async def _or_else(
    refusal: type[AuthError], provider: IdentityProviderClient, asking: Awaitable[_T]
) -> _T:
    """What a provider says, or the one refusal for all that can go wrong with it."""
    try:
        async with asyncio.timeout(PROVIDER_TIMEOUT_SECONDS):
            return await asking
    except Exception as error:  # authlib, joserfc, the client: what arrives decides what is raised
        # The type alone: the text may hold what the provider or a stranger sent.
        logger.warning("%s: %s", provider.settings.id, type(error).__name__)
        raise refusal from None
