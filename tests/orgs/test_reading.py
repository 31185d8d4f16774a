"""Grants: who may read whose chats, for how long, and what their owners are told."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlmodel import SQLModel, col, select

from chat_app.audit.actions import Action
from chat_app.auth.errors import StepUpRequired
from chat_app.auth.principal import Principal
from chat_app.core.errors import Conflict, InvalidInput, NotFound
from chat_app.core.signals import reading_topic, user_topic
from chat_app.db.tables import (
    PRIVATE,
    AuthSession,
    Membership,
    Message,
    Organisation,
    ReadingGrant,
    Thread,
    ThreadReading,
)
from chat_app.orgs.reading import MAX_OPEN, RECORD_AGAIN, ReadingNotAllowed
from chat_app.orgs.roles import RoleRequired
from testing.audit_log import events_of
from testing.auth_services import issue_session
from testing.mail_server import flush
from testing.organisations import OrgHarness

SAFETY_SECONDS = 30
REASON = "A customer has asked what was promised."


@dataclass
class Acme:
    """An organisation whose admin may read, and a member with a chat there and a private one."""

    harness: OrgHarness
    org: UUID
    owner: Principal
    admin: Principal
    member: Principal
    chat: UUID
    private: UUID

    async def ask(self, who: Principal | None = None, **changed: object) -> UUID:
        given: dict[str, object] = {"subject_id": self.member.user_id, "reason": REASON}
        given |= {"minutes": 15} | changed
        asking = who or self.admin
        return await self.harness.live.reading_grants.ask(asking, self.org, **given)  # pyright: ignore

    async def titles(self, grant: UUID, who: Principal | None = None) -> set[str]:
        page = await self.harness.live.granted_threads.page(who or self.admin, grant)
        return {thread.title for thread in page.threads}

    async def read(self, grant: UUID, thread: UUID | None = None) -> list[str]:
        found = await self.harness.live.granted_threads.window(
            self.admin, grant, thread or self.chat
        )
        return [message.text for message in found.messages]

    async def is_open(self, grant: UUID, who: Principal | None = None) -> bool:
        try:
            await self.harness.live.reading_grants.open(who or self.admin, grant)
        except NotFound:
            return False
        return True

    async def audited(self, action: Action) -> list[str]:
        rows = await events_of(self.harness.live.db, action)
        return [f"{row.action} {row.details}" for row in rows]


async def add_chat(harness: OrgHarness, who: Principal, org_id: UUID, title: str) -> UUID:
    """A thread with a question and an answer, which says its title."""
    now = await harness.now(who)
    thread = Thread(owner_id=who.user_id, title=title, org_id=org_id)
    ask = Message(
        owner_id=who.user_id,
        thread_id=thread.id,
        org_id=org_id,
        role="user",
        parts=[{"type": "text", "text": f"{title}?"}],
    )
    answer = Message(
        owner_id=who.user_id,
        thread_id=thread.id,
        org_id=org_id,
        parent_id=ask.id,
        role="assistant",
        parts=[{"type": "text", "text": f"{title}!"}],
    )
    thread.head_id = answer.id
    async with harness.live.db.write(now) as session:
        for row in (thread, ask, answer):
            session.add(row)
            await session.flush()
    return thread.id


@pytest.fixture
async def acme(harness: OrgHarness) -> Acme:
    owner, admin, member = [await harness.person(name) for name in ("ada", "grace", "bob")]
    org = await harness.organisation(owner, admin=admin, member=member)
    await harness.live.organisations.change(owner, org, allows_admin_reading=True)
    return Acme(
        *(harness, org, owner, admin, member),
        await add_chat(harness, member, org, "work"),
        await add_chat(harness, member, PRIVATE, "secret"),
    )


async def test_an_admin_reads_what_a_member_has_in_the_organisation_and_nothing_else(
    acme: Acme,
) -> None:
    other = await acme.harness.organisation(acme.owner, member=acme.member)
    acme.harness.time.passes(seconds=6)  # roles are cached for five
    await add_chat(acme.harness, acme.member, other, "elsewhere")
    await add_chat(acme.harness, acme.owner, acme.org, "of the owner")
    grant = await acme.ask()
    assert await acme.titles(grant) == {"work"}
    assert await acme.read(grant) == ["work?", "work!"]
    for thread in (acme.private, uuid4()):
        with pytest.raises(NotFound):
            await acme.read(grant, thread)
    found = await acme.harness.live.reading_grants.open(acme.admin, grant)
    assert (found.subject.name, found.organisation, found.reason) == ("Bob", "Acme", REASON)
    (row,) = await acme.audited("reading_granted")
    assert '"minutes":' in row


async def test_an_admin_reads_an_owners_chats_too(acme: Acme) -> None:
    await add_chat(acme.harness, acme.owner, acme.org, "of the owner")
    grant = await acme.ask(subject_id=acme.owner.user_id)
    assert await acme.titles(grant) == {"of the owner"}


async def test_only_admins_and_owners_ask_to_read(acme: Acme) -> None:
    with pytest.raises(RoleRequired):
        await acme.ask(acme.member, subject_id=acme.owner.user_id)
    eve = await acme.harness.person("eve")
    await add_chat(acme.harness, eve, PRIVATE, "of no member")
    with pytest.raises(NotFound):
        await acme.ask(eve)
    with pytest.raises(NotFound):
        await acme.ask(subject_id=eve.user_id)
    with pytest.raises(Conflict):
        await acme.ask(subject_id=acme.admin.user_id)
    with pytest.raises(StepUpRequired):
        await acme.ask(replace(acme.admin, scopes=frozenset({"chat"})))
    assert await acme.audited("reading_granted") == []
    assert await acme.is_open(await acme.ask(acme.owner), acme.owner)


@pytest.mark.parametrize("reason", ["", "too short", " " * 20, "x" * 501, "\u200b" * 20])
async def test_a_reason_is_a_sentence(acme: Acme, reason: str) -> None:
    with pytest.raises(InvalidInput):
        await acme.ask(reason=reason)


async def test_a_time_is_one_of_the_list(acme: Acme) -> None:
    for minutes in (0, 14, 481, -15):
        with pytest.raises(InvalidInput):
            await acme.ask(minutes=minutes)


async def test_an_admin_who_has_not_just_signed_in_asks_for_nothing(acme: Acme) -> None:
    async with acme.harness.live.db.system("auth", write=True) as session:
        row = await session.require(AuthSession, acme.admin.credential_id)
        row.authenticated_at -= timedelta(days=1)
    with pytest.raises(StepUpRequired):
        await acme.ask()


async def test_a_reader_has_few_grants_at_a_time(acme: Acme) -> None:
    grants = [await acme.ask() for _ in range(MAX_OPEN)]
    with pytest.raises(Conflict):
        await acme.ask()
    await acme.ask(acme.owner)  # another reader
    await acme.harness.live.reading_grants.end(acme.admin, grants[0])
    await acme.ask()


async def test_an_organisation_that_does_not_allow_it_gives_no_grant(acme: Acme) -> None:
    orgs = acme.harness.live.organisations
    grant = await acme.ask()
    await orgs.change(acme.owner, acme.org, allows_admin_reading=False)
    assert not await acme.is_open(grant)
    with pytest.raises(ReadingNotAllowed):
        await acme.ask()
    with pytest.raises(ReadingNotAllowed):
        await acme.harness.live.reading_grants.subjects(acme.admin, acme.org)
    await orgs.change(acme.owner, acme.org, allows_admin_reading=True)
    assert not await acme.is_open(grant)  # it has ended, and does not come back


async def test_an_installation_that_does_not_allow_it_gives_no_grant(acme: Acme) -> None:
    live = acme.harness.live
    grant = await acme.ask()
    settings = live.settings.model_copy(update={"admin_reading": False})
    forbidding = replace(
        live.reading_grants, mail=replace(live.reading_grants.mail, settings=settings)
    )
    with pytest.raises(NotFound):
        await forbidding.open(acme.admin, grant)
    with pytest.raises(ReadingNotAllowed):
        await forbidding.ask(
            *(acme.admin, acme.org, acme.member.user_id), reason=REASON, minutes=15
        )
    assert await live.reading_grants.end_if_forbidden() == 0
    assert await forbidding.end_if_forbidden() == 1
    assert not await acme.is_open(grant)


async def _demote(acme: Acme) -> None:
    members = acme.harness.live.members
    await members.change_role(acme.owner, acme.org, acme.admin.user_id, "member")


async def _remove(acme: Acme) -> None:
    await acme.harness.live.members.remove(acme.owner, acme.org, acme.admin.user_id)


async def _leave(acme: Acme) -> None:
    await acme.harness.live.members.leave(acme.admin, acme.org)


async def _forbid(acme: Acme) -> None:
    orgs = acme.harness.live.organisations
    await orgs.change(acme.owner, acme.org, allows_admin_reading=False)


async def _forbid_by_admin(acme: Acme) -> None:
    root, live = await acme.harness.person("root"), acme.harness.live
    await live.site_roles.promote(root.user_id)
    await live.organisation_administration.forbid_reading(root, acme.org)


async def _close(acme: Acme) -> None:
    """As a site admin does who deletes the organisation, before answers in it have stopped."""
    members = list(await acme.harness.roles(acme.org))
    live = acme.harness.live
    async with live.db.system("administration", write=True) as session:
        await live.organisations.close(session, acme.owner, acme.org, members)


async def _disable(acme: Acme) -> None:
    await acme.harness.live.user_access.disable(acme.admin.user_id)


async def _sign_out(acme: Acme) -> None:
    await acme.harness.live.sessions.revoke(acme.admin, acme.admin.credential_id)


async def _end(acme: Acme) -> None:
    async with acme.harness.live.db.system("grants") as session:
        (grant,) = (await session.exec(select(ReadingGrant.id))).all()
    await acme.harness.live.reading_grants.end(acme.admin, grant)


ENDINGS: dict[str, Callable[[Acme], Awaitable[None]]] = {
    "role demoted": _demote,
    "role removed": _remove,
    "role left": _leave,
    "forbidden": _forbid,
    "forbidden by a site admin": _forbid_by_admin,
    "removed": _close,
    "session_ended disabled": _disable,
    "session_ended": _sign_out,
    "ended": _end,
}


@pytest.mark.parametrize("how", ENDINGS)
async def test_what_ends_a_grant_tells_its_page_and_the_audit_log(acme: Acme, how: str) -> None:
    grant = await acme.ask()
    with acme.harness.live.bus.subscribe(reading_topic(grant)) as signals:
        await ENDINGS[how](acme)
        async with asyncio.timeout(SAFETY_SECONDS):
            assert [signal.kind for signal in await anext(signals)] == ["reading_ended"]
    assert not await acme.is_open(grant)
    with pytest.raises(NotFound):
        await acme.titles(grant)
    with pytest.raises(NotFound):
        await acme.read(grant)
    (row,) = await acme.audited("reading_ended")
    assert f'"reason":"{how.split()[0]}"' in row
    assert str(grant) in row
    (past,) = (await acme.harness.live.readers.of_owner(acme.member)).grants
    assert not past.is_open


async def test_the_end_of_an_organisation_ends_what_is_read_in_it(acme: Acme) -> None:
    live = acme.harness.live
    for who in (acme.member, acme.admin):
        await live.members.leave(who, acme.org)
    grant = await acme.ask(acme.owner)
    with live.bus.subscribe(reading_topic(grant)) as signals:
        await live.organisations.delete(acme.owner, acme.org)
        async with asyncio.timeout(SAFETY_SECONDS):
            assert [signal.kind for signal in await anext(signals)] == ["reading_ended"]
    (row,) = await acme.audited("reading_ended")
    assert '"reason":"removed"' in row


async def test_the_end_of_a_subjects_account_ends_what_is_read_of_it(acme: Acme) -> None:
    live = acme.harness.live
    grant = await acme.ask()
    await acme.read(grant)
    with live.bus.subscribe(reading_topic(grant)) as signals:
        await live.administration.delete(acme.member.user_id)
        async with asyncio.timeout(SAFETY_SECONDS):
            assert await anext(signals)
    assert not await acme.is_open(grant)
    for table in ("reading_grant", "thread_reading"):
        assert await _count(acme, table) == 0


async def _count(acme: Acme, table: str) -> int:
    model = {"reading_grant": ReadingGrant, "thread_reading": ThreadReading}[table]
    async with acme.harness.live.db.system("grants") as session:
        return len((await session.exec(select(model))).all())


async def test_the_time_of_a_grant_passes(acme: Acme) -> None:
    grant = await acme.ask(minutes=15)
    acme.harness.time.passes(minutes=14)
    assert await acme.is_open(grant)
    acme.harness.time.passes(minutes=1)
    assert not await acme.is_open(grant)
    with pytest.raises(NotFound):
        await acme.read(grant)


async def test_a_grant_is_of_one_reader_and_one_session(acme: Acme) -> None:
    grant = await acme.ask()
    live = acme.harness.live
    again = await issue_session(live, acme.admin.user_id, client_ip="1.2.3.4")
    for who in (
        acme.owner,
        acme.member,
        replace(acme.admin, credential_id=again.session_id),
        replace(acme.admin, scopes=frozenset({"chat"})),
    ):
        assert not await acme.is_open(grant, who)
        await live.reading_grants.end(replace(who, user_id=acme.owner.user_id), grant)
    assert not await acme.is_open(uuid4())
    assert await acme.is_open(grant)


async def test_each_read_is_decided_by_the_rows_as_they_are(acme: Acme) -> None:
    """Also where what changed them has not ended the grant."""
    grant, live = await acme.ask(), acme.harness.live
    changes: list[tuple[type[SQLModel], object, str, object]] = [
        (Membership, (acme.admin.user_id, acme.org), "role", "member"),
        (Organisation, acme.org, "allows_admin_reading", False),
        (ReadingGrant, grant, "reader_id", acme.owner.user_id),
    ]
    for table, key, column, value in changes:
        async with live.db.system("grants", write=True) as session:
            row = await session.require(table, key)
            before = getattr(row, column)
            setattr(row, column, value)
        assert not await acme.is_open(grant), column
        async with live.db.system("grants", write=True) as session:
            setattr(await session.require(table, key), column, before)
        assert await acme.is_open(grant), column


async def test_a_member_who_has_left_is_read_while_their_chats_are_there(acme: Acme) -> None:
    live = acme.harness.live
    await live.members.remove(acme.owner, acme.org, acme.member.user_id)
    found = await live.reading_grants.subjects(acme.admin, acme.org)
    assert [person.name for person in found.members] == ["Ada"]
    assert [person.name for person in found.former] == ["Bob"]
    grant = await acme.ask()
    assert await acme.titles(grant) == {"work"}
    await acme.read(grant)
    # and sees that, without the title of what they reach no longer
    (past,) = (await live.readers.of_owner(await acme.harness.now(acme.member))).grants
    assert [chat.title for chat in past.threads] == [None]


async def test_a_former_member_is_not_read_once_their_chats_are_deleted(acme: Acme) -> None:
    live = acme.harness.live
    await live.threads.delete(await acme.harness.now(acme.member), acme.chat)
    await live.members.leave(acme.member, acme.org)
    assert (await live.reading_grants.subjects(acme.admin, acme.org)).former == []
    with pytest.raises(NotFound):
        await acme.ask()


async def test_the_owner_is_told_who_read_what_and_why(acme: Acme) -> None:
    live = acme.harness.live
    grant = await acme.ask()
    member = await acme.harness.now(acme.member)
    assert await live.readers.of_thread(member, acme.chat) == []
    with live.bus.subscribe(user_topic(acme.member.user_id)) as signals:
        await acme.read(grant)
        async with asyncio.timeout(SAFETY_SECONDS):
            (signal,) = await anext(signals)
    assert (signal.kind, signal.thread_id) == ("thread_read", acme.chat)
    (one,) = await live.readers.of_thread(member, acme.chat)
    reader = one.reader
    assert (reader.name, reader.email) == ("Grace", "grace@chat.example")
    assert (reader.role, reader.organisation) == ("admin", "Acme")
    assert reader.reason == REASON
    (past,) = (await live.readers.of_owner(member)).grants
    assert past.is_open
    assert [(chat.thread_id, chat.title) for chat in past.threads] == [(acme.chat, "work")]
    assert past.ends_at - past.created_at == timedelta(minutes=15)
    await live.threads.delete(member, acme.chat)
    (past,) = (await live.readers.of_owner(member)).grants
    assert [(chat.thread_id, chat.title) for chat in past.threads] == [(acme.chat, None)]
    # no other user is told
    for who in (acme.admin, acme.owner):
        assert (await live.readers.of_owner(who)).grants == []
        assert await live.readers.of_thread(who, acme.chat) == []


async def test_the_owner_is_told_who_the_reader_was_when_they_asked(acme: Acme) -> None:
    live = acme.harness.live
    await acme.read(await acme.ask())
    await live.profiles.rename(acme.admin, "Mallory")
    member = await acme.harness.now(acme.member)

    async def told() -> set[tuple[str, str]]:
        (past,) = (await live.readers.of_owner(member)).grants
        (one,) = await live.readers.of_thread(member, acme.chat)
        return {(reader.name, reader.email) for reader in (past.reader, one.reader)}

    assert await told() == {("Grace", "grace@chat.example")}
    await live.administration.delete(acme.admin.user_id)
    assert await told() == {("Grace", "grace@chat.example")}


async def test_the_owner_is_told_once_that_the_list_was_shown(acme: Acme) -> None:
    live = acme.harness.live
    grant = await acme.ask()
    member = await acme.harness.now(acme.member)
    (past,) = (await live.readers.of_owner(member)).grants
    assert past.listed_at is None
    shown_at = acme.harness.time()
    for _ in range(2):
        await acme.titles(grant)
        acme.harness.time.passes(seconds=6)
    (past,) = (await live.readers.of_owner(member)).grants
    assert (past.listed_at, past.threads, past.count) == (shown_at, [], 0)
    (row,) = await acme.audited("reading_listed")
    assert str(grant) in row
    await flush(live.mailer)
    assert len(acme.harness.mailbox.emails) == 1
    await acme.read(grant)
    await flush(live.mailer)
    assert len(acme.harness.mailbox.emails) == 1


async def test_a_list_whose_grant_ends_meanwhile_is_not_shown(acme: Acme) -> None:
    grant = await acme.ask()
    await acme.harness.live.reading_grants.end(acme.admin, grant)
    with pytest.raises(NotFound):
        await acme.harness.live.reading_grants.record_list(acme.admin, grant)
    assert await acme.audited("reading_listed") == []


async def test_of_many_chats_the_first_ones_are_listed_and_all_are_counted(
    acme: Acme, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat_app.orgs.readers.MAX_THREADS", 2)
    chats = [acme.chat, *[await add_chat(acme.harness, acme.member, acme.org, "x") for _ in "12"]]
    grants = [await acme.ask() for _ in "12"]
    for chat in chats:
        await acme.read(grants[0], chat)
        acme.harness.time.passes(seconds=1)
    await acme.read(grants[1], chats[2])
    member = await acme.harness.now(acme.member)
    found = {one.id: one for one in (await acme.harness.live.readers.of_owner(member)).grants}
    first, second = found[grants[0]], found[grants[1]]
    assert [(one.thread_id, one.title) for one in first.threads] == [
        (chats[0], "work"),
        (chats[1], "x"),
    ]
    assert (first.count, second.count) == (3, 1)
    assert [one.thread_id for one in second.threads] == [chats[2]]


async def test_the_audit_log_says_when_the_time_of_a_grant_was_over(acme: Acme) -> None:
    live = acme.harness.live
    grant, longer = await acme.ask(minutes=15), await acme.ask(minutes=60)
    acme.harness.time.passes(minutes=14)
    await live.sweep()
    assert await acme.audited("reading_ended") == []
    acme.harness.time.passes(minutes=6)
    with live.bus.subscribe(reading_topic(grant)) as signals:
        for _ in range(2):
            await live.sweep()
        async with asyncio.timeout(SAFETY_SECONDS):
            assert [signal.kind for signal in await anext(signals)] == ["reading_ended"]
    (row,) = await acme.audited("reading_ended")
    assert str(grant) in row
    assert '"reason":"expired"' in row
    past = (await live.readers.of_owner(await acme.harness.now(acme.member))).grants
    ended = {one.id: (one.is_open, one.ends_at - one.created_at) for one in past}
    assert ended[grant] == (False, timedelta(minutes=15))
    assert ended[longer] == (True, timedelta(minutes=60))


async def test_what_is_read_is_audited_once_in_a_while(acme: Acme) -> None:
    grant = await acme.ask(minutes=60)
    for _ in range(3):
        await acme.read(grant)
    assert len(await acme.audited("thread_read")) == 1
    acme.harness.time.passes(seconds=RECORD_AGAIN.total_seconds())
    for _ in range(2):
        await acme.read(grant)
    rows = await acme.audited("thread_read")
    assert len(rows) == 2
    assert all(str(grant) in row and REASON not in row for row in rows)


async def test_a_grant_sends_one_email_without_what_anyone_typed(acme: Acme) -> None:
    await add_chat(acme.harness, acme.member, acme.org, "more")
    grant = await acme.ask()
    await flush(acme.harness.live.mailer)
    assert list(acme.harness.mailbox.emails) == []
    for _ in range(2):
        await acme.read(grant)
    await flush(acme.harness.live.mailer)
    (mail,) = acme.harness.mailbox.emails
    assert mail["To"] == "bob@chat.example"
    text = mail.as_string()
    assert "/settings/data#readings" in text
    for typed in ("Grace", "Acme", "work", "customer"):
        assert typed not in text


async def test_a_chat_is_read_also_where_no_email_can_be_queued(
    acme: Acme, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat_app.mail.mailer.MAX_QUEUED", 0)
    assert await acme.read(await acme.ask()) == ["work?", "work!"]
    assert len(await acme.audited("thread_read")) == 1


async def test_a_grant_that_ends_while_a_chat_is_read_sends_nothing(
    acme: Acme, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = acme.harness.live
    grant = await acme.ask()
    read_as = live.db.read_as

    def ends_meanwhile(scope: object):
        session = read_as(scope)  # pyright: ignore
        original = session.__aexit__

        async def leave(*args: object):
            done = await original(*args)  # pyright: ignore
            await live.reading_grants.end(acme.admin, grant)
            return done

        session.__class__ = type("Ending", (type(session),), {"__aexit__": lambda _, *a: leave(*a)})
        return session

    monkeypatch.setattr(live.db, "read_as", ends_meanwhile)
    with pytest.raises(NotFound):
        await acme.read(grant)
    assert await acme.audited("thread_read") == []


async def test_a_running_answer_is_not_shown(acme: Acme) -> None:
    async with acme.harness.live.db.system("sweep", write=True) as session:
        (row,) = await session.exec(
            select(Message).where(
                col(Message.thread_id) == acme.chat, col(Message.role) == "assistant"
            )
        )
        row.status = "running"
    grant = await acme.ask()
    found = await acme.harness.live.granted_threads.window(acme.admin, grant, acme.chat)
    assert [message.text for message in found.messages] == ["work?"]
    assert found.is_running
    with pytest.raises(NotFound):
        await acme.harness.live.granted_threads.message(acme.admin, grant, acme.chat, row.id)


async def test_an_admins_own_list_and_chats_hold_no_colleagues_row(acme: Acme) -> None:
    live = acme.harness.live
    grant = await acme.ask()
    await acme.read(grant)
    admin = await acme.harness.now(acme.admin)
    for org_id in (None, acme.org, PRIVATE):
        assert (await live.threads.page(admin, org_id=org_id)).threads == []
    with pytest.raises(NotFound):
        await live.threads.get(admin, acme.chat)
    with pytest.raises(NotFound):
        await live.threads.window(admin, acme.chat)
