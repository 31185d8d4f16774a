"""What an admin does to users on the page."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlmodel import col, delete, select

from chat_app.auth.account.administration import UserAdministration
from chat_app.auth.account.delete import delete_account
from chat_app.auth.account.disable import UserAccess
from chat_app.auth.account.people import PAGE_SIZE, OwnAccount, People, UserDisabled, UserExists
from chat_app.auth.account.roles import (
    LastAdmin,
    SiteRoles,
    UserNotVerified,
    enabled_admins,
    require_admin,
)
from chat_app.auth.errors import InvalidEmail, InvalidName, InvalidToken
from chat_app.auth.principal import Principal
from chat_app.core.errors import DatabaseBusy, Forbidden, NotFound
from chat_app.db.tables import AuditIdentity, AuthSession, User
from chat_app.states.admin.people import listed_user_item
from testing.audit_log import events_of, identity_of
from testing.auth_services import AuthHarness, auth_harness
from testing.database import DatabaseUnderTest, only_postgres, until_waiting
from testing.organisations import elsewhere
from testing.second_factor import mfa_user

NEW = "violet kettle harbour thirty eight"


@pytest.fixture
def people(harness: AuthHarness) -> People:
    return people_of(harness)


def people_of(harness: AuthHarness) -> People:
    access = UserAccess(harness.db, harness.sessions, harness.time)
    administration = UserAdministration(
        *(harness.db, harness.bus, harness.sessions, harness.passwords),
        *(harness.two_factor, harness.time),
    )
    return People(
        *(harness.db, harness.bus, harness.sessions, harness.tokens),
        *(access, administration, harness.settings, harness.time),
    )


async def new_admin(harness: AuthHarness, email: str = "root@example.org") -> Principal:
    user_id = await harness.person(email)
    await SiteRoles(harness.db, harness.bus).promote(user_id)
    return Principal(user_id, (await harness.sign_in(user_id)).session_id, site_role="admin")


async def admins(harness: AuthHarness) -> list[UUID]:
    async with harness.db.system("administration", write=True) as session:
        return await enabled_admins(session)


async def test_people_are_found_by_email_and_name_a_page_at_a_time(
    harness: AuthHarness, people: People
) -> None:
    root = await new_admin(harness)
    for number in reversed(range(PAGE_SIZE + 1)):
        domain = "example.org" if number < PAGE_SIZE - 1 else "example.net"
        await harness.person(f"user-{number:02}@{domain}")
    first, second = await people.find(""), await people.find("", 1)
    assert (first.total, len(first.users), first.has_more) == (PAGE_SIZE + 2, PAGE_SIZE, True)
    assert [one.email for one in second.users] == ["user-24@example.net", "user-25@example.net"]
    assert (second.has_more, (await people.find("", 99)).number) == (False, 1)
    full = await people.find("@EXAMPLE.org", 99)
    assert (full.total, full.number, full.has_more) == (PAGE_SIZE, 0, False)
    assert len(full.users) == PAGE_SIZE
    assert (await people.find("Ada")).total == PAGE_SIZE + 2, "the name of all of them"
    (found,) = (await people.find(" ROOT@ ")).users
    assert (found.id, found.is_admin, found.sessions) == (root.user_id, True, 1)
    for unknown in ("%", "_", "\\", "x" * 60_000):  # more than SQLite takes as a pattern
        page = await people.find(unknown, 1)
        assert (page.total, page.number, page.users) == (0, 0, []), unknown[:9]
    assert ((await people.find("user-0", -3)).total, page.number) == (10, 0)


async def test_a_user_is_listed_with_the_newest_use_and_with_what_is_live(
    harness: AuthHarness, people: People
) -> None:
    root, eve = await new_admin(harness), await harness.person("eve@example.org")
    ended = await harness.sign_in(eve)
    harness.time.passes(hours=1)
    await harness.sign_in(eve)
    newest = harness.time()
    await harness.end_unheard(ended.session_id)  # to end it by its own principal would be a use
    found, listed_root = (await people.find("")).users
    assert (found.id, found.sessions, found.last_seen_at) == (eve, 1, newest)
    assert (found.is_admin, found.is_verified, found.is_disabled) == (False, False, False)
    assert (listed_root.is_admin, listed_root.has_two_factor) == (True, False)
    await mfa_user(harness, "bob@example.org")
    assert (await people.find("bob@")).users[0].has_two_factor
    await people.disable(root, eve)
    (found,) = (await people.find("eve@")).users
    assert (found.is_disabled, found.sessions, found.last_seen_at) == (True, 0, newest)


async def test_who_has_never_signed_in_is_told_from_who_has_not_for_long(
    harness: AuthHarness, people: People
) -> None:
    root = await new_admin(harness)
    added = (await people.add_user(root, "added@example.org", "")).partition("/reset/new#")[2]
    await people.add_user(root, "waiting@example.org", "")
    older = await harness.person("older-than-the-log@example.org")
    await people.disable(root, older)
    user_id = await harness.password_changes.reset(added, NEW, "192.0.2.7")
    await harness.sign_in(user_id)
    async with harness.db.system("sweep", write=True) as session:  # as after a month
        await session.exec(delete(AuthSession))
    found = {one.email: one for one in (await people.find("")).users}
    assert {email: one.has_signed_in for email, one in found.items()} == {
        "added@example.org": True,
        "older-than-the-log@example.org": True,
        "root@example.org": True,
        "waiting@example.org": False,
    }
    item = listed_user_item(found["waiting@example.org"], root.user_id, harness.time())
    facts = item.detail.replace("\N{NO-BREAK SPACE}", " ").split(" · ")
    assert facts[1:] == ["never signed in", "0 sessions"]


async def test_an_added_user_chooses_the_password_by_the_link(
    harness: AuthHarness, people: People
) -> None:
    root = await new_admin(harness)
    link = await people.add_user(root, " New@Example.org ", " New ")
    token = link.partition("/reset/new#")[2]
    (listed,) = (await people.find("new@")).users
    assert (listed.name, listed.created_at) == ("New", harness.time())
    assert listed.is_verified, "the admin vouches for it"
    user_id = await harness.password_changes.reset(token, NEW, "192.0.2.7")
    await harness.accounts.sign_in(email="new@example.org", password=NEW, client_ip="192.0.2.7")
    again = (await people.reset_link(root, user_id)).partition("#")[2]
    other = await harness.tokens.create(
        "verify_email", lifetime=harness.time.hour, user_id=user_id, subject="new@example.org"
    )
    later = (await people.reset_link(root, user_id)).partition("#")[2]
    with pytest.raises(InvalidToken):
        await harness.password_changes.reset(again, NEW, "192.0.2.7")
    assert await harness.tokens.peek(later, "reset_password")
    assert await harness.tokens.peek(other, "verify_email")
    assert await harness.password_changes.reset(later, NEW, "192.0.2.7") == user_id
    with pytest.raises(UserExists):
        await people.add_user(root, "new@example.org", "")
    with pytest.raises(InvalidName):
        await people.add_user(root, "other@example.org", "x" * 101)
    with pytest.raises(InvalidEmail):
        await people.add_user(root, "nobody", "")


async def test_the_link_of_an_admin_names_them_when_it_is_made_and_when_it_is_used(
    harness: AuthHarness, people: People
) -> None:
    root, eve = await new_admin(harness), await harness.person("eve@example.org")
    token = (await people.reset_link(root, eve)).partition("#")[2]
    await harness.password_changes.reset(token, NEW, "192.0.2.7")
    async with harness.db.system("administration") as session:
        identities = {
            row.owner_id: row.audit_id for row in (await session.exec(select(AuditIdentity))).all()
        }
    rows = [row for row in await events_of(harness.db) if row.action.startswith("password_")]
    assert [(row.action, row.actor, row.subject, row.details) for row in rows] == [
        ("password_link_created", identities[root.user_id], identities[eve], ""),
        (
            *("password_reset", identities[root.user_id], identities[eve]),
            '{"method":"admin_link"}',
        ),
    ]


@pytest.mark.parametrize("name", ["demote", "disable", "delete"])
async def test_the_links_of_an_admin_end_with_the_role(
    harness: AuthHarness, people: People, name: str
) -> None:
    root, other = await new_admin(harness), await new_admin(harness, "other@example.org")
    eve, bob = await harness.person("eve@example.org"), await harness.person("bob@example.org")
    ended = (await people.reset_link(other, eve)).partition("#")[2]
    kept = (await people.reset_link(root, bob)).partition("#")[2]
    if name == "demote":
        await people.set_role(root, other.user_id, "")
    else:
        await getattr(people, name)(root, other.user_id)
    with pytest.raises(InvalidToken):
        await harness.password_changes.reset(ended, NEW, "192.0.2.7")
    assert await harness.password_changes.reset(kept, NEW, "192.0.2.7") == bob


async def test_there_is_no_link_for_a_disabled_user_or_of_a_demoted_admin(
    harness: AuthHarness, people: People
) -> None:
    root, eve = await new_admin(harness), await harness.person("eve@example.org")
    await people.disable(root, eve)
    with pytest.raises(UserDisabled):
        await people.reset_link(root, eve)
    await people.enable(root, eve)
    await SiteRoles(harness.db, harness.bus).demote(root.user_id)
    with pytest.raises(Forbidden):
        await people.reset_link(root, eve)


async def test_an_unverified_user_becomes_no_admin_where_emails_can_be_verified(
    database: DatabaseUnderTest,
) -> None:
    mail: dict[str, Any] = {"smtp_url": "smtp://127.0.0.1:1", "mail_from": "chat@example.org"}
    async with auth_harness(database, **mail) as harness:
        people = people_of(harness)
        root, eve = await new_admin(harness), await harness.person("eve@example.org")
        with pytest.raises(UserNotVerified):
            await people.set_role(root, eve, "admin")
        (listed,) = (await people.find("eve@")).users
        assert not listed.is_admin
        assert not listed.is_verified
        await people.administration.verify(eve)
        await people.set_role(root, eve, "admin")
        (listed,) = (await people.find("eve@")).users
        assert listed.is_admin
        assert listed.is_verified


async def test_who_is_no_admin_any_more_does_nothing(harness: AuthHarness, people: People) -> None:
    """The page checked the role before; it is read again where the change is made."""
    root, eve = await new_admin(harness), await harness.person("eve@example.org")
    await SiteRoles(harness.db, harness.bus).demote(root.user_id)
    actions = [
        *(people.disable, people.enable, people.delete, people.end_sessions),
        *(people.reset_two_factor, people.reset_link),
    ]
    for action in actions:
        with pytest.raises(Forbidden):
            await action(root, eve)
    with pytest.raises(Forbidden):
        await people.set_role(root, eve, "admin")
    with pytest.raises(Forbidden):
        await people.add_user(root, "new@example.org", "")
    assert (await people.find("")).total == 2


async def test_the_end_of_no_session_is_a_row_too(harness: AuthHarness, people: People) -> None:
    root, eve = await new_admin(harness), await harness.person("eve@example.org")
    await people.end_sessions(root, eve)
    rows = await events_of(harness.db, "session_ended")
    assert [row.details for row in rows] == ['{"count":0,"reason":"revoked"}']


async def test_the_last_admin_does_not_delete_the_own_account_while_there_are_others(
    harness: AuthHarness, people: People
) -> None:
    root, eve = await new_admin(harness), await harness.person("eve@example.org")
    with pytest.raises(LastAdmin):
        await delete_account(harness.db, harness.sessions, root, "root@example.org")
    await people.delete(root, eve)
    await delete_account(harness.db, harness.sessions, root, "root@example.org")
    assert (await people.find("")).total == 0


async def test_nothing_is_done_to_oneself_or_to_a_missing_user(
    harness: AuthHarness, people: People
) -> None:
    root = await new_admin(harness)
    for action in (
        *(people.disable, people.delete, people.end_sessions),
        *(people.reset_two_factor, people.reset_link),
    ):
        with pytest.raises(OwnAccount):
            await action(root, root.user_id)
    for action in (
        *(people.disable, people.enable, people.delete, people.end_sessions),
        people.reset_link,
    ):
        with pytest.raises(NotFound):
            await action(root, uuid4())
    with pytest.raises(LastAdmin):
        await people.set_role(root, root.user_id, "")


@pytest.mark.parametrize("name", ["disable", "delete", "demote"])
async def test_of_admins_who_remove_each_other_at_once_one_stays(
    harness: AuthHarness, people: People, name: str
) -> None:
    roots = [await new_admin(harness, f"admin-{number}@example.org") for number in range(10)]

    async def remove(number: int) -> bool:
        actor, other = roots[number], roots[(number + 1) % len(roots)].user_id
        try:
            if name == "demote":
                await people.set_role(actor, other, "")
            else:
                await getattr(people, name)(actor, other)
        except (LastAdmin, Forbidden):  # they may have lost the role themselves
            return False
        return True

    async with asyncio.timeout(60):
        done = await asyncio.gather(*map(remove, range(len(roots))))
    assert done.count(False) >= 1
    assert len(await admins(harness)) >= 1


@only_postgres
async def test_an_admin_who_is_demoted_meanwhile_demotes_nobody(
    harness: AuthHarness, people: People, database: DatabaseUnderTest
) -> None:
    root, other = await new_admin(harness), await new_admin(harness, "other@example.org")
    async with elsewhere(database) as session:
        await require_admin(session, root)
        (await session.require(User, other.user_id)).role = ""
        await session.flush()
        demoting = asyncio.create_task(people.set_role(other, root.user_id, ""))
        await until_waiting(database, demoting)
    with pytest.raises(DatabaseBusy):  # asked again, it is Forbidden
        await asyncio.wait_for(demoting, 30)
    with pytest.raises(Forbidden):
        await people.set_role(other, root.user_id, "")
    assert await admins(harness) == [root.user_id]


async def test_the_only_admin_goes_where_none_is_to_be_kept(
    harness: AuthHarness, people: People
) -> None:
    root = (await new_admin(harness)).user_id
    with pytest.raises(LastAdmin):
        await people.access.disable(root, keeps_an_admin=True)
    with pytest.raises(LastAdmin):
        await people.administration.delete(root, keeps_an_admin=True)
    assert await admins(harness) == [root]
    await people.access.disable(root)
    assert await admins(harness) == []
    await people.access.enable(root)
    await people.administration.delete(root)
    assert await admins(harness) == []


async def test_every_action_names_the_admin_in_the_audit_log(
    harness: AuthHarness, people: People
) -> None:
    root, eve = await new_admin(harness), await harness.person("eve@example.org")
    await harness.sign_in(eve)
    await people.end_sessions(root, eve)
    await people.set_role(root, eve, "admin")
    await people.set_role(root, eve, "")
    await people.disable(root, eve)
    await people.enable(root, eve)
    await people.delete(root, eve)
    await people.add_user(root, "new@example.org", "")
    async with harness.db.system("administration") as session:
        added = select(AuditIdentity.audit_id).join(User, col(User.id) == AuditIdentity.owner_id)
        new = (await session.exec(added.where(User.email == "new@example.org"))).one()
        users = (await session.exec(select(User.email).order_by(User.email))).all()
    actor = await identity_of(harness.db, root.user_id)
    subjects = {
        row.action: row.subject for row in await events_of(harness.db) if row.actor == actor
    }
    assert subjects.keys() >= {
        *("session_ended", "role_changed", "user_disabled", "user_enabled"),
        *("user_deleted", "user_created"),
    }
    assert subjects["user_created"] == new
    assert list(users) == ["new@example.org", "root@example.org"]


async def test_a_demoted_user_is_no_admin_at_the_next_event(
    harness: AuthHarness, people: People
) -> None:
    root, other = await new_admin(harness), await new_admin(harness, "other@example.org")

    async def role(of: UUID) -> str:
        principal = await harness.sessions.principal(of)
        assert principal is not None
        return principal.site_role

    assert await role(other.credential_id) == "admin"
    await people.set_role(root, other.user_id, "")
    assert await role(other.credential_id) == ""
