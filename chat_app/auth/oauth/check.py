"""Checking an identity provider for the operator: is it reachable, and does it know this app?"""

import asyncio
import secrets
from collections.abc import Callable

from authlib.integrations.base_client import OAuthError

from chat_app.auth.oauth.client import OAuthClient, provider_words
from chat_app.auth.oauth.service import PROVIDER_TIMEOUT_SECONDS, provider_client
from chat_app.core.crypto import new_token
from chat_app.core.errors import InvalidInput, Unavailable
from chat_app.settings import Settings
from chat_app.settings.identity_providers import IdentityProvider

_CODE_REFUSED = frozenset({"invalid_grant", "bad_verification_code"})
"""The errors for a wrong code of a known client (RFC 6749 §5.2; GitHub has its own)."""
_CLIENT_REFUSED = frozenset(
    {"invalid_client", "unauthorized_client", "incorrect_client_credentials"}
)
"""The errors for a wrong client id or secret."""


class UnknownProviderName(InvalidInput):
    """No identity provider has this name."""

    code = "unknown_provider"


class ProviderCheckFailed(Unavailable):
    """Users can't sign in with an identity provider; the message says why."""

    code = "provider_check_failed"


async def check_provider(settings: Settings, name: str, report: Callable[[str], None]) -> None:
    """Do what a sign-in does until the user is asked, then try a code that does not exist.

    Args:
        settings: The identity providers.
        name: The id of one, for example `acme`.
        report: Called with a sentence for everything that works.

    Raises:
        UnknownProviderName: There is none of that name.
        ProviderCheckFailed: Something does not work.
    """
    by_id = {provider.id: provider for provider in settings.identity_providers}
    if name not in by_id:
        names = ", ".join(by_id) or "none"
        raise UnknownProviderName(f"No identity provider is named {name}; configured: {names}.")
    provider = by_id[name]
    redirect_uri = f"{settings.api_url}/api/auth/callback/{name}"
    try:
        async with asyncio.timeout(PROVIDER_TIMEOUT_SECONDS):
            client = await provider_client(provider).discover()
            if provider.kind != "github":  # it has no metadata
                report(f"{provider.issuer} was reached, and its metadata can be used.")
                keys = await client.fetch_jwk_set()
                report(f"Its signing keys were read: {len(keys['keys'])}.")
            report(await _try_credentials(client, provider, redirect_uri))
    except ProviderCheckFailed:
        raise
    except Exception as error:  # authlib and the HTTP client raise what the response makes them
        words = provider_words(error, provider.client_secret.get_secret_value())
        raise ProviderCheckFailed(f"Sign-in with {name} does not work. {words}") from None
    report(f"Its callback URL, to be registered at the provider: {redirect_uri}")


async def _try_credentials(
    client: OAuthClient, provider: IdentityProvider, redirect_uri: str
) -> str:
    """Exchange a code that does not exist; a provider checks the client before the code."""
    try:
        await client.fetch_access_token(
            redirect_uri, code=new_token(), code_verifier=secrets.token_urlsafe(48)
        )
    except OAuthError as error:
        if error.error in _CODE_REFUSED:
            return "The client id and the client secret are accepted."
        words = provider_words(error, provider.client_secret.get_secret_value())
        if error.error in _CLIENT_REFUSED:
            raise ProviderCheckFailed(
                f"The client id or the client secret is refused. {words}"
            ) from None
        return f"The client id and the client secret could not be checked. {words}"
    raise ProviderCheckFailed("The provider accepts a code that does not exist.")
