"""Signing in at GitHub, which speaks OAuth 2 and tells who somebody is by its own API."""

from typing import Any

from chat_app.auth.proof import Proof
from chat_app.auth.providers import claims
from chat_app.auth.providers.app import ProviderApp
from chat_app.auth.providers.transaction import Answer, Transaction
from chat_app.auth.providers.wire import UnfitAnswer
from chat_app.settings import SignInProvider

_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}


class GitHubProvider:
    """github.com, or an Enterprise server.

    Args:
        settings: What the operator said about it.
    """

    def __init__(self, settings: SignInProvider) -> None:
        self.settings = settings
        self._app = ProviderApp(
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

    async def address(self, transaction: Transaction) -> str:
        """Where the browser goes to sign in."""
        return await self._app.address(transaction)

    async def prove(self, answer: Answer, transaction: Transaction) -> Proof:
        """Who came back.

        Raises:
            Exception: The answer proves nothing, for whatever reason.
        """
        # GitHub sends an issuer without promising to (RFC 9207 §2.4).
        if answer.issuer not in (None, f"{self.settings.url}/login/oauth"):
            raise UnfitAnswer("comes from another issuer")
        token = await self._app.redeem(answer, transaction)
        user = await self._ask("/user", token)
        number, login = user["id"], claims.text(user.get("login"))
        if type(number) is not int:
            raise UnfitAnswer("names nobody")
        email = _primary(await self._ask("/user/emails", token))
        return Proof(
            method="oauth",
            issuer=self.settings.issuer,
            subject=str(number),
            email=email,
            email_verified=bool(email),
            name=claims.name(user.get("name"), login),
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
            return claims.email(one.get("email"))
    return ""
