"""Signing in at an OpenID provider: Google, or any issuer that can be discovered."""

from collections.abc import Callable
from time import monotonic
from typing import Any

from chat_app.auth.proof import Proof
from chat_app.auth.providers import claims
from chat_app.auth.providers.app import ProviderApp
from chat_app.auth.providers.discovery import discover
from chat_app.auth.providers.transaction import Answer, Transaction
from chat_app.auth.providers.wire import UnfitAnswer
from chat_app.settings import SignInProvider

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

    def __init__(self, settings: SignInProvider, time: Callable[[], float] = monotonic) -> None:
        self.settings = settings
        self._time = time
        self._app: ProviderApp | None = None
        self._until = 0.0

    async def ready(self) -> None:
        """Find out where its pages are, unless that is known.

        Raises:
            Exception: The issuer cannot be discovered, for whatever reason.
        """
        await self._discovered()

    async def address(self, transaction: Transaction) -> str:
        """Where the browser goes to sign in."""
        return await (await self._discovered()).address(transaction)

    async def prove(self, answer: Answer, transaction: Transaction) -> Proof:
        """Who came back.

        Raises:
            Exception: The answer proves nothing, for whatever reason.
        """
        app = await self._discovered()
        promised = app.server_metadata["authorization_response_iss_parameter_supported"]
        if answer.issuer != self.settings.issuer and (promised or answer.issuer is not None):
            raise UnfitAnswer("comes from another issuer")  # RFC 9207 §2.4
        token = await app.redeem(
            answer, transaction, claims_options=self._asked(transaction), leeway=LEEWAY_SECONDS
        )
        said = token.get("userinfo")
        if said is None:
            raise UnfitAnswer("has no id token")
        return self._proof({**await self._more(app, token, said), **said})

    def _asked(self, transaction: Transaction) -> dict[str, Any]:
        return {
            "iss": {"essential": True, "value": self.settings.issuer},
            "aud": {"essential": True, "value": self.settings.client_id},
            "nonce": {"essential": True, "value": transaction.nonce},
            "sub": {"essential": True},
            "exp": {"essential": True},
            "iat": {"essential": True},
        }

    async def _more(self, app: ProviderApp, token: Any, said: Any) -> dict[str, Any]:
        """What the issuer says elsewhere: some put nothing but the subject into the id token.

        It must be about the same subject (OpenID Connect Core §5.3.2).
        """
        if "email" in said or "userinfo_endpoint" not in app.server_metadata:
            return {}
        more = await app.userinfo(token=token)
        if more.get("sub") != said["sub"]:
            raise UnfitAnswer("is about two people")
        return dict(more)

    def _proof(self, said: dict[str, Any]) -> Proof:
        return Proof(
            method="oauth",
            issuer=self.settings.issuer,
            subject=claims.subject(said["sub"]),
            email=claims.email(said.get("email")),
            email_verified=said.get("email_verified") is True,
            name=claims.name(said.get("name"), said.get("preferred_username")),
            provider=self.settings.id,
            claims={key: value for key, value in said.items() if key not in _OF_THE_TOKEN},
        )

    async def _discovered(self) -> ProviderApp:
        if self._app is None or self._time() >= self._until:
            metadata = await discover(self.settings.issuer)
            self._app = ProviderApp(
                self.settings.id,
                scope=self.settings.scope,
                client_id=self.settings.client_id,
                client_secret=self.settings.client_secret.get_secret_value(),
                **metadata,
            )
            self._until = self._time() + CACHED_SECONDS
        return self._app
