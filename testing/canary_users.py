"""Users with rows of every kind whose texts contain a canary: a word to look for in responses."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
from sqlalchemy import or_, select

from chat_app.auth.keys.scopes import SCOPES
from chat_app.auth.principal import Principal, Role, Scope
from chat_app.core.clock import utc_now
from chat_app.db.engine import Database
from chat_app.db.tables import (
    PRIVATE,
    Account,
    Invitation,
    Membership,
    Organisation,
    Passkey,
    User,
    metadata,
)
from chat_app.gateway import cookies
from chat_app.services import Services
from testing.auth_services import issue_session
from testing.pictures import png
from testing.reflex_tabs import PASSWORD

CANARY = "keptbetweenus"
"""In every text of the user whom others must learn nothing of."""
COLLEAGUE = "colleague"
"""What a user is called whose name and email others may see."""
CREDENTIAL_HEADERS = ("cookie", "Authorization", "x-api-key")
"""The headers of credentials: the cookie of a session, and two for an API key."""
_USES = ("last_used_at", "last_seen_at")


@dataclass(frozen=True)
class CanaryUser:
    """A signed-in user.

    Args:
        principal: The user with the session.
        token: The token of the session.
        email: Their email.
        ids: The ids of what they own, by kind.
    """

    principal: Principal
    token: str
    email: str
    ids: Mapping[str, str]


async def canary_user(
    live: Services, canary: str = CANARY, *, called: str = "", org_id: UUID = PRIVATE
) -> CanaryUser:
    """Create a user with a thread, an answered message, a key and a login method of each kind.

    Args:
        live: The services.
        canary: What all their texts contain.
        called: How their email and name begin; the canary when empty.
        org_id: The organisation of the thread, of which they become a member.
    """
    email = f"{called or canary}-{uuid4().hex}@example.com"
    user_id = await live.accounts.add(email, PASSWORD, f"{called or canary} name")
    memberships: dict[UUID, Role] = {}
    if org_id != PRIVATE:
        memberships[org_id] = "member"
        async with live.db.system("auth", write=True) as session:
            session.add(Membership(user_id=user_id, org_id=org_id, role="member"))
    issued, other = [await issue_session(live, user_id, user_agent=canary) for _ in range(2)]
    principal = Principal(user_id, issued.session_id, memberships)
    external_id = f"{canary}-{uuid4().hex}"[:64]
    sent = await live.runs.send(
        principal,
        text=f"{canary} text",
        client_id=f"{canary}-message",
        external_id=external_id,
        model="fake:2x0",
        org_id=org_id,
    )
    async for _ in live.runs.follow(principal, sent.run_id):
        pass
    await live.threads.change(
        principal,
        sent.thread_id,
        title=f"{canary} title",
        options={"instructions": f"{canary} instructions"},
        custom={"kept": f"{canary} custom"},
    )
    await live.new_chat_options.change(principal, {"instructions": f"{canary} defaults"})
    await live.profiles.set_picture(principal, png())
    key = await live.api_keys.create(principal, name=f"{canary} key", scopes=SCOPES, days=7)
    passkey = Passkey(
        user_id=user_id,
        credential_id=f"{canary}{uuid4().hex}".ljust(48, "a"),  # base64url
        public_key=canary.encode(),
        name=f"{canary} passkey",
        created_at=utc_now(),
    )
    account = Account(
        user_id=user_id,
        issuer="https://issuer.example",
        subject=f"{canary}{uuid4().hex}",
        provider="acme",
        email=email,
    )
    mate = User(email=f"{uuid4().hex}@example.com")
    shared = await live.organisations.create(principal, f"{canary} team")
    invitation = Invitation(
        token_hash=uuid4().hex,
        org_id=shared.id,
        email=f"{canary}-invited@example.com",
        role="member",
        expires_at=utc_now() + timedelta(days=1),
    )
    inviting = Organisation(name=f"{canary} others")
    received = Invitation(
        token_hash=uuid4().hex,
        org_id=inviting.id,
        email=email,
        role="member",
        expires_at=utc_now() + timedelta(days=1),
    )
    async with live.db.system("auth", write=True) as session:
        session.add_all([inviting, passkey, account, mate])
        await session.flush()
        session.add_all([invitation, received])
        await session.flush()
        session.add(Membership(user_id=mate.id, org_id=shared.id, role="owner"))
    ids = {
        "user": user_id,
        "thread": sent.thread_id,
        "message": sent.message_id,
        "run": sent.run_id,
        "session": other.session_id,
        "key": key.id,
        "passkey": passkey.id,
        "connection": account.id,
        "organisation": shared.id,
        "member": mate.id,
        "invitation": invitation.id,
        "received": received.id,
    }
    return CanaryUser(principal, issued.token, email, {kind: str(one) for kind, one in ids.items()})


async def new_key(live: Services, principal: Principal, *scopes: Scope) -> str:
    """Another API key of a user."""
    made = await live.api_keys.create(principal, name="", scopes=scopes, days=7)
    return made.token


def credential_headers(live: Services, header: str, token: str) -> dict[str, str]:
    """The headers of a request with a credential.

    Args:
        live: Decides the name of the cookie.
        header: One of `CREDENTIAL_HEADERS`.
        token: That of a session for a cookie, else an API key.
    """
    if header == "cookie":
        return {"Cookie": f"{cookies.full_name(live.settings, cookies.SESSION)}={token}"}
    return {header: f"Bearer {token}" if header == "Authorization" else token}


def everything_in(response: httpx.Response) -> str:
    """The headers and the body of a response as text, with the files of a zip."""
    told = [f"{name}: {value}" for name, value in response.headers.items()]
    if response.headers.get("content-type") == "application/zip":
        with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
            told += [archive.read(name).decode(errors="replace") for name in archive.namelist()]
    return "\n".join([*told, response.text])


async def rows_of(db: Database, user_id: UUID) -> dict[str, list[Any]]:
    """Every row of a user, by table, without the times at which credentials were used."""
    found = dict[str, list[Any]]()
    async with db._all.readers.connect() as connection:
        for table in metadata.sorted_tables:
            names = {"owner_id", "user_id"} & {*table.columns.keys()}
            columns = [table.columns[name] for name in (*names, *["id"] * (table.name == "user"))]
            if columns:
                told = [column for column in table.columns if column.name not in _USES]
                rows = await connection.execute(
                    select(*told).where(or_(*(column == user_id for column in columns)))
                )
                found[table.name] = sorted((tuple(row) for row in rows), key=repr)
    return found
