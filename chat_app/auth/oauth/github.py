"""Sign-in with GitHub: OAuth 2, and GitHub's own API for the user's identity."""

from typing import Any

from chat_app.auth.oauth import client
from chat_app.auth.oauth.client import AuthorizationResponse, OAuthClient, OAuthTransaction
from chat_app.auth.sign_in.identity import VerifiedIdentity
from chat_app.core.http_out import UnexpectedResponse
from chat_app.settings.identity_providers import IdentityProvider
from chat_app.settings.validation import host_of

_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}


class GitHubProvider:
    """github.com, or an Enterprise server.

    Args:
        settings: The operator's settings of this provider.
    """

    def __init__(self, settings: IdentityProvider) -> None:
        self.settings = settings
        hosts = {host_of(settings.url), host_of(settings.api_url)}
        self._client = OAuthClient(
            settings,
            allow_private=hosts.__contains__,  # the operator names both
            authorize_url=f"{settings.url}/login/oauth/authorize",
            access_token_url=f"{settings.url}/login/oauth/access_token",
            token_endpoint_auth_method="client_secret_post",  # noqa: S106 (a method)
        )

    async def discover(self) -> OAuthClient:
        """The OAuth client; GitHub's endpoints are fixed."""
        return self._client

    async def verify(
        self, response: AuthorizationResponse, transaction: OAuthTransaction
    ) -> VerifiedIdentity:
        """The identity that a callback verifies.

        Raises:
            Exception: The callback verifies none, for any reason.
        """
        # GitHub sends `iss` without announcing it (RFC 9207 §2.4).
        if response.issuer not in (None, f"{self.settings.url}/login/oauth"):
            raise UnexpectedResponse("comes from another issuer")
        token = await self._client.redeem(response, transaction)
        user = await self._get("/user", token)
        user_id, login = user["id"], client.text_claim(user.get("login"))
        if type(user_id) is not int:
            raise UnexpectedResponse("has no usable user id")
        email = _primary_email(await self._get("/user/emails", token))
        return VerifiedIdentity(
            method="oauth",
            issuer=self.settings.issuer,
            subject=str(user_id),
            email=email,
            email_verified=bool(email),
            name=client.name_claim(user.get("name"), login),
            provider=self.settings.id,
            claims={"login": login},
        )

    async def _get(self, path: str, token: Any) -> Any:
        response = await self._client.get(
            self.settings.api_url + path, token=token, headers=_HEADERS
        )
        response.raise_for_status()
        return response.json()


def _primary_email(emails: Any) -> str:
    """The verified primary email, or an empty string: an unverified one may be another user's."""
    for email in emails:
        if email.get("primary") is True and email.get("verified") is True:
            return client.email_claim(email.get("email"))
    return ""
