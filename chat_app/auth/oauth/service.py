"""OAuth transactions: one browser, one provider, one use.

A transaction is stored as a one-time token, which is OAuth's `state`. It is bound to a random value
in a cookie of this browser, so that a URL copied from another browser is refused (RFC 9700 §4.7).
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from chat_app.auth.errors import (
    AuthError,
    IdentityProviderUnavailable,
    InvalidToken,
    OAuthCallbackFailed,
    UnknownIdentityProvider,
)
from chat_app.auth.oauth.client import AuthorizationResponse, OAuthTransaction, provider_words
from chat_app.auth.oauth.github import GitHubProvider
from chat_app.auth.oauth.oidc import OidcProvider
from chat_app.auth.one_time_tokens import OneTimeTokens
from chat_app.auth.principal import Principal
from chat_app.auth.rate_limits import AuthRateLimits
from chat_app.auth.sign_in.identity import VerifiedIdentity
from chat_app.core.crypto import new_token
from chat_app.core.logging import error_words
from chat_app.settings import Settings
from chat_app.settings.identity_providers import IdentityProvider

TRANSACTION_LIFETIME = timedelta(minutes=10)
"""How long a user may take at the provider."""
PROVIDER_TIMEOUT_SECONDS = 20.0
"""How long all requests of one step may take."""

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


IdentityProviderClient = GitHubProvider | OidcProvider
"""An identity provider, whichever protocol it speaks."""


@dataclass(frozen=True, slots=True)
class OAuthRequest:
    """What a transaction is for.

    Args:
        callback_url: The page to open afterwards.
        remember: Whether the session outlives the browser.
        link_to: The signed-in user who links an account; None to sign in.
    """

    callback_url: str
    remember: bool = False
    link_to: Principal | None = None


@dataclass(frozen=True, slots=True)
class AuthorizationRedirect:
    """Where to redirect the browser, and what to store in it.

    Args:
        url: The provider's authorization URL.
        state: Identifies the transaction.
        binding: The value of the transaction's cookie.
    """

    url: str
    state: str
    binding: str


@dataclass(frozen=True, slots=True)
class OAuthCallback:
    """A callback in the browser that started its transaction.

    Args:
        provider: The identity provider.
        oauth_request: What the transaction is for.
        transaction: Its secrets.
    """

    provider: IdentityProviderClient
    oauth_request: OAuthRequest
    transaction: OAuthTransaction


class OAuthService:
    """Starts OAuth transactions and verifies their callbacks.

    Args:
        settings: The identity providers.
        tokens: Stores transactions.
        rate_limits: Limits how many a client may start.
    """

    def __init__(
        self, settings: Settings, tokens: OneTimeTokens, rate_limits: AuthRateLimits
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._rate_limits = rate_limits
        self._providers = {
            provider.id: provider_client(provider) for provider in settings.identity_providers
        }

    async def start(
        self, provider_id: str, oauth_request: OAuthRequest, client_ip: str
    ) -> AuthorizationRedirect:
        """Start a transaction.

        Raises:
            UnknownIdentityProvider: It is not configured.
            IdentityProviderUnavailable: It can't be reached; nothing was stored.
            TooManyAttempts: The rate limit of this client.
        """
        if provider_id not in self._providers:
            raise UnknownIdentityProvider
        provider, user = self._providers[provider_id], oauth_request.link_to
        binding = new_token()
        nonce, verifier = new_token(), secrets.token_urlsafe(48)
        redirect_uri = f"{self._settings.api_url}/api/auth/callback/{provider_id}"
        async with self._rate_limits.start(client_ip):
            client = await _or_else(IdentityProviderUnavailable, provider, provider.discover())
            state = await self._tokens.create(
                "oauth",
                lifetime=TRANSACTION_LIFETIME,
                user_id=user.user_id if user else None,
                subject=provider_id,
                binding=binding,
                data={
                    "nonce": nonce,
                    "verifier": verifier,
                    "redirect_uri": redirect_uri,
                    "callback_url": oauth_request.callback_url,
                    "remember": oauth_request.remember,
                    "session_id": str(user.credential_id) if user else None,
                },
            )
            transaction = OAuthTransaction(state, nonce, verifier, redirect_uri)
            url = await _or_else(
                IdentityProviderUnavailable, provider, client.authorization_url(transaction)
            )
        return AuthorizationRedirect(url, state, binding)

    async def resume(
        self, provider_id: str, response: AuthorizationResponse, binding: str | None
    ) -> OAuthCallback:
        """Consume the transaction that a callback belongs to.

        Args:
            provider_id: The provider of the callback's URL.
            response: The callback.
            binding: The value of the transaction's cookie, if there was one.

        Raises:
            UnknownIdentityProvider: It is not configured.
            OAuthCallbackFailed: This browser started no such transaction with this provider.
        """
        if provider_id not in self._providers:
            raise UnknownIdentityProvider
        if not binding:
            raise OAuthCallbackFailed
        try:
            consumed = await self._tokens.consume(response.state, "oauth", binding=binding)
        except InvalidToken:
            raise OAuthCallbackFailed from None
        if consumed.subject != provider_id:
            raise OAuthCallbackFailed
        data = consumed.data
        transaction = OAuthTransaction(
            state=response.state,
            nonce=data["nonce"],
            verifier=data["verifier"],
            redirect_uri=data["redirect_uri"],
        )
        oauth_request = _oauth_request(consumed.user_id, data)
        return OAuthCallback(self._providers[provider_id], oauth_request, transaction)

    async def verify(
        self, callback: OAuthCallback, response: AuthorizationResponse
    ) -> VerifiedIdentity:
        """The identity that a callback verifies.

        Raises:
            OAuthCallbackFailed: It verifies none.
        """
        provider = callback.provider
        if response.error or not response.code:
            # Any client can call this URL, but only once for each sign-in that it has started.
            words = error_words(response.error or "no code")
            logger.warning("Sign-in with %s was refused: %s", provider.settings.id, words)
            raise OAuthCallbackFailed
        transaction = callback.transaction
        return await _or_else(
            OAuthCallbackFailed,
            provider,
            provider.verify(response, transaction),
            *(response.code, transaction.verifier, transaction.nonce, transaction.state),
        )


def provider_client(settings: IdentityProvider) -> IdentityProviderClient:
    """The client for the kind of an identity provider."""
    return GitHubProvider(settings) if settings.kind == "github" else OidcProvider(settings)


def _oauth_request(user_id: UUID | None, data: Mapping[str, str | bool | None]) -> OAuthRequest:
    session_id = data["session_id"]
    return OAuthRequest(
        callback_url=str(data["callback_url"]),
        remember=data["remember"] is True,
        link_to=Principal(user_id, UUID(str(session_id))) if user_id and session_id else None,
    )


async def _or_else(
    error: type[AuthError],
    provider: IdentityProviderClient,
    request: Awaitable[_T],
    *hidden: str,
) -> _T:
    """The result of a request to a provider; one error for everything that can go wrong.

    Args:
        error: What is raised.
        provider: The provider, named in the log.
        request: The request.
        hidden: What the log must not repeat: secrets of the sign-in.
    """
    try:
        async with asyncio.timeout(PROVIDER_TIMEOUT_SECONDS):
            return await request
    except Exception as cause:  # authlib and joserfc raise whatever the response makes them raise
        secret = provider.settings.client_secret.get_secret_value()
        words = provider_words(cause, secret, *hidden)
        logger.warning("Sign-in with %s failed: %s", provider.settings.id, words)
        raise error from None
