"""Signing in at GitHub, which speaks OAuth 2 and tells who somebody is by its own API."""

from typing import Any

from chat_app.auth.oauth import client
from chat_app.auth.oauth.client import AuthorizationResponse, OAuthClient, OAuthTransaction
from chat_app.auth.oauth.http_client import UnexpectedResponse
from chat_app.auth.sign_in.identity import VerifiedIdentity
from chat_app.settings import IdentityProvider

_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}


class GitHubProvider:
    """github.com, or an Enterprise server.

    Args:
        settings: What the operator said about it.
    """

    def __init__(self, settings: IdentityProvider) -> None:
        self.settings = settings
        self._app = OAuthClient(
            settings.id,
            scope=settings.scope,
            client_id=settings.client_id,
            client_secret=settings.client_secret.get_secret_value(),
            authorize_url=f"{settings.url}/login/oauth/authorize",
            access_token_url=f"{settings.url}/login/oauth/access_token",
            token_endpoint_auth_method="client_secret_post",  # noqa: S106 (how, not what)
        )

    async def ready(self) -> None:
        """Nothing has to be found out: GitHub's paths are always the same."""

    async def address(self, transaction: OAuthTransaction) -> str:
        """Where the browser goes to sign in."""
        return await self._app.address(transaction)

    async def prove(
        self, answer: AuthorizationResponse, transaction: OAuthTransaction
    ) -> VerifiedIdentity:
        """Who came back.

        Raises:
            Exception: The answer proves nothing, for whatever reason.
        """
        # GitHub sends an issuer without promising to (RFC 9207 §2.4).
        if answer.issuer not in (None, f"{self.settings.url}/login/oauth"):
            raise UnexpectedResponse("comes from another issuer")
        token = await self._app.redeem(answer, transaction)
        user = await self._ask("/user", token)
        number, login = user["id"], client.text_claim(user.get("login"))
        if type(number) is not int:
            raise UnexpectedResponse("names nobody")
        email = _primary(await self._ask("/user/emails", token))
        return VerifiedIdentity(
            method="oauth",
            issuer=self.settings.issuer,
            subject=str(number),
            email=email,
            email_verified=bool(email),
            name=client.name_claim(user.get("name"), login),
            provider=self.settings.id,
            claims={"login": login},
        )

    async def _ask(self, path: str, token: Any) -> Any:
        answer = await self._app.get(self.settings.api_url + path, token=token, headers=_HEADERS)
        answer.raise_for_status()
        return answer.json()


def _primary(addresses: Any) -> str:
    """The verified primary address, or nothing: any other may be somebody else's."""
    for one in addresses:
        if one.get("primary") is True and one.get("verified") is True:
            return client.email_claim(one.get("email"))
    return ""
