"""Invitations: who may invite to what, and who may accept."""

import asyncio

import pytest
from sqlmodel import update

from chat_app.auth.errors import InvalidEmail, InvalidToken
from chat_app.auth.principal import Principal
from chat_app.core.errors import ChatError, Conflict, NotFound
from chat_app.db.tables import User
from chat_app.orgs.invitations import EmailNotVerified, InvitationForAnother
from chat_app.orgs.roles import RoleRequired
from testing.email_flows import HERE
from testing.mail_server import flush, link_of, text_of
from testing.organisations import OrgHarness


async def test_the_recipient_joins_by_the_link_once(harness: OrgHarness) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    live = harness.live
    org = (await live.organisations.create(ada, "Secret name")).id
    token = await harness.invite(ada, org, "  BOB@Chat.example ", "admin")
    letter = harness.mailbox.emails[-1]
    assert link_of(letter).startswith(f"{live.settings.url}/confirm#invitation.")
    assert "Secret name" not in text_of(letter), "no email has what a user typed"
    preview = await live.invitations.preview(None, token)
    assert (preview.email, preview.requirement) == ("bob@chat.example", "session")
    assert (await live.invitations.preview(ada, token)).requirement == "session"
    assert (await live.invitations.preview(bob, token)).requirement == "click"
    assert await live.invitations.accept(bob, token) == org
    assert (await harness.now(bob)).memberships == {org: "admin"}
    for call in (live.invitations.accept, live.invitations.preview):
        with pytest.raises(InvalidToken):
            await call(bob, token)
    assert await live.invitations.open(ada, org) == []


async def test_of_twenty_who_accept_at_once_one_joins(harness: OrgHarness) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada)
    token = await harness.invite(ada, org, "bob@chat.example")

    async def accept() -> bool:
        try:
            await harness.live.invitations.accept(bob, token)
        except (InvalidToken, Conflict):
            return False
        return True

    async with asyncio.timeout(60):
        assert (await asyncio.gather(*(accept() for _ in range(20)))).count(True) == 1
    assert (await harness.roles(org))[bob.user_id] == "member"


async def test_nobody_else_joins_and_the_link_stays_valid(harness: OrgHarness) -> None:
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
    with pytest.raises(Conflict, match="invited already"):
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


async def test_nobody_invites_to_a_higher_role_than_their_own(harness: OrgHarness) -> None:
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


async def test_what_somebody_invited_to_ends_with_their_own_role(harness: OrgHarness) -> None:
    ada, bob = await harness.person("ada"), await harness.person("bob")
    org = await harness.organisation(ada, owner_1=bob)
    live = harness.live
    for role in ("owner", "admin", "member"):
        await harness.invite(bob, org, f"{role}@chat.example", role)
    await live.organisations.change_role(ada, org, bob.user_id, "admin")
    assert {one.role for one in await live.invitations.open(ada, org)} == {"admin", "member"}
    await live.organisations.remove(ada, org, bob.user_id)
    assert await live.invitations.open(ada, org) == []


@pytest.mark.parametrize("email", ["", "bob", "bob@", "a@b.example, c@d.example", "bob@a\uff20x"])
async def test_an_address_that_is_none_gets_nothing(harness: OrgHarness, email: str) -> None:
    ada = await harness.person("ada")
    org = await harness.organisation(ada)
    with pytest.raises((InvalidEmail, ChatError)):
        await harness.live.invitations.invite(ada, org, email=email, role="member", client_ip=HERE)
    await flush(harness.live.mailer)
    assert harness.mailbox.emails == []
    assert await harness.live.invitations.open(ada, org) == []
