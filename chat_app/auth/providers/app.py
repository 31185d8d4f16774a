"""authlib's Starlette client, for one provider, kept to what we ask of it.

The state of a sign-in lives in our own one-time tokens: single use, bound to the provider and the
browser, as many tabs at once as somebody likes. authlib is handed the one that was looked up.
"""

from typing import Any
from urllib.parse import urlencode

from authlib.integrations.starlette_client import StarletteIntegration, StarletteOAuth2App
from starlette.requests import Request

from chat_app.auth.providers.transaction import Answer, Transaction
from chat_app.auth.providers.wire import ProviderClient, UnfitAnswer

MAX_ID_TOKEN = 16_384
"""The longest id token that is looked at, in characters."""


class _OneTransaction(StarletteIntegration):
    """Keeps nothing: the session of a request holds the data of its one transaction."""

    async def get_state_data(self, session: dict[str, Any] | None, state: str) -> dict[str, Any]:
        return (session or {}).get(state, {})

    async def set_state_data(self, session: dict[str, Any] | None, state: str, data: Any) -> None:
        raise RuntimeError("Transactions are kept as one-time tokens.")

    async def clear_state_data(self, session: dict[str, Any] | None, state: str) -> None:
        (session or {}).pop(state, None)


class ProviderApp(StarletteOAuth2App):
    """One provider, as authlib sees it. PKCE with S256 for everyone (RFC 9700 §2.1.1).

    Args:
        name: The provider's id.
        scope: What is asked for, with spaces between.
        given: Further arguments of authlib: addresses, the client, fitted metadata.
    """

    client_cls = ProviderClient

    def __init__(self, name: str, *, scope: str, **given: Any) -> None:
        kwargs = {"scope": scope, "code_challenge_method": "S256"}
        super().__init__(_OneTransaction(name), name, client_kwargs=kwargs, **given)

    async def address(self, transaction: Transaction) -> str:
        """Where the browser goes to sign in."""
        made = await self.create_authorization_url(
            transaction.redirect_uri,
            state=transaction.state,
            nonce=transaction.nonce,
            code_verifier=transaction.verifier,
        )
        return made["url"]

    async def redeem(
        self, answer: Answer, transaction: Transaction, **checks: Any
    ) -> dict[str, Any]:
        """The token for a callback's code, with the claims of its id token, checked, if it has one.

        Args:
            answer: What the callback brought.
            transaction: The sign-in that it belongs to.
            checks: What authlib shall ask of the id token.

        Raises:
            Exception: Anything. authlib, joserfc and the client raise types of their own, and what
                a provider sends decides which.
        """
        data = {
            "nonce": transaction.nonce,
            "code_verifier": transaction.verifier,
            "redirect_uri": transaction.redirect_uri,
        }
        query = urlencode({"code": answer.code, "state": transaction.state})
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

    async def parse_id_token(self, token: Any, *rest: Any, **checks: Any) -> Any:
        """The claims of an id token, checked; one of unfit size is not even decoded."""
        text = token["id_token"]
        if not isinstance(text, str) or len(text) > MAX_ID_TOKEN:
            raise UnfitAnswer("has no usable id token")
        return await super().parse_id_token(token, *rest, **checks)
