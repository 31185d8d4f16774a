"""The site role: who has it, and when a change of it counts."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlmodel import col, select

from chat_app.auth.account.roles import (
    LastAdmin,
    SiteRoles,
    enabled_admins,
    require_other_admin,
    set_role,
)
from chat_app.auth.cloud_tokens import CloudTokens
from chat_app.auth.principal import Principal
from chat_app.core.errors import NotFound
from chat_app.core.signals import ROLES, Signal
from chat_app.db.engine import Database
from chat_app.db.tables import AuditEvent
from testing.auth_api import everything_logged
from testing.auth_services import AuthHarness, OpenAuthHarness


@pytest.fixture
def roles(harness: AuthHarness) -> SiteRoles:
    return SiteRoles(harness.db, harness.bus)


async def enabled(harness: AuthHarness) -> list[UUID]:
    async with harness.db.system("auth", write=True) as session:
        return await enabled_admins(session)


async def test_a_change_of_the_role_counts_at_the_next_event_and_request(
    harness: AuthHarness, roles: SiteRoles
) -> None:
    ada, bob = await harness.person(), await harness.person("bob@example.org")
    hers, his = await harness.sign_in(ada), await harness.sign_in(bob)

    async def seen() -> set[tuple[str, ...]]:
        found = [await harness.sessions.principal(one.session_id) for one in (hers, his)]
        for one in (hers, his):
            for cached in (True, False):
                resolved = await harness.sessions.resolve(one.token, cached=cached)
                found.append(resolved.principal if resolved else None)
        by_user = {ada: set[str](), bob: set[str]()}
        for principal in found:
            assert principal is not None
            by_user[principal.user_id].add(principal.site_role)
        return {("ada", *by_user[ada]), ("bob", *by_user[bob])}

    assert await seen() == {("ada", ""), ("bob", "")}
    assert await roles.promote(ada)
    assert await seen() == {("ada", "admin"), ("bob", "")}
    assert await roles.demote(ada)
    assert await seen() == {("ada", ""), ("bob", "")}


async def test_a_role_that_changes_during_a_lookup_is_not_taken_from_before(
    open_harness: OpenAuthHarness,
) -> None:
    class SlowDatabase(Database):
        """Waits, once, between a lookup of a session and its result."""

        looked, go_on = asyncio.Event(), asyncio.Event()
        waits = False

        async def system_query(self, reason: str, work: Any) -> Any:
            row = await super().system_query(reason, work)
            if self.waits:
                self.waits = False
                self.looked.set()
                await self.go_on.wait()
            return row

    async with open_harness(SlowDatabase) as harness:
        roles, db = SiteRoles(harness.db, harness.bus), harness.db
        assert isinstance(db, SlowDatabase)
        ada = await harness.person()
        session = await harness.sign_in(ada)
        await roles.promote(ada)
        for lookup in (
            harness.sessions.principal(session.session_id),
            harness.sessions.resolve(session.token, cached=True),
        ):
            await roles.promote(ada)
            db.looked.clear()
            db.go_on.clear()
            db.waits = True
            task = asyncio.ensure_future(lookup)
            async with asyncio.timeout(30):
                await db.looked.wait()
                await roles.demote(ada)
                db.go_on.set()
                found = await task
            assert found is not None
            principal = found if isinstance(found, Principal) else found.principal
            assert principal.site_role == ""


async def test_an_api_key_and_a_cloud_token_never_carry_the_role(
    harness: AuthHarness, roles: SiteRoles
) -> None:
    ada = await harness.person()
    await roles.promote(ada)
    session = await harness.sign_in(ada)
    principal = await harness.sessions.principal(session.session_id)
    assert principal is not None
    assert principal.site_role == "admin"
    key = await harness.api_keys.create(principal, name="", scopes=["chat"], days=30)
    found = await harness.api_keys.resolve(key.token)
    assert found is not None
    assert found.principal.site_role == ""
    cloud = CloudTokens(harness.keyring, harness.sessions, harness.api_keys, harness.time)
    found = await cloud.resolve(cloud.issue(principal).token)
    assert found is not None
    assert found.principal.site_role == ""


async def test_only_a_change_is_told_and_logged(
    harness: AuthHarness, roles: SiteRoles, caplog: pytest.LogCaptureFixture
) -> None:
    ada, told = await harness.person(), list[Signal]()
    harness.bus.subscribe_callback(ROLES, told.append)
    with everything_logged(caplog):
        assert not await roles.demote(ada)
        assert await roles.promote(ada)
        assert not await roles.promote(ada)
    assert told == [Signal("roles_changed", user_id=ada)]
    logged = [one for one in caplog.records if one.name == "chat_app.security"]
    assert [one.__dict__["fields"]["event"] for one in logged] == ["role_changed"]
    assert await enabled(harness) == [ada]
    assert await roles.demote(ada)
    async with harness.db.system("audit") as session:
        rows = await session.exec(select(AuditEvent.details).order_by(col(AuditEvent.id)))
        assert rows.all() == [
            '{"previous_role":"none","role":"admin"}',
            '{"previous_role":"admin","role":"none"}',
        ]
    for change in (roles.promote, roles.demote):
        with pytest.raises(NotFound):
            await change(uuid4())


async def test_a_disabled_admin_is_none(harness: AuthHarness, roles: SiteRoles) -> None:
    ada = await harness.person()
    await roles.promote(ada)
    assert await enabled(harness) == [ada]
    await harness.disable(ada)
    assert await enabled(harness) == []


async def test_of_admins_who_demote_each_other_at_once_one_stays(
    harness: AuthHarness, roles: SiteRoles
) -> None:
    admins = [await harness.person(f"admin-{number}@example.org") for number in range(20)]
    for admin in admins:
        await roles.promote(admin)

    async def demote(admin: UUID) -> bool:
        try:
            async with harness.db.system("auth", write=True) as session:
                await require_other_admin(session, admin)
                await set_role(session, harness.bus, admin, "")
        except LastAdmin:
            return False
        return True

    async with asyncio.timeout(60):
        done = await asyncio.gather(*map(demote, admins))
    assert done.count(False) == 1
    assert len(await enabled(harness)) == 1
