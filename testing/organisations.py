"""The services on a database with a mail server, and people who belong to organisations."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlmodel import select

from chat_app.auth.principal import Principal
from chat_app.db.engine import Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import Membership, Organisation, Thread
from chat_app.services import Services
from chat_app.settings import read_settings
from testing.auth_services import PASSWORD, CountingHasher, Time, issue_session
from testing.database import BUSY_SECONDS, DatabaseUnderTest, create_tables
from testing.email_flows import HERE, ROOMY
from testing.mail_server import Mailbox, flush, listening, token_of
from testing.program import Program
from testing.site_roles import tell_roles_changed


@dataclass
class OrgHarness:
    """The services, the time, and the mailbox of all users."""

    live: Services
    time: Time
    mailbox: Mailbox

    async def person(self, name: str) -> Principal:
        """A new user, signed in."""
        email = f"{name}@chat.example"
        user_id = await self.live.accounts.add(email, PASSWORD, name.title())
        issued = await issue_session(self.live, user_id, client_ip=HERE)
        return Principal(user_id, issued.session_id)

    async def now(self, who: Principal) -> Principal:
        """A user as the next event resolves them."""
        found = await self.live.sessions.principal(who.credential_id)
        assert found is not None
        return found

    async def organisation(self, owner: Principal, **members: Principal) -> UUID:
        """A new organisation of an owner, and of others by their role and a number."""
        made = await self.live.organisations.create(owner, "Acme")
        async with self.live.db.system("organisations", write=True) as session:
            for role, who in members.items():
                session.add(
                    Membership(user_id=who.user_id, org_id=made.id, role=role.rstrip("_0123456789"))
                )
        return made.id

    async def roles(self, org_id: UUID) -> dict[UUID, str]:
        """Who belongs to an organisation, and as what."""
        async with self.live.db.system("organisations") as session:
            rows = await session.exec(select(Membership).where(Membership.org_id == org_id))
            return {row.user_id: row.role for row in rows}

    async def invite(self, who: Principal, org_id: UUID, email: str, role: str = "member") -> str:
        """Send an invitation; the token in its link."""
        await self.live.invitations.invite(who, org_id, email=email, role=role, client_ip=HERE)
        return await self.token()

    async def token(self) -> str:
        """That of the newest email's link, without its purpose."""
        await flush(self.live.mailer)
        return token_of(self.mailbox.emails[-1]).rpartition(".")[2]

    async def threads(self, who: Principal, org_id: UUID | None = None) -> set[str]:
        """The titles of the threads that a user sees now; of all, or of one organisation."""
        page = await self.live.threads.page(await self.now(who), org_id=org_id)
        return {thread.title for thread in page.threads}

    async def stored(self) -> dict[str, UUID]:
        """The organisation of every thread that is stored and not deleted, by its title."""
        async with self.live.db.system("sweep") as session:
            rows = await session.exec(select(Thread))
            return {row.title: row.org_id for row in rows if row.deleted_at is None}


async def join_organisation(program: Program, org_id: str, email: str) -> None:
    """Make a user a member of an organisation of a running program, without an invitation.

    Args:
        program: It uses SQLite.
        org_id: The organisation.
        email: The user's.
    """
    program.behind_its_back(
        "INSERT INTO membership (user_id, org_id, role, created_at) "
        "SELECT user.id, organisation.id, 'member', organisation.created_at "
        "FROM user, organisation WHERE user.email = ? AND organisation.id = ?",
        *(email, UUID(org_id).hex),
    )
    await tell_roles_changed(program, email)


@asynccontextmanager
async def elsewhere(database: DatabaseUnderTest) -> AsyncIterator[SystemSession]:
    """A transaction of another process."""
    db = database.open(Database)
    try:
        async with db.system("organisations", write=True, read_committed=True) as session:
            yield session
    finally:
        await db.close()


@asynccontextmanager
async def locked_elsewhere(
    database: DatabaseUnderTest, org_id: UUID
) -> AsyncIterator[SystemSession]:
    """A transaction of another process, which has locked an organisation."""
    async with elsewhere(database) as session:
        locked = select(Organisation).where(Organisation.id == org_id).with_for_update()
        await session.exec(locked)
        yield session


@asynccontextmanager
async def org_harness(database: DatabaseUnderTest, **given: Any) -> AsyncIterator[OrgHarness]:
    """The services on a database, started, with these settings."""
    async with listening() as mailbox:
        settings = read_settings(
            **{
                "_env_file": None,
                **database.settings,
                **ROOMY,
                "smtp_url": f"smtp://127.0.0.1:{mailbox.port}",
                "mail_from": "c@chat.example",
                "fake_models": True,
                "embedded_model": False,
                "chat_titles": False,
                **given,
            }
        )
        time = Time()
        live = Services(
            settings,
            clock=time,
            sleep=time.sleep,
            hasher=CountingHasher(),
            busy_seconds=BUSY_SECONDS,
        )
        await create_tables(live.db)
        await live.start()
        try:
            yield OrgHarness(live, time, mailbox)
        finally:
            await live.stop()
