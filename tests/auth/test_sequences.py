"""Who ends up where when two people want one address.

Ada reads the mailbox. Eve does not, and comes first, or afterwards, or both. Whatever each of them
does, in whichever order, neither may reach an account that the other can reach (account
pre-hijacking, takeover by linking), and Ada must still get in.
"""

import re
from collections.abc import AsyncIterator, Awaitable
from uuid import UUID, uuid4

import pytest
from sqlmodel import col, select

from chat_app.auth.account.linked_accounts import LinkedAccounts
from chat_app.auth.principal import Principal
from chat_app.auth.sign_in.identity import Browser, SignedIn, VerifiedIdentity
from chat_app.core.errors import ChatError
from chat_app.db.tables import Passkey, RememberedDevice, Totp
from testing.auth_services import FIREFOX
from testing.database import DatabaseUnderTest, only_sqlite
from testing.email_flows import EmailHarness, email_harness
from testing.mail_server import flush, link_of, text_of

ADDRESS = "ada@example.org"
ISSUER, OTHER = "https://id.acme.example", "https://id.other.example"

pytestmark = only_sqlite  # what is tried does not depend on the database


class Actor:
    """A person with a browser, a password, an account at a provider and a passkey.

    Args:
        harness: Where everything happens.
        name: Who.
        reads_mail: Whether the mailbox of `ADDRESS` is theirs; then the provider knows it too.
    """

    def __init__(self, harness: EmailHarness, name: str, *, reads_mail: bool) -> None:
        self.harness, self.auth, self.name, self.reads_mail = (
            harness,
            harness.auth,
            name,
            reads_mail,
        )
        self.password = f"{name}-plum-Otter-teapot-91"
        self.browser = Browser(f"192.0.2.{len(name)}", FIREFOX)
        self.tokens: list[str] = []
        self.keys: list[str] = []
        self._opened = 0

    async def _enter(self, proof: VerifiedIdentity) -> None:
        outcome = await self.auth.sign_in_service.sign_in(proof, self.browser)
        if isinstance(outcome, SignedIn):
            self.tokens.append(outcome.issued.token)

    async def principal(self) -> Principal | None:
        """Who they are signed in as, most lately."""
        for token in reversed(self.tokens):
            if found := await self.auth.sessions.resolve(token):
                return found.principal
        return None

    # What a user can do; a refusal is an answer like another.

    async def sign_up(self) -> None:
        """Choose a password where no email is verified."""
        proof = await self.auth.accounts.sign_up(
            email=ADDRESS,
            password=self.password,
            name=self.name,
            client_ip=self.browser.client_ip,
            check=self.auth.sign_in_service.check,
        )
        await self._enter(proof)

    async def sign_up_by_email(self) -> None:
        """Choose a password where an email is verified, and open the link that verifies it."""
        browser_secret = await self.auth.email_sign_ups.begin(
            email=ADDRESS, password=self.password, name=self.name, client_ip=self.browser.client_ip
        )
        if self.reads_mail:
            await self.open_emails(browser_secret)

    async def password_in(self) -> None:
        proof = await self.auth.accounts.sign_in(
            email=ADDRESS, password=self.password, client_ip=self.browser.client_ip
        )
        await self._enter(proof)

    async def reset(self) -> None:
        await self.auth.password_changes.send_reset(ADDRESS, self.browser.client_ip)
        if self.reads_mail:
            await self.open_emails()
            await self.password_in()

    async def link_in(self) -> None:
        await self.auth.magic_links.send(ADDRESS, self.browser.client_ip)
        if self.reads_mail:
            await self.open_emails()

    async def provider_in(self) -> None:
        """Every user may write any address into their profile; only Ada has proved it there."""
        await self._enter(self._claim(ISSUER, self.name))

    async def same_subject_in(self) -> None:
        """Ada's number at her provider, given out by another one."""
        await self._enter(self._claim(OTHER, "ada"))

    def _claim(self, issuer: str, subject: str) -> VerifiedIdentity:
        return VerifiedIdentity(
            "oauth",
            issuer,
            subject,
            email=ADDRESS,
            email_verified=self.reads_mail and issuer == ISSUER,
            provider="acme",
        )

    async def passkey_in(self) -> None:
        async with self.auth.db.system("auth") as session:
            mine = col(Passkey.credential_id).in_(self.keys)
            found = (await session.exec(select(Passkey).where(mine))).all()
        for key in found:
            named = {"user_id": key.user_id, "is_strong": True}
            await tried(
                self._enter(VerifiedIdentity("passkey", "passkey", key.credential_id, **named))
            )

    async def add_passkey(self) -> None:
        if (who := await self.principal()) is not None:
            self.keys.append(uuid4().hex)
            key = Passkey(
                user_id=who.user_id,
                credential_id=self.keys[-1],
                public_key=b"key",
                created_at=self.auth.time(),
            )
            async with self.auth.db.system("auth", write=True) as session:
                session.add(key)

    async def connect(self) -> None:
        if (who := await self.principal()) is not None:
            connections = LinkedAccounts(
                self.auth.db,
                self.auth.bus,
                self.auth.sessions,
                self.auth.settings,
                self.auth.time,
            )
            await connections.link(who, self._claim(ISSUER, self.name))

    async def set_a_second_factor(self) -> None:
        """Theirs alone: whoever meets it is locked out."""
        if (who := await self.principal()) is not None:
            now = self.auth.time()
            factor = Totp(user_id=who.user_id, secret="sealed", created_at=now, confirmed_at=now)
            device = RememberedDevice(
                user_id=who.user_id,
                token_hash=uuid4().hex,
                created_at=now,
                expires_at=now + self.auth.time.hour,
            )
            async with self.auth.db.system("auth", write=True) as session:
                await session.merge(factor)
                session.add(device)

    async def move_here(self) -> None:
        """From an account with another email, ask for a link to this one."""
        await self._enter(
            VerifiedIdentity("oauth", OTHER, f"{self.name} 2", email=f"{self.name}@example.net")
        )
        who = await self.principal()
        assert who is not None
        await self.auth.email_changes.send_change(who, ADDRESS, self.browser.client_ip)

    async def ask_for_proof(self) -> None:
        """Ask for the link that verifies the email of the account."""
        if (who := await self.principal()) is not None:
            await self.auth.email_changes.send_verification(who, self.browser.client_ip)

    async def sign_out(self) -> None:
        if (who := await self.principal()) is not None:
            await self.auth.sessions.revoke(who, who.credential_id, "signed_out")

    async def open_emails(self, browser_secret: str | None = None) -> None:
        """Click on everything that has come since, whoever asked for it."""
        await flush(self.auth.mailer)
        emails = self.harness.mailbox.to(ADDRESS)
        new, self._opened = emails[self._opened :], len(emails)
        for one in new:
            if re.search(r"#\S", text_of(one)):
                await tried(self._click(link_of(one), browser_secret))

    async def _click(self, link: str, browser_secret: str | None) -> None:
        page, _, said = link.partition("#")
        purpose, _, token = said.rpartition(".")
        who, auth = await self.principal(), self.auth
        if page.endswith("/reset/new"):
            await auth.password_changes.reset(token, self.password, self.browser.client_ip)
        elif purpose == "sign_in_link":
            outcome = await auth.magic_links.follow(token, self.browser)
            if isinstance(outcome, SignedIn):
                self.tokens.append(outcome.issued.token)
        elif purpose == "sign_up":
            outcome = await auth.email_sign_ups.finish(
                token, browser_secret=browser_secret, password=self.password, browser=self.browser
            )
            if isinstance(outcome, SignedIn):
                self.tokens.append(outcome.issued.token)
        elif purpose == "verify_email" and who is not None:
            await auth.email_changes.verify(who, token)
        elif purpose == "change_email" and who is not None:
            await auth.email_changes.change(who, token)
        else:
            assert purpose in ("verify_email", "change_email"), link

    # What it comes to.

    async def reaches(self) -> set[UUID]:
        """Every account that they are in, or can get into with all they have."""
        ways = [self.password_in, self.passkey_in]
        if not self.reads_mail:  # Ada coming with proof would end what is to be watched
            ways += [self.provider_in, self.same_subject_in]
        for way in ways:
            await tried(way())
        found = [await self.auth.sessions.resolve(token) for token in self.tokens]
        return {one.principal.user_id for one in found if one is not None}


async def tried(doing: Awaitable[None]) -> bool:
    """Whether something was not refused."""
    try:
        await doing
    except ChatError as refusal:
        if refusal.status >= 500:
            raise
        return False
    return True


EVE = {
    "chose a password": ["sign_up"],
    "chose a password and keeps a passkey there": ["sign_up", "add_passkey"],
    "chose a password and connected her own provider": ["sign_up", "connect"],
    "chose a password and set a second factor": ["sign_up", "set_a_second_factor"],
    "chose a password and has the address proved for her": ["sign_up", "ask_for_proof"],
    "chose a password that waits for the link": ["sign_up_by_email"],
    "claims the address at the same provider": ["provider_in", "add_passkey"],
    "has the same number at another provider": ["same_subject_in", "add_passkey"],
    "asks for links and new passwords": ["link_in", "reset"],
    "wants to move her account to the address": ["move_here", "add_passkey"],
}
ADA = {
    "a password": ["sign_up_by_email", "sign_out", "password_in"],
    "a password that nothing confirms": ["sign_up", "sign_out", "password_in"],
    "a link": ["link_in"],
    "her provider": ["provider_in"],
    "a passkey": ["link_in", "add_passkey", "sign_out", "passkey_in"],
    "a new password": ["link_in", "sign_out", "reset"],
}


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[EmailHarness]:
    async with email_harness(database, limit_sign_in_pair="1000/hour") as one:
        yield one


@pytest.mark.parametrize("ada_by", ADA)
@pytest.mark.parametrize("eve_did", EVE)
async def test_who_came_first_has_nothing_of_who_owns_the_address(
    harness: EmailHarness, eve_did: str, ada_by: str
) -> None:
    ada, eve = Actor(harness, "ada", reads_mail=True), Actor(harness, "eve", reads_mail=False)
    await act(eve, EVE[eve_did])
    await ada.open_emails()
    await act(ada, ADA[ada_by])
    await act(eve, EVE[eve_did])
    await ada.open_emails()
    await apart(ada, eve)
    assert await tried(ada.link_in())
    assert len(await apart(ada, eve)) == 1


@pytest.mark.parametrize("ada_by", ADA)
async def test_who_comes_later_gets_nothing_of_what_is_there(
    harness: EmailHarness, ada_by: str
) -> None:
    ada, eve = Actor(harness, "ada", reads_mail=True), Actor(harness, "eve", reads_mail=False)
    await act(ada, ADA[ada_by])
    hers = await ada.reaches()
    assert len(hers) == 1
    for eve_did in EVE.values():
        await act(eve, eve_did)
        await ada.open_emails()
        assert await apart(ada, eve) == hers, eve_did


async def act(who: Actor, names: list[str]) -> None:
    """Do one thing after the other, whatever comes of it."""
    for name in names:
        await tried(getattr(who, name)())


async def apart(ada: Actor, eve: Actor) -> set[UUID]:
    """What Ada reaches, none of which Eve does."""
    hers = await ada.reaches()
    assert not hers & await eve.reaches()
    assert hers == await ada.reaches()  # Eve's trying took nothing away
    return hers
