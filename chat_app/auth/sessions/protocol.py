"""Sessions: who is signed in, on which device, until when.

What a session can do is the same whatever the browser holds; `auth/strategies/` has the two kinds
of token. Ending one commits first and then tells the bus, and whoever holds something of it
(sockets, runs, caches) lets go.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from chat_app.auth.principal import Principal
from chat_app.auth.sessions.models import IssuedSession, ResolvedSession, SessionSummary
from chat_app.db.sessions import SystemSession


class SessionProtocol(Protocol):
    """Issues, resolves and ends sessions."""

    async def issue(
        self,
        user_id: UUID,
        *,
        method: str,
        remember: bool,
        address: str,
        user_agent: str,
        replaces: UUID | None = None,
        provider: str = "",
        second_factor: bool = False,
        claims: Mapping[str, Any] | None = None,
    ) -> IssuedSession:
        """Open a session for a person who has just proved who they are.

        Args:
            user_id: The person.
            method: How they proved it, for example `password`.
            remember: Whether it may outlive the browser, and live longer.
            address: Where from; only its network is kept.
            user_agent: The browser's own name, for the list of devices.
            replaces: The session the browser had until now, of whomever: it ends, so that a
                session planted before sign-in is worth nothing after it (ASVS 7.2.4).
            provider: The provider's id in the settings, where one vouched for them.
            second_factor: Whether they showed two factors.
            claims: What the provider says of them; JSON.

        Raises:
            Unauthenticated: There is no such person, or they are disabled.
        """
        ...

    async def resolve(self, token: str) -> ResolvedSession | None:
        """Who a token belongs to, or None when it proves nothing (any more). Counts as use.

        Raises:
            NoClaims: The operator's function failed, so nobody can say.
        """
        ...

    async def touch(self, token: str) -> IssuedSession | None:
        """Use a session; the token that replaces this one, if one does by now."""
        ...

    async def principal(self, session_id: UUID) -> Principal | None:
        """Who a session belongs to, or None once it is over. Counts as use.

        The answer may be up to five seconds old, except that an end told on the bus is known at
        once, and that the operator's function is asked each time.

        Raises:
            NoClaims: That function failed, so nobody can say.
        """
        ...

    async def step_up(self, principal: Principal, *, method: str) -> IssuedSession:
        """Note that a person has proved again who they are. The old token is worth nothing then.

        The session stays the same one, so what is open for it stays open.

        Args:
            principal: The person, in the session that becomes fresh.
            method: How they proved it.

        Raises:
            Unauthenticated: The session is over.
        """
        ...

    def was_replaced(self, token: str) -> bool:
        """Whether a token that proves nothing any more was replaced a moment ago.

        The browser may hold the new one by now, so nobody must empty its cookie.
        """
        ...

    async def list(self, principal: Principal) -> Sequence[SessionSummary]:
        """The person's live sessions, the last used first."""
        ...

    async def revoke(
        self, principal: Principal, session_id: UUID, reason: str = "signed_out"
    ) -> None:
        """End one of the person's own sessions; one that is over already stays as it is.

        Raises:
            NotFound: It is not theirs, or there is none.
        """
        ...

    async def revoke_user(self, user_id: UUID, *, reason: str, keep: UUID | None = None) -> int:
        """End every session of a person, but for one to keep.

        Returns:
            How many were ended.
        """
        ...

    async def end_all(
        self,
        session: SystemSession,
        user_id: UUID,
        *,
        reason: str,
        keep: UUID | None = None,
        provider: str = "",
    ) -> Sequence[UUID]:
        """End every session of a person, but for one to keep, in a transaction of the caller's.

        Args:
            session: The transaction.
            user_id: The person.
            reason: Why.
            keep: The session to keep.
            provider: Whose word opened those that are to end; empty for all.

        Returns:
            Those that were ended, to `tell` of once it has committed.
        """
        ...

    def tell(self, session_ids: Iterable[UUID], reason: str) -> None:
        """Let go of everything that is open for sessions that have ended."""
        ...

    async def expire_due(self) -> int:
        """End what has expired, so that its sockets and runs do too; remove what ended long ago.

        Returns:
            How many were ended.
        """
        ...

    async def revalidate(self, session_ids: Iterable[UUID]) -> set[UUID]:
        """Look whether sessions still live, without counting as use, and tell of those that do not.

        This is what a lost hint costs at most: the time between two calls.

        Args:
            session_ids: Those that something is open for.

        Returns:
            The dead ones.
        """
        ...
