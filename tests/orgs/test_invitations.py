"""Invitations: who may invite to what, and who may accept."""

import asyncio
from typing import Literal
from uuid import UUID, uuid4

import pytest
from sqlmodel import update

from chat_app.auth.errors import AccessDenied, InvalidEmail, InvalidToken, TooManyAttempts
from chat_app.auth.principal import Principal
from chat_app.core.errors import ChatError, Conflict, NotFound
from chat_app.db.tables import Membership, User
from chat_app.mail.mailer import MailUnavailable
from chat_app.orgs.invitations import EmailNotVerified, InvitationForAnother
from chat_app.orgs.roles import RoleRequired
from testing.audit_log import events_of
from testing.database import DatabaseUnderTest
from testing.email_flows import HERE
from testing.mail_server import flush, link_of, text_of
from testing.organisations import OrgHarness, org_harness


async def test_the_recipient_joins_by_the_link_once(harness: OrgHarness) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    live = harness.live
    org = (await live.organisations.create(ada, "Secret name")).id
    token = await harness.invite(ada, org, "  BOB@Chat.example ", "admin")
    email = harness.mailbox.emails[-1]
    assert link_of(email).startswith(f"{live.settings.url}/confirm#invitation.")
    assert "Secret name" not in text_of(email), "no email has what a user typed"
    preview = await live.invitations.preview(None, token)
    assert (preview.email, preview.requirement) == ("bob@chat.example", "session")
    assert (await live.invitations.preview(ada, token)).requirement == "session"
    assert (await live.invitations.preview(bob, token)).requirement == "click"
    assert (await harness.now(bob)).memberships == {}  # and cached
    assert await live.invitations.accept(bob, token) == org
    assert (await harness.now(bob)).memberships == {org: "admin"}
    assert await live.invitations.open(ada, org) == []


async def test_an_invitation_that_is_accepted_twenty_times_at_once_counts_once(
    harness: OrgHarness,
) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada)
    harness.time.passes(hours=1)
    token = await harness.invite(ada, org, "bob@chat.example")
    accept = harness.live.invitations.accept
    async with asyncio.timeout(60):
        assert await asyncio.gather(*(accept(bob, token) for _ in range(20))) == [org] * 20
    assert (await harness.roles(org))[bob.user_id] == "member"
    assert await _acceptances(harness) == 1


async def _acceptances(harness: OrgHarness) -> int:
    """How many the audit log has."""
    return len(await events_of(harness.live.db, "invitation_accepted"))


@pytest.mark.parametrize("has_link", [True, False])
async def test_whoever_has_joined_may_accept_again_since_the_response_may_be_lost(
    harness: OrgHarness, *, has_link: bool
) -> None:
    ada, bob, eve = [await harness.person(name) for name in ("ada", "bob", "eve")]
    live, org = harness.live, await harness.organisation(ada, member=eve)
    own = await harness.organisation(bob)
    harness.time.passes(hours=1)
    token = await harness.invite(ada, org, "bob@chat.example")
    (sent,) = await live.received_invitations.of(bob)

    async def accept(who: Principal) -> UUID:
        if has_link:
            return await live.invitations.accept(who, token)
        return await live.received_invitations.accept(who, sent.id)

    refused = InvalidToken if has_link else NotFound
    assert await accept(bob) == org
    harness.time.passes(hours=1)
    await live.members.change_role(ada, org, bob.user_id, "admin")
    await live.organisations.choose(bob, own)
    assert await accept(bob) == org
    preview = await live.invitations.preview(bob, token)
    assert (preview.email, preview.requirement) == ("bob@chat.example", "click")
    assert (await harness.now(bob)).memberships == {org: "admin", own: "owner"}
    assert [one.id for one in await live.organisations.of(bob) if one.is_chosen] == [org]
    assert await _acceptances(harness) == 1

    # to others it is used, members or not
    for who in (ada, eve, await harness.person("new")):
        with pytest.raises(refused):
            await accept(who)
        with pytest.raises(InvalidToken):
            await live.invitations.preview(who, token)
    with pytest.raises(InvalidToken):
        await live.invitations.preview(None, token)

    # and to a recipient who has left, also when another invitation brings them back
    await live.members.leave(bob, org)
    for again in (False, True):
        if again:
            await live.invitations.accept(bob, await harness.invite(ada, org, "bob@chat.example"))
        with pytest.raises(refused):
            await accept(bob)
        with pytest.raises(InvalidToken):
            await live.invitations.preview(bob, token)
    assert (await harness.roles(org))[bob.user_id] == "member"


async def test_no_other_user_joins_and_the_link_stays_valid(harness: OrgHarness) -> None:
    ada, bob, eve = [await harness.person(name) for name in ("ada", "bob", "eve")]
    org = await harness.organisation(ada)
    live = harness.live
    token = await harness.invite(ada, org, "bob@chat.example")
    with pytest.raises(InvitationForAnother):
        await live.invitations.accept(eve, token)
    await _verify(harness, "bob@chat.example", is_verified=False)
    with pytest.raises(EmailNotVerified):
        await live.invitations.accept(bob, token)
    await _verify(harness, "bob@chat.example", is_verified=True)
    assert set(await harness.roles(org)) == {ada.user_id}
    await live.invitations.accept(bob, token)
    with pytest.raises(Conflict, match="member already"):
        await harness.invite(ada, org, "bob@chat.example")


async def _verify(harness: OrgHarness, email: str, *, is_verified: bool) -> None:
    async with harness.live.db.system("auth", write=True) as session:
        at = harness.time() if is_verified else None
        await session.exec(update(User).where(User.email == email).values(email_verified_at=at))  # pyright: ignore[reportArgumentType]


async def test_a_link_expires_and_can_be_sent_again_or_revoked(harness: OrgHarness) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada)
    live = harness.live
    first = await harness.invite(ada, org, "bob@chat.example")
    with pytest.raises(Conflict, match="already invited"):
        await harness.invite(ada, org, "bob@chat.example")
    harness.time.passes(days=6, hours=23)
    assert (await live.invitations.preview(None, first)).email == "bob@chat.example"
    harness.time.passes(hours=1)
    with pytest.raises(InvalidToken):
        await live.invitations.accept(bob, first)
    (found,) = await live.invitations.open(ada, org)
    assert found.is_expired
    await live.invitations.resend(ada, org, found.id, client_ip=HERE)
    second = await harness.token()
    assert second != first
    with pytest.raises(InvalidToken):
        await live.invitations.accept(bob, first)
    await live.invitations.revoke(ada, org, found.id)
    with pytest.raises(InvalidToken):
        await live.invitations.accept(bob, second)
    with pytest.raises(NotFound):
        await live.invitations.resend(ada, org, found.id, client_ip=HERE)
    await live.invitations.accept(bob, await harness.invite(ada, org, "bob@chat.example"))


@pytest.mark.parametrize("delivery", ["log", "none"])
async def test_without_a_mail_server_who_invites_gets_the_link_to_hand_over(
    harness: OrgHarness, delivery: Literal["log", "none"]
) -> None:
    ada, bob, eve = [await harness.person(name) for name in ("ada", "bob", "eve")]
    live = harness.live
    live.mailer.smtp, live.mailer.delivery = None, delivery
    org = await harness.organisation(ada)
    sent = await live.invitations.invite(
        ada, org, email="bob@chat.example", role="member", client_ip=HERE
    )
    again = await live.invitations.resend(ada, org, sent.id, client_ip=HERE)
    assert again.id == sent.id
    start = f"{live.settings.url}/confirm#invitation."
    links = f"{sent.link} {again.link}".split()
    assert all(link.startswith(start) for link in links)
    first, second = (link.removeprefix(start) for link in links)
    # no user can verify an email here; who invites vouches for the one who gets the link
    await _verify(harness, "bob@chat.example", is_verified=False)
    with pytest.raises(InvalidToken):
        await live.invitations.accept(bob, first)
    with pytest.raises(InvitationForAnother):
        await live.invitations.accept(eve, second)
    with pytest.raises(EmailNotVerified):  # the link is all that names the recipient
        await live.received_invitations.accept(bob, sent.id)
    assert await live.received_invitations.of(bob) == []
    await live.invitations.accept(bob, second)
    assert (await harness.roles(org))[bob.user_id] == "member"
    assert harness.mailbox.emails == []


async def test_the_recipient_answers_without_the_link(harness: OrgHarness) -> None:
    ada, bob, eve = [await harness.person(name) for name in ("ada", "bob", "eve")]
    live, received = harness.live, harness.live.received_invitations
    acme = await harness.organisation(ada)
    other = (await live.organisations.create(ada, "Other")).id
    await harness.invite(ada, acme, "bob@chat.example", "admin")
    harness.time.passes(hours=1)
    token = await harness.invite(ada, other, "bob@chat.example")
    found = await received.of(bob)
    assert [(one.organisation, one.role, one.invited_by) for one in found] == [
        ("Other", "member", "ada@chat.example"),
        ("Acme", "admin", "ada@chat.example"),
    ]
    assert await received.of(eve) == await received.of(ada) == []
    to_other, to_acme = (one.id for one in found)
    for answer in (received.accept, received.decline):
        for who, which in ((eve, to_acme), (ada, to_acme), (bob, uuid4())):
            with pytest.raises(NotFound):
                await answer(who, which)
    await _verify(harness, "bob@chat.example", is_verified=False)
    assert await received.of(bob) == []
    for answer in (received.accept, received.decline):
        with pytest.raises(EmailNotVerified):
            await answer(bob, to_acme)
    await _verify(harness, "bob@chat.example", is_verified=True)

    assert await received.accept(bob, to_acme) == acme
    await received.decline(bob, to_other)
    assert (await harness.now(bob)).memberships == {acme: "admin"}
    for answer, which in (
        *((received.accept, to_other), (received.decline, to_other)),
        (received.decline, to_acme),
    ):
        with pytest.raises(NotFound):
            await answer(bob, which)
    with pytest.raises(InvalidToken):
        await live.invitations.accept(bob, token)
    assert await received.of(bob) == await live.invitations.open(ada, other) == []
    rows = await events_of(live.db, "invitation_declined")
    assert [(row.org_id, row.subject) for row in rows] == [(other, str(to_other))]

    await harness.invite(ada, other, "bob@chat.example")
    (late,) = await received.of(bob)
    harness.time.passes(days=7)
    assert await received.of(bob) == []
    for answer in (received.accept, received.decline):
        with pytest.raises(NotFound):
            await answer(bob, late.id)


async def test_no_user_invites_to_a_higher_role_than_their_own(harness: OrgHarness) -> None:
    ada, bob, eve, other = [await harness.person(name) for name in ("ada", "bob", "eve", "other")]
    org = await harness.organisation(ada, admin=bob, member=eve)
    await harness.organisation(other)
    live = harness.live
    verdicts: list[tuple[Principal, str, type[ChatError] | None]] = [
        (ada, "owner", None),
        (ada, "admin", None),
        (bob, "admin", None),
        (bob, "owner", RoleRequired),
        (eve, "member", RoleRequired),
        (other, "member", NotFound),
    ]
    for number, (who, role, error) in enumerate(verdicts):
        email = f"new{number}@chat.example"
        if error is None:
            await harness.invite(who, org, email, role)
        else:
            with pytest.raises(error):
                await harness.invite(who, org, email, role)
    found = {one.email: one for one in await live.invitations.open(eve, org)}
    assert {one.role for one in found.values()} == {"owner", "admin"}
    with pytest.raises(RoleRequired):
        await live.invitations.revoke(bob, org, found["new0@chat.example"].id)
    with pytest.raises(NotFound):
        await live.invitations.revoke(other, org, found["new0@chat.example"].id)
    with pytest.raises(NotFound):
        await live.invitations.open(other, org)


async def test_a_member_gets_no_other_role_by_an_invitation(harness: OrgHarness) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada)
    live = harness.live
    token = await harness.invite(ada, org, "bob@chat.example", "owner")
    (sent,) = await live.received_invitations.of(bob)
    async with live.db.system("organisations", write=True) as session:
        session.add(Membership(user_id=bob.user_id, org_id=org, role="member"))
    for attempt in (
        live.invitations.accept(bob, token),
        live.received_invitations.accept(bob, sent.id),
    ):
        with pytest.raises(Conflict, match="belong to this organisation already"):
            await attempt
    assert (await harness.roles(org))[bob.user_id] == "member"


async def test_an_invitation_is_changed_by_no_admin_of_another_organisation(
    harness: OrgHarness,
) -> None:
    ada, eve = await harness.person("ada"), await harness.person("eve")
    org, foreign = await harness.organisation(ada), await harness.organisation(eve)
    live = harness.live
    token = await harness.invite(ada, org, "bob@chat.example")
    (sent,) = await live.invitations.open(ada, org)
    with pytest.raises(NotFound):
        await live.invitations.revoke(eve, foreign, sent.id)
    with pytest.raises(NotFound):
        await live.invitations.resend(eve, foreign, sent.id, client_ip=HERE)
    assert await live.invitations.open(eve, foreign) == []
    assert await live.invitations.open(ada, org) == [sent]
    assert await live.invitations.preview(None, token)


async def test_who_sends_an_invitation_again_vouches_for_it(harness: OrgHarness) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada, owner_1=bob)
    live = harness.live
    for email in ("eve@chat.example", "dan@chat.example"):
        await harness.invite(bob, org, email)
    (again,) = [one for one in await live.invitations.open(ada, org) if "eve" in one.email]
    await live.invitations.resend(ada, org, again.id, client_ip=HERE)
    rows = await events_of(live.db, "invitation_created")
    assert [row.subject for row in rows].count(str(again.id)) == 2
    await live.members.remove(ada, org, bob.user_id)
    (kept,) = await live.invitations.open(ada, org)
    assert (kept.id, kept.invited_by) == (again.id, ada.user_id)


async def test_an_organisation_has_so_many_open_invitations(
    harness: OrgHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat_app.orgs.invitations.MAX_OPEN", 1)
    ada = await harness.person("ada")
    org, other = await harness.organisation(ada), await harness.organisation(ada)
    await harness.invite(ada, org, "bob@chat.example")
    with pytest.raises(Conflict, match="1 invitations are open, the maximum"):
        await harness.invite(ada, org, "eve@chat.example")
    await harness.invite(ada, other, "eve@chat.example")
    (open_,) = await harness.live.invitations.open(ada, org)
    await harness.live.invitations.revoke(ada, org, open_.id)
    await harness.invite(ada, org, "eve@chat.example")


async def test_nothing_changes_while_no_email_can_be_queued(
    harness: OrgHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await harness.person("ada")
    org, live = await harness.organisation(ada), harness.live
    token = await harness.invite(ada, org, "bob@chat.example")
    before = await live.invitations.open(ada, org)
    monkeypatch.setattr("chat_app.mail.mailer.MAX_QUEUED", 0)
    harness.time.passes(hours=1)
    with pytest.raises(MailUnavailable):
        await harness.invite(ada, org, "eve@chat.example")
    with pytest.raises(MailUnavailable):
        await live.invitations.resend(ada, org, before[0].id, client_ip=HERE)
    assert await live.invitations.open(ada, org) == before
    assert await live.invitations.preview(None, token)


async def test_the_limits_and_the_domains_of_emails_hold_for_invitations(
    database: DatabaseUnderTest,
) -> None:
    given = {"auth_allowed_domains": "chat.example", "limit_mail_recipient": "1/hour"}
    async with org_harness(database, **given) as harness:
        ada = await harness.person("ada")
        org, other = await harness.organisation(ada), await harness.organisation(ada)
        with pytest.raises(AccessDenied):
            await harness.invite(ada, org, "bob@elsewhere.example")
        token = await harness.invite(ada, org, "bob@chat.example")
        (sent,) = await harness.live.invitations.open(ada, org)
        with pytest.raises(TooManyAttempts):
            await harness.invite(ada, other, "bob@chat.example")
        with pytest.raises(TooManyAttempts):
            await harness.live.invitations.resend(ada, org, sent.id, client_ip=HERE)
        assert await harness.live.invitations.preview(None, token)
        assert len(harness.mailbox.emails) == 1


async def test_what_a_member_invited_to_ends_with_their_own_role(harness: OrgHarness) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada, owner_1=bob)
    live = harness.live
    for role in ("owner", "admin", "member"):
        await harness.invite(bob, org, f"{role}@chat.example", role)
    await live.members.change_role(ada, org, bob.user_id, "admin")
    assert {one.role for one in await live.invitations.open(ada, org)} == {"admin", "member"}
    await live.members.remove(ada, org, bob.user_id)
    assert await live.invitations.open(ada, org) == []
    # one row for those that end with a role, and one for those that end with the membership
    rows = await events_of(live.db, "invitation_revoked")
    assert [(row.org_id, row.details) for row in rows] == [
        (org, '{"count":1}'),
        (org, '{"count":2}'),
    ]


@pytest.mark.parametrize("email", ["", "bob", "bob@", "a@b.example, c@d.example", "bob@a\uff20x"])
async def test_an_address_that_is_none_gets_nothing(harness: OrgHarness, email: str) -> None:
    ada = await harness.person("ada")
    org = await harness.organisation(ada)
    with pytest.raises((InvalidEmail, ChatError)):
        await harness.live.invitations.invite(ada, org, email=email, role="member", client_ip=HERE)
    await flush(harness.live.mailer)
    assert harness.mailbox.emails == []
    assert await harness.live.invitations.open(ada, org) == []
