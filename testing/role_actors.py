"""An organisation, a member with chats in it and privately, and others who act beside them.

The texts of that member's chats have a canary; their name and email, which their colleagues may
see, do not.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID, uuid4

from sqlmodel import col, delete, select, update

from chat_app.auth.principal import Principal
from chat_app.core.clock import utc_now
from chat_app.db.engine import Database
from chat_app.db.tables import (
    Account,
    AuthSession,
    Invitation,
    Membership,
    Passkey,
    Picture,
    User,
    metadata,
)
from chat_app.services import Services
from testing.auth_services import issue_session
from testing.canary_users import COLLEAGUE, CanaryUser, canary_user
from testing.reflex_tabs import PASSWORD

LOGS = frozenset({"audit_event", "audit_identity"})
"""The tables to which a refused request may add."""
_USES = ("last_used_at", "last_seen_at", "renewed_at")


@dataclass(frozen=True)
class Company:
    """An organisation and the people in it.

    Args:
        live: The services.
        owner: An owner, who stays.
        root: A site admin, who stays.
        org_id: The organisation.
        foreign_id: Another organisation, which has the admins of "other".
        colleague: A member with chats in the organisation; `ids` has what can be named there too.
        private_ids: The ids of a private chat of theirs.
    """

    live: Services
    owner: Principal
    root: Principal
    org_id: UUID
    foreign_id: UUID
    colleague: CanaryUser
    private_ids: Mapping[str, str]

    async def actor(self, role: str, *, is_site_admin: bool = False) -> CanaryUser:
        """A new user who can sign in in each way.

        Args:
            role: In the organisation; `other` for an admin of another one, "" for none.
            is_site_admin: Whether they administer the installation.
        """
        email = f"{uuid4().hex}@example.com"
        user_id = await self.live.accounts.add(email, PASSWORD, "Actor")
        async with self.live.db.system("auth", write=True) as session:
            session.add_all(_login_methods(user_id, email))
            if role == "other":
                session.add(Membership(user_id=user_id, org_id=self.foreign_id, role="admin"))
            elif role:
                session.add(Membership(user_id=user_id, org_id=self.org_id, role=role))
            if is_site_admin:
                (await session.require(User, user_id)).role = "admin"
        issued = await issue_session(self.live, user_id, user_agent="actor")
        ids = self.colleague.ids
        return CanaryUser(Principal(user_id, issued.session_id), issued.token, email, ids)

    async def age(self, *who: CanaryUser) -> None:
        """Let the last sign-in of users be long ago."""
        ids = [one.principal.credential_id for one in who]
        async with self.live.db.system("auth", write=True) as session:
            await session.exec(
                update(AuthSession)
                .where(col(AuthSession.id).in_(ids))
                .values(authenticated_at=utc_now() - timedelta(days=1))
            )

    async def renewed(self) -> dict[str, str]:
        """The ids that are named, with members and invitations that no request has changed yet."""
        member, other_owner = [User(email=f"{uuid4().hex}@example.com") for _ in range(2)]
        async with self.live.db.system("auth", write=True) as session:
            await session.exec(delete(Invitation).where(col(Invitation.org_id) == self.org_id))
            session.add_all([member, other_owner])
            await session.flush()
            invitations = [_invitation(self.org_id, role) for role in ("member", "owner")]
            session.add_all(
                [
                    Membership(user_id=member.id, org_id=self.org_id, role="member"),
                    Membership(user_id=other_owner.id, org_id=self.org_id, role="owner"),
                    *invitations,
                ]
            )
        named = {
            "member": member.id,
            "owner": other_owner.id,
            "invitation": invitations[0].id,
            "of_owner": invitations[1].id,
        }
        return {**self.colleague.ids, **{kind: str(one) for kind, one in named.items()}}


async def company(live: Services) -> Company:
    """Create the organisation, and who stays in it."""
    people = [
        Principal(await live.accounts.add(f"{name}@example.com", PASSWORD, name), uuid4())
        for name in ("owner", "foreign", "root")
    ]
    owner, foreign, root = people
    acme = await live.organisations.create(owner, "Acme")
    other = await live.organisations.create(foreign, "Other")
    await live.site_roles.promote(root.user_id)
    colleague = await canary_user(live, called=COLLEAGUE, org_id=acme.id)
    private = await canary_user(live, called=COLLEAGUE)
    ids = {**colleague.ids, "organisation": str(acme.id)}
    colleague = replace(colleague, ids=ids)
    return Company(live, owner, root, acme.id, other.id, colleague, private.ids)


def _login_methods(user_id: UUID, email: str) -> list[Account | Passkey | Picture]:
    """More ways to sign in, and a picture."""
    return [
        Picture(
            user_id=user_id, media_type="image/png", digest="", content=b"", updated_at=utc_now()
        ),
        Account(
            user_id=user_id,
            issuer="https://issuer.example",
            subject=uuid4().hex,
            provider="acme",
            email=email,
        ),
        Passkey(
            user_id=user_id,
            credential_id=uuid4().hex.ljust(48, "a"),  # base64url
            public_key=b"",
            name="Mine",
            created_at=utc_now(),
        ),
    ]


def _invitation(org_id: UUID, role: str) -> Invitation:
    return Invitation(
        token_hash=uuid4().hex,
        org_id=org_id,
        email=f"{uuid4().hex}@example.com",
        role=role,
        expires_at=utc_now() + timedelta(days=1),
    )


async def digests(db: Database) -> dict[str, str]:
    """What is in each table but the logs, without the times at which credentials were used."""
    found = dict[str, str]()
    async with db._all.readers.connect() as connection:
        for table in metadata.sorted_tables:
            if table.name in LOGS:
                continue
            told = [column for column in table.columns if column.name not in _USES]
            rows = await connection.execute(select(*told))
            texts = sorted(repr(tuple(row)) for row in rows)
            found[table.name] = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    return found
