"""Organisations: who may do what to whom, and what happens to threads."""

import asyncio
import json
import zipfile
from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from chat_app.auth.account.delete import delete_account
from chat_app.auth.account.export import export_account
from chat_app.auth.account.memberships import OnlyOwner
from chat_app.auth.errors import InvalidName
from chat_app.auth.principal import Principal
from chat_app.core.errors import Conflict, InvalidInput, NotFound
from chat_app.core.signals import Signal, user_topic
from chat_app.db.prepared import Transaction
from chat_app.db.statements import STORED_REPORT_BYTES
from chat_app.db.tables import PRIVATE, Membership, Message, Run, SearchEntry, Thread
from chat_app.orgs.organisations import require_room
from chat_app.orgs.roles import LastOwner, RoleRequired
from chat_app.services import Services
from chat_app.threads.export import export
from chat_app.threads.queries import lock_membership, thread_row
from chat_app.threads.user_limits import ROW_BYTES
from testing.audit_log import events_of
from testing.database import DatabaseUnderTest, only_postgres, only_sqlite, until_waiting
from testing.email_flows import HERE
from testing.organisations import OrgHarness, elsewhere, locked_elsewhere
from testing.sql_statements import statements


async def test_a_user_creates_an_organisation_and_owns_it(harness: OrgHarness) -> None:
    ada = await harness.person("ada")
    assert (await harness.now(ada)).memberships == {}
    made = await harness.live.organisations.create(ada, "  Acme  ")
    assert (made.name, made.role, made.allows_admin_reading) == ("Acme", "owner", False)
    # the next event knows it, although the principal was cached a moment ago
    assert (await harness.now(ada)).memberships == {made.id: "owner"}
    assert await harness.live.organisations.of(ada) == [made]
    bob = await harness.person("bob")
    assert await harness.live.organisations.of(bob) == []
    for call in (harness.live.organisations.get, harness.live.members.of):
        with pytest.raises(NotFound):
            await call(bob, made.id)
        with pytest.raises(NotFound):
            await call(ada, uuid4())


async def test_a_user_joins_no_more_organisations_than_the_maximum(
    harness: OrgHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat_app.orgs.organisations.MAX_ORGANISATIONS", 1)
    ada, bob, root = [await harness.person(name) for name in ("ada", "bob", "root")]
    live, org = harness.live, await harness.organisation(ada)
    await live.site_roles.promote(root.user_id)
    await live.organisations.create(bob, "Bobs")
    token = await harness.invite(ada, org, "bob@chat.example")
    (invitation,) = await live.received_invitations.of(bob)
    for attempt in (
        live.organisations.create(bob, "More"),
        live.invitations.accept(bob, token),
        live.received_invitations.accept(bob, invitation.id),
        live.organisation_administration.create(root, "More", "bob@chat.example"),
    ):
        with pytest.raises(Conflict, match="the maximum"):
            await attempt
    (own,) = await live.organisations.of(bob)
    await live.organisations.delete(bob, own.id)
    await live.invitations.accept(bob, token)


@only_postgres
async def test_an_organisation_that_a_user_joins_meanwhile_counts(
    database: DatabaseUnderTest, harness: OrgHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat_app.orgs.organisations.MAX_ORGANISATIONS", 1)
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada)
    async with elsewhere(database) as session:
        await require_room(session, bob.user_id)
        creating = asyncio.create_task(harness.live.organisations.create(bob, "Second"))
        await until_waiting(database, creating)
        session.add(Membership(user_id=bob.user_id, org_id=org, role="member"))
    with pytest.raises(Conflict, match="the maximum"):
        await asyncio.wait_for(creating, 30)


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\nb", "a\u202eb"])
async def test_a_name_that_is_none_is_refused(harness: OrgHarness, name: str) -> None:
    ada = await harness.person("ada")
    with pytest.raises((InvalidInput, InvalidName)):
        await harness.live.organisations.create(ada, name)
    assert await harness.live.organisations.of(ada) == []


async def test_the_verdict_of_each_role_on_each_role(harness: OrgHarness) -> None:
    """Who may change and remove whom; the table is that of `docs/organisations.md`."""
    members = harness.live.members
    roles = ("member", "admin", "owner")
    for actor_role in roles:
        for target_role in roles:
            for new_role in roles:
                chief, actor, target = [await harness.person(uuid4().hex) for _ in range(3)]
                org = await harness.organisation(
                    chief, **{f"{actor_role}_1": actor, f"{target_role}_2": target}
                )
                rank = roles.index
                is_allowed = actor_role != "member" and rank(actor_role) >= max(
                    rank(target_role), rank(new_role)
                )
                if is_allowed:
                    await members.change_role(actor, org, target.user_id, new_role)
                else:
                    with pytest.raises(RoleRequired):
                        await members.change_role(actor, org, target.user_id, new_role)
                expected = new_role if is_allowed else target_role
                assert (await harness.roles(org))[target.user_id] == expected
                may_remove = actor_role != "member" and rank(actor_role) >= rank(expected)
                if may_remove:
                    await members.remove(actor, org, target.user_id)
                else:
                    with pytest.raises(RoleRequired):
                        await members.remove(actor, org, target.user_id)
                assert (target.user_id in await harness.roles(org)) is not may_remove


Attempt = Callable[[Services, Principal, UUID, UUID, UUID], Awaitable[object]]
ATTEMPTS: dict[str, Attempt] = {
    "change": lambda live, bob, org, *_: live.organisations.change(bob, org, name="Bobs"),
    "delete": lambda live, bob, org, *_: live.organisations.delete(bob, org),
    "change_role": lambda live, bob, org, eve, _: live.members.change_role(bob, org, eve, "admin"),
    "remove": lambda live, bob, org, eve, _: live.members.remove(bob, org, eve),
    "invite": lambda live, bob, org, *_: live.invitations.invite(
        bob, org, email="new@chat.example", role="owner", client_ip=HERE
    ),
    "resend": lambda live, bob, org, _, sent: live.invitations.resend(
        bob, org, sent, client_ip=HERE
    ),
    "revoke": lambda live, bob, org, _, sent: live.invitations.revoke(bob, org, sent),
}


@only_postgres
@pytest.mark.parametrize("attempt", ATTEMPTS)
async def test_an_owner_who_is_demoted_meanwhile_does_nothing(
    database: DatabaseUnderTest, harness: OrgHarness, attempt: str
) -> None:
    ada, bob, eve = [await harness.person(name) for name in ("ada", "bob", "eve")]
    org = await harness.organisation(ada, owner_1=bob, owner_2=eve)
    live = harness.live
    sent = await live.invitations.invite(
        ada, org, email="guest@chat.example", role="owner", client_ip=HERE
    )
    before = await harness.roles(org), await live.invitations.open(ada, org)
    async with locked_elsewhere(database, org) as session:
        work = ATTEMPTS[attempt](live, bob, org, eve.user_id, sent.id)
        task = asyncio.ensure_future(work)
        await until_waiting(database, task)
        membership = await session.require(Membership, (bob.user_id, org))
        membership.role = "member" if attempt == "change" else "admin"
    with pytest.raises(RoleRequired):
        await asyncio.wait_for(task, 30)
    before[0][bob.user_id] = membership.role
    assert (await harness.roles(org), await live.invitations.open(ada, org)) == before


async def test_only_an_owner_lets_admins_read(harness: OrgHarness) -> None:
    ada, bob, eve = [await harness.person(name) for name in ("ada", "bob", "eve")]
    org = await harness.organisation(ada, admin=bob, member=eve)
    change = harness.live.organisations.change
    await change(bob, org, name="Bobs")
    for who in (bob, eve):
        with pytest.raises(RoleRequired):
            await change(who, org, allows_admin_reading=True)
    with pytest.raises(RoleRequired):
        await change(eve, org, name="Eves")
    await change(ada, org, allows_admin_reading=True)
    seen = await harness.live.organisations.get(eve, org)
    assert (seen.name, seen.allows_admin_reading, seen.role) == ("Bobs", True, "member")


async def test_every_member_hears_of_a_change_in_one_query(harness: OrgHarness) -> None:
    ada, bob, eve = [await harness.person(name) for name in ("ada", "bob", "eve")]
    alone, together = [
        await harness.organisation(ada),
        await harness.organisation(ada, member_1=bob, member_2=eve),
    ]
    heard, queries = list[UUID](), list[int]()
    for who in (ada, bob, eve):
        topic, note = user_topic(who.user_id), partial(_note, heard, who.user_id)
        harness.live.bus.subscribe_callback(topic, note)
    for org, members in ((alone, [ada]), (together, [ada, bob, eve])):
        heard.clear()
        with statements() as noted:
            await harness.live.organisations.change(ada, org, name="Apex")
        queries.append(sum("FROM membership" in text for text, _ in noted.ran))
        assert set(heard) == {who.user_id for who in members}
    assert queries[0] == queries[1] == 2


def _note(heard: list[UUID], user_id: UUID, signal: Signal) -> None:
    if signal.kind == "user":
        heard.append(user_id)


async def test_the_last_owner_neither_leaves_nor_is_demoted_nor_deletes_the_account(
    harness: OrgHarness,
) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada, admin=bob)
    members, live = harness.live.members, harness.live
    with pytest.raises(LastOwner):
        await members.leave(ada, org)
    with pytest.raises(LastOwner):
        await members.change_role(ada, org, ada.user_id, "admin")
    with pytest.raises(Conflict):
        await members.remove(ada, org, ada.user_id)
    with pytest.raises(OnlyOwner):
        await delete_account(live.db, live.sessions, ada, "ada@chat.example")
    assert await harness.roles(org) == {ada.user_id: "owner", bob.user_id: "admin"}
    await members.change_role(ada, org, bob.user_id, "owner")
    await delete_account(live.db, live.sessions, ada, "ada@chat.example")
    assert await harness.roles(org) == {bob.user_id: "owner"}


async def test_of_twenty_owners_who_all_go_at_once_one_stays(harness: OrgHarness) -> None:
    owners = [await harness.person(f"owner{number}") for number in range(20)]
    org = await harness.organisation(
        owners[0], **{f"owner_{number}": who for number, who in enumerate(owners[1:], 1)}
    )
    members = harness.live.members

    async def go(number: int) -> bool:
        who, other = owners[number], owners[(number + 1) % 20]
        try:
            if number % 3 == 0:
                await members.leave(who, org)
            elif number % 3 == 1:
                await members.remove(who, org, other.user_id)
            else:
                await members.change_role(who, org, who.user_id, "member")
        except (LastOwner, NotFound, RoleRequired):
            return False
        return True

    async with asyncio.timeout(60):
        await asyncio.gather(*map(go, range(20)))
        while "owner" in (roles := await harness.roles(org)).values():
            last = [user_id for user_id, role in roles.items() if role == "owner"]
            if len(last) == 1:
                break
            (who,) = [one for one in owners if one.user_id == last[0]]
            await members.leave(who, org)
    assert list((await harness.roles(org)).values()).count("owner") == 1
    (who,) = [one for one in owners if (await harness.roles(org)).get(one.user_id) == "owner"]
    with pytest.raises(LastOwner):
        await members.leave(who, org)


async def test_threads_vanish_on_leaving_and_come_back_on_a_return(harness: OrgHarness) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada, member=bob)
    live = harness.live
    mine = await live.threads.create(await harness.now(bob), title="at work", org_id=org)
    await live.threads.create(bob, title="at home")
    sent = await live.runs.send(
        await harness.now(bob), text="a garden", client_id="c1", thread_id=mine.id
    )
    await _finish(harness, bob, sent.run_id)
    assert await harness.threads(bob) == {"at work", "at home"}
    assert await harness.threads(bob, org) == {"at work"}
    assert await harness.threads(bob, PRIVATE) == {"at home"}
    assert await harness.threads(ada) == set(), "no list has a colleague's thread"
    await live.members.remove(ada, org, bob.user_id)
    now = await harness.now(bob)
    assert await harness.threads(bob) == {"at home"}
    for call in (live.threads.get, live.threads.window, live.threads.delete, live.threads.restore):
        with pytest.raises(NotFound):
            await call(now, mine.id)
    with pytest.raises(NotFound):
        await live.threads.move(now, mine.id, PRIVATE)
    assert (await live.search.find(now, "garden", after=None, limit=9)).hits == []
    with pytest.raises(NotFound):
        await live.runs.send(now, text="more", client_id="c2", thread_id=mine.id)
    with pytest.raises(NotFound):
        await live.runs.find(now, sent.run_id)
    with pytest.raises(NotFound):
        await live.threads.create(now, title="planted", org_id=org)
    assert (await harness.stored())["at work"] == org
    token = await harness.invite(ada, org, "bob@chat.example")
    await live.invitations.accept(now, token)
    assert await harness.threads(bob) == {"at work", "at home"}
    found = await live.search.find(await harness.now(bob), "garden", after=None, limit=9)
    assert {hit.thread_id for hit in found.hits} == {mine.id}


async def test_a_thread_moves_with_everything_in_it(harness: OrgHarness) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org, foreign = await harness.organisation(ada), await harness.organisation(bob)
    live = harness.live
    ada = await harness.now(ada)
    sent = await live.runs.send(ada, text="a garden", client_id="c1")
    await _finish(harness, ada, sent.run_id)
    for target in (org, PRIVATE, org):
        await live.threads.move(ada, sent.thread_id, target)
        async with live.db.read(ada) as session:
            for table in (Message, Run, SearchEntry):
                rows = (await session.exec(select(table))).all()
                assert rows
                assert {row.org_id for row in rows} == {target}, table
        assert (await live.threads.get(ada, sent.thread_id)).org_id == target
    with pytest.raises(NotFound):
        await live.threads.move(ada, sent.thread_id, foreign)
    with pytest.raises(NotFound):
        await live.threads.move(await harness.now(bob), sent.thread_id, foreign)
    again = await live.runs.send(
        ada, text="go on", client_id="c2", thread_id=sent.thread_id, model="fake:300x20"
    )
    with pytest.raises(Conflict, match="still being written"):
        await live.threads.move(ada, sent.thread_id, PRIVATE)
    await live.runs.stop(ada, again.run_id)
    await live.threads.move(ada, sent.thread_id, PRIVATE)
    told = [(row.org_id, row.details) for row in await events_of(live.db, "thread_moved")]
    directions = "in", "out", "in", "out"
    assert told == [(org, f'{{"value":"{one}"}}') for one in directions]


async def test_a_running_answer_ends_with_the_membership_and_keeps_its_text(
    harness: OrgHarness,
) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada, member=bob)
    live = harness.live
    now = await harness.now(bob)
    at_work = await live.runs.send(
        now, text="one", client_id="c1", model="fake:3000x20", org_id=org
    )
    at_home = await live.runs.send(now, text="two", client_id="c2", model="fake:3000x20")
    events = live.runs.follow(now, at_work.run_id)
    async with asyncio.timeout(30):
        await anext(events)
        await live.members.remove(ada, org, bob.user_id)
        end = [event async for event in events][-1]
    assert getattr(end, "status", None) == "revoked"
    with pytest.raises(NotFound):
        await anext(live.runs.follow(await harness.now(bob), at_work.run_id))
    async with live.db.system("run log") as session:
        run = await session.require(Run, at_work.run_id)
        answer = await session.require(Message, at_work.message_id)
        assert (run.status, answer.status, run.org_id) == ("revoked", "revoked", org)
        assert answer.parts, "what was shown is kept"
        assert (await session.require(Run, at_home.run_id)).status in ("queued", "running")
    await live.runs.stop(await harness.now(bob), at_home.run_id)


async def test_an_answer_that_is_stored_while_its_user_is_removed_ends_too(
    harness: OrgHarness,
) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada, member=bob)
    live = harness.live
    stale = await harness.now(bob)
    thread = await live.threads.create(stale, org_id=org)
    await live.members.remove(ada, org, bob.user_id)
    sent = await live.runs.send(
        stale, text="one", client_id="c1", model="fake:3000x20", thread_id=thread.id
    )
    async with asyncio.timeout(30):
        end = [event async for event in live.runs.follow(stale, sent.run_id)][-1]
    assert getattr(end, "status", None) == "revoked"


async def test_an_organisation_is_deleted_when_its_owner_is_alone(harness: OrgHarness) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada, member=bob)
    live = harness.live
    await live.threads.create(await harness.now(ada), title="hers", org_id=org)
    await live.threads.create(await harness.now(bob), title="his", org_id=org)
    with pytest.raises(RoleRequired):
        await live.organisations.delete(bob, org)
    with pytest.raises(Conflict, match="other members"):
        await live.organisations.delete(ada, org)
    await live.members.remove(ada, org, bob.user_id)
    await live.organisations.delete(ada, org)
    assert await harness.stored() == {"hers": PRIVATE}
    assert await harness.threads(ada) == {"hers"}
    assert await harness.threads(bob) == set()
    assert (await harness.now(ada)).memberships == {}
    with pytest.raises(NotFound):
        await live.organisations.get(ada, org)


async def test_nothing_gets_into_an_organisation_that_was_deleted_meanwhile(
    harness: OrgHarness,
) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada, member=bob)
    live = harness.live
    stale, former = await harness.now(ada), await harness.now(bob)
    mine = await live.threads.create(ada, title="mine")
    await live.members.remove(ada, org, bob.user_id)
    await live.organisations.delete(ada, org)
    for who in (stale, former):
        assert org in who.memberships, "resolved before"
        with pytest.raises(NotFound):
            await live.threads.create(who, title="planted", org_id=org)
        with pytest.raises(NotFound):
            await live.runs.send(who, text="planted", client_id="c1", org_id=org)
    with pytest.raises(NotFound):
        await live.threads.move(stale, mine.id, org)
    assert await harness.stored() == {"mine": PRIVATE}


@only_postgres
async def test_a_deletion_waits_for_a_thread_that_is_being_created(
    database: DatabaseUnderTest, harness: OrgHarness
) -> None:
    ada = await harness.person("ada")
    org = await harness.organisation(ada)
    live, now = harness.live, await harness.now(ada)
    async with live.db.write(now) as session:
        await session.execute_prepared(partial(lock_membership, org_id=org))
        session.add(Thread(owner_id=ada.user_id, org_id=org, title="new"))
        await session.flush()
        deleting = asyncio.create_task(live.organisations.delete(ada, org))
        await until_waiting(database, deleting)
    await asyncio.wait_for(deleting, 30)
    assert await harness.stored() == {"new": PRIVATE}


@only_postgres
async def test_a_deletion_sees_an_answer_that_begins_meanwhile(
    database: DatabaseUnderTest, harness: OrgHarness
) -> None:
    ada = await harness.person("ada")
    org = await harness.organisation(ada)
    live, now = harness.live, await harness.now(ada)
    thread = await live.threads.create(now, title="busy", org_id=org)
    async with live.db.write(now) as session:
        await thread_row(session, thread.id, lock=True)
        answer = Message(
            owner_id=ada.user_id, org_id=org, thread_id=thread.id, role="assistant", parent_id=None
        )
        session.add(answer)
        await session.flush()
        session.add(
            Run(
                owner_id=ada.user_id,
                org_id=org,
                thread_id=thread.id,
                message_id=answer.id,
                session_id=ada.credential_id,
                model="m",
            )
        )
        await session.flush()
        deleting = asyncio.create_task(live.organisations.delete(ada, org))
        await until_waiting(database, deleting)
    with pytest.raises(Conflict, match="still being written"):
        await asyncio.wait_for(deleting, 30)
    assert await harness.stored() == {"busy": org}


@only_sqlite
async def test_a_move_leaves_the_full_text_index_as_it_is(
    database: DatabaseUnderTest, harness: OrgHarness
) -> None:
    ada = await harness.person("ada")
    org = await harness.organisation(ada)
    live, now = harness.live, await harness.now(ada)
    sent = await live.runs.send(now, text="a garden", client_id="c1")
    await _finish(harness, now, sent.run_id)
    index = "SELECT id, block FROM search_index_data ORDER BY id"
    before = database.rows(index)
    await live.threads.move(now, sent.thread_id, org)
    assert database.rows(index) == before
    found = await live.search.find(now, "garden", after=None, limit=9)
    assert {hit.thread_id for hit in found.hits} == {sent.thread_id}
    await live.threads.rename(now, sent.thread_id, "Orchard")
    assert database.rows(index) != before


async def test_what_clients_report_in_an_organisation_counts_after_leaving(
    harness: OrgHarness,
) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada, member=bob)
    live, now = harness.live, await harness.now(bob)
    thread = await live.threads.create(now, org_id=org)
    await live.client_reports.add(now, "run", {"output": "x" * 500}, thread_id=thread.id)

    def reported(transaction: Transaction) -> object:
        return transaction.first(STORED_REPORT_BYTES, row_bytes=ROW_BYTES)

    size = len('{"output": ""}') + 500 + ROW_BYTES
    assert await live.db.query(now, reported) == (size,)
    await live.members.remove(ada, org, bob.user_id)
    assert (await harness.now(bob)).memberships == {}
    assert await live.db.query(await harness.now(bob), reported) == (size,)
    assert await live.db.query(await harness.now(ada), reported) == (0,)


async def test_an_export_says_where_each_thread_is(harness: OrgHarness) -> None:
    ada = await harness.person("ada")
    org = await harness.organisation(ada)
    now = await harness.now(ada)
    await harness.live.threads.create(now, title="at work", org_id=org)
    await harness.live.threads.create(now, title="at home")
    file = await export(harness.live.db, now)
    with file, zipfile.ZipFile(file) as archive:
        threads = [
            json.loads(archive.read(name))
            for name in archive.namelist()
            if name.startswith("threads/") and name.endswith(".json")
        ]
    assert {thread["title"]: thread["organisation"] for thread in threads} == {
        "at work": str(org),
        "at home": None,
    }


async def test_an_account_is_read_after_its_export_is_in_the_audit_log(
    harness: OrgHarness,
) -> None:
    ada = await harness.person("ada")
    with statements() as noted:

        def note(_connection: object) -> None:
            noted.ran.append(("COMMIT", ()))

        event.listen(Engine, "commit", note)
        try:
            await export_account(harness.live.db, ada)
        finally:
            event.remove(Engine, "commit", note)
    kinds = ("INSERT INTO audit_event", "COMMIT", "FROM passkey", "FROM api_key")
    order = [kind for text, _ in noted.ran for kind in kinds if kind in text]
    # PostgreSQL commits once more when it opens a connection
    written = order[order.index("INSERT INTO audit_event") :]
    assert written[1] == "COMMIT"
    assert {"FROM passkey", "FROM api_key"} <= set(written[2:])
    assert not {"FROM passkey", "FROM api_key"} & set(order[: -len(written)])


async def test_an_account_export_says_where_its_user_belongs(harness: OrgHarness) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada, member=bob)
    exported = await export_account(harness.live.db, bob)
    (found,) = exported["organisations"]
    assert (found["id"], found["name"], found["role"]) == (str(org), "Acme", "member")


async def test_each_action_is_in_the_audit_log(harness: OrgHarness) -> None:
    ada, bob, eve = [await harness.person(name) for name in ("ada", "bob", "eve")]
    live = harness.live
    org = (await live.organisations.create(ada, "Secret name")).id
    token = await harness.invite(ada, org, "bob@chat.example", "admin")
    await live.invitations.accept(bob, token)
    await live.organisations.change(ada, org, name="Other name")
    for _ in range(2):  # the second time nothing changes
        await live.members.change_role(ada, org, bob.user_id, "member")
    await harness.invite(ada, org, "eve@chat.example")
    (open_,) = await live.invitations.open(ada, org)
    await live.invitations.revoke(ada, org, open_.id)
    await live.members.leave(bob, org)
    await live.invitations.accept(eve, await harness.invite(ada, org, "eve@chat.example"))
    await live.members.remove(ada, org, eve.user_id)
    await live.organisations.delete(ada, org)
    events = [event for event in await events_of(live.db) if event.org_id == org]
    assert [event.action for event in events] == [
        *("organisation_created", "invitation_created", "invitation_accepted"),
        *("organisation_changed", "role_changed", "invitation_created", "invitation_revoked"),
        *("member_left", "invitation_created", "invitation_accepted", "member_removed"),
        "organisation_deleted",
    ]
    (changed,) = [event for event in events if event.action == "role_changed"]
    assert changed.details == '{"previous_role":"admin","role":"member"}'
    told = repr([event.model_dump() for event in events])
    assert not any(word in told for word in ("@", "Secret", "Other", "Bob"))


async def test_a_membership_is_of_a_user_and_an_organisation(harness: OrgHarness) -> None:
    ada = await harness.person("ada")
    for row in (
        Membership(user_id=ada.user_id, org_id=uuid4(), role="owner"),
        Membership(user_id=uuid4(), org_id=await harness.organisation(ada), role="owner"),
    ):
        with pytest.raises(IntegrityError):
            async with harness.live.db.system("organisations", write=True) as session:
                session.add(row)


async def test_a_role_that_is_none_is_refused(harness: OrgHarness) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada, member=bob)
    for role in ("", "Owner", "admin,owner", "site admin"):
        with pytest.raises(InvalidInput, match=r"^Choose owner, admin or member\.$"):
            await harness.live.members.change_role(ada, org, bob.user_id, role)
    assert (await harness.roles(org))[bob.user_id] == "member"


async def _finish(harness: OrgHarness, who: Principal, run_id: UUID) -> None:
    async with asyncio.timeout(30):
        async for _ in harness.live.runs.follow(await harness.now(who), run_id):
            pass


async def test_a_thread_of_another_is_reached_by_no_member(harness: OrgHarness) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada, member=bob)
    hers = await harness.live.threads.create(await harness.now(ada), title="hers", org_id=org)
    async with harness.live.db.read(await harness.now(bob)) as session:
        assert (await session.exec(select(Thread))).all() == []
    with pytest.raises(NotFound):
        await harness.live.threads.get(await harness.now(bob), hers.id)
