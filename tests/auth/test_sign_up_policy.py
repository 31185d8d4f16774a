"""Who may create an account: the settings, an admin's choice, and every way to sign up."""

import ast
import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from chat_app.auth.emails import normalise
from chat_app.auth.errors import AuthError, InvalidCredentials, SignUpClosed, SignUpRefused
from chat_app.auth.principal import Principal
from chat_app.auth.sign_in.identity import SignedIn, VerifiedIdentity
from chat_app.auth.sign_in.policy import (
    CACHE_TIME,
    MAX_DOMAINS,
    SignUpFixed,
    SignUpMode,
    SignUpPolicies,
    SignUpPolicy,
    may_create,
    parse_domains,
    policy_of,
)
from chat_app.core.errors import DatabaseBusy, Forbidden, InvalidInput
from chat_app.core.signals import Bus
from chat_app.db.engine import Database
from chat_app.db.tables import User
from chat_app.settings import Settings, read_settings
from chat_app.settings.identity_providers import IdentityProvider
from testing.audit_log import events_of
from testing.auth_services import PASSWORD, issue_session
from testing.database import DatabaseUnderTest, only_postgres
from testing.email_flows import BROWSER, HERE
from testing.mail_server import flush, link_of
from testing.oidc_app import oidc_at
from testing.organisations import OrgHarness, org_harness

ROOT = Path(__file__).resolve().parents[2]
ISSUER = "https://id.acme.example"
MODES: tuple[SignUpMode, ...] = get_args(SignUpMode)
ALLOWED, OTHER, INVITED = "a@allowed.example", "b@other.example", "c@invited.example"
SERVED = {"app_url": "https://chat.example", "trusted_proxy_hops": 1}

SignUp = Callable[["Installation", str], Awaitable[None]]


class Installation:
    """The services, and an admin who may choose the policy."""

    def __init__(self, harness: OrgHarness, admin: Principal, policies: SignUpPolicies) -> None:
        self.harness, self.live, self.admin = harness, harness.live, admin
        self.policies = policies

    async def choose(self, mode: SignUpMode, domains: str = "") -> None:
        await self.policies.choose(self.admin, mode, domains)

    async def emails(self) -> set[str]:
        async with self.live.db.system("auth") as session:
            return set((await session.exec(select(User.email))).all())

    async def sign_in(self, identity: VerifiedIdentity) -> None:
        assert isinstance(await self.live.sign_in_service.sign_in(identity, BROWSER), SignedIn)

    async def invite(self, email: str) -> str:
        """Invite an email to a new organisation of the admin; the token of the link."""
        org = await self.harness.organisation(self.admin)
        return await self.harness.invite(self.admin, org, email)


@asynccontextmanager
async def installation(database: DatabaseUnderTest, **settings: Any) -> AsyncIterator[Installation]:
    async with org_harness(database, **settings) as harness:
        admin = await harness.person("root")
        await harness.live.site_roles.promote(admin.user_id)
        yield Installation(harness, admin, harness.live.sign_up_policies)


@pytest.fixture
async def here(database: DatabaseUnderTest) -> AsyncIterator[Installation]:
    roomy = {"limit_sign_up_address": "1000/hour"}
    async with installation(database, identity_providers=(oidc_at(ISSUER),), **roomy) as one:
        yield one


def of_provider(email: str, *, is_verified: bool = True) -> VerifiedIdentity:
    return VerifiedIdentity(
        *("oauth", ISSUER, email),
        email=email,
        email_verified=is_verified,
        provider="acme",
    )


async def by_unverified_password(here: Installation, email: str) -> None:
    identity = await here.live.accounts.sign_up(
        email=email,
        password=PASSWORD,
        name="",
        client_ip=HERE,
        check=here.live.sign_in_service.check,
    )
    await here.sign_in(identity)


async def by_verified_password(here: Installation, email: str) -> None:
    secret = await here.live.email_sign_ups.begin(
        email=email, password=PASSWORD, name="", client_ip=HERE
    )
    await flush(here.live.mailer)
    sent = here.harness.mailbox.to(email)[-1]
    if "/confirm#sign_up." not in str(sent):
        raise SignUpRefused  # the email says so; the page does not
    await here.live.email_sign_ups.finish(
        *(link_of(sent).rpartition(".")[2],),
        browser_secret=secret,
        password="",
        browser=BROWSER,
    )


async def by_magic_link(here: Installation, email: str) -> None:
    await here.live.magic_links.send(email, HERE)
    await flush(here.live.mailer)
    sent = here.harness.mailbox.to(email)[-1]
    if "/confirm#sign_in_link." not in str(sent):
        raise SignUpRefused
    await here.live.magic_links.follow(link_of(sent).rpartition(".")[2], BROWSER)


async def by_provider(here: Installation, email: str) -> None:
    await here.sign_in(of_provider(email))


async def by_unverified_provider(here: Installation, email: str) -> None:
    await here.sign_in(of_provider(email, is_verified=False))


WAYS: dict[SignUp, bool] = {
    by_unverified_password: False,
    by_verified_password: True,
    by_magic_link: True,
    by_provider: True,
    by_unverified_provider: False,
}
"""Each way to sign up, and whether it verifies the email."""


def _admits(mode: SignUpMode, email: str, *, is_verified: bool) -> bool:
    return {
        "open": True,
        "domains": is_verified and email == ALLOWED,
        "invited": is_verified and email == INVITED,
        "closed": False,
    }[mode]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_every_way_to_sign_up_follows_the_policy(
    here: Installation, way: SignUp, mode: SignUpMode
) -> None:
    await here.invite(INVITED)
    await here.choose(mode, "allowed.example")
    for email in (ALLOWED, OTHER, INVITED):
        before = await here.emails()
        if _admits(mode, email, is_verified=WAYS[way]):
            await way(here, email)
            assert await here.emails() == before | {email}
        else:
            with pytest.raises((SignUpClosed, SignUpRefused)):
                await way(here, email)
            assert await here.emails() == before, (mode, email)


@pytest.mark.parametrize("mode", MODES)
async def test_who_has_an_account_signs_in_whatever_the_policy(
    here: Installation, mode: SignUpMode
) -> None:
    await by_unverified_password(here, OTHER)
    await by_provider(here, ALLOWED)
    await here.choose(mode, "nowhere.example")
    live, before = here.live, await here.emails()
    known = await live.accounts.sign_in(email=OTHER, password=PASSWORD, client_ip=HERE)
    await here.sign_in(known)
    await by_provider(here, ALLOWED)
    await by_magic_link(here, ALLOWED)
    # the mailbox's owner claims the account that another user made for it: there is no new account
    await by_magic_link(here, OTHER)
    with pytest.raises(InvalidCredentials):
        await live.accounts.sign_in(email=OTHER, password=PASSWORD, client_ip=HERE)
    assert await here.emails() == before


async def test_who_is_added_by_an_admin_needs_no_policy(here: Installation) -> None:
    await here.choose("closed")
    await here.live.people.add_user(here.admin, OTHER, "")
    await here.live.accounts.add(ALLOWED, PASSWORD, "")
    assert {OTHER, ALLOWED} <= await here.emails()


@pytest.mark.parametrize("way", [by_verified_password, by_magic_link, by_provider])
async def test_an_invited_user_signs_up_and_accepts_by_the_same_link(
    here: Installation, way: SignUp
) -> None:
    await here.choose("invited")
    token = await here.invite(INVITED)
    await way(here, INVITED)
    async with here.live.db.system("auth") as session:
        user = (await session.exec(select(User).where(User.email == INVITED))).one()
    issued = await issue_session(here.live, user.id, method="email", client_ip=HERE)
    joined = await here.live.invitations.accept(Principal(user.id, issued.session_id), token)
    assert set((await here.harness.roles(joined)).values()) == {"owner", "member"}


async def test_an_invitation_counts_while_its_link_works(here: Installation) -> None:
    await here.choose("invited")
    await here.invite(INVITED)
    here.harness.time.passes(days=7)
    with pytest.raises(SignUpRefused):
        await by_provider(here, INVITED)
    org = await here.harness.organisation(here.admin)
    await here.harness.invite(here.admin, org, OTHER)
    (open_one,) = await here.live.invitations.open(here.admin, org)
    await here.live.invitations.revoke(here.admin, org, open_one.id)
    with pytest.raises(SignUpRefused):
        await by_provider(here, OTHER)


async def test_a_sign_up_that_was_begun_before_is_refused_at_its_end(here: Installation) -> None:
    secret = await here.live.email_sign_ups.begin(
        email=OTHER, password=PASSWORD, name="", client_ip=HERE
    )
    token = await here.harness.token()
    await here.choose("closed")
    with pytest.raises(SignUpClosed):
        await here.live.email_sign_ups.finish(
            token, browser_secret=secret, password="", browser=BROWSER
        )
    assert OTHER not in await here.emails()
    await here.choose("open")
    await here.live.email_sign_ups.finish(
        token, browser_secret=secret, password="", browser=BROWSER
    )
    assert OTHER in await here.emails()


@pytest.mark.parametrize("way", [by_unverified_password, by_provider])
async def test_of_thirty_sign_ups_none_comes_after_the_policy_has_closed(
    here: Installation, way: SignUp
) -> None:
    refused = 0

    async def sign_up(number: int) -> None:
        nonlocal refused
        try:
            await way(here, f"new{number}@other.example")
        except (SignUpClosed, DatabaseBusy):
            refused += 1

    async def close() -> set[str]:
        while True:
            try:
                await here.choose("closed")
            except DatabaseBusy:  # a sign-up was first
                continue
            return await here.emails()

    async with asyncio.timeout(120):
        early = [asyncio.create_task(sign_up(number)) for number in range(15)]
        await asyncio.wait(early, return_when=asyncio.FIRST_COMPLETED)
        late = [asyncio.create_task(sign_up(number)) for number in range(15, 30)]
        at_the_end = await close()
        await asyncio.gather(*early, *late)
    assert await here.emails() == at_the_end
    # one whose account was created may still find the database busy
    assert len(at_the_end) - 1 + refused >= 30


@only_postgres
async def test_a_change_waits_for_a_sign_up_that_has_asked(
    database: DatabaseUnderTest, here: Installation
) -> None:
    asked, db = asyncio.Event(), database.open(Database)  # the write lock is that of a process
    other = SignUpPolicies(db, Bus(), here.live.settings, here.live.clock)

    async def close() -> None:
        await asked.wait()
        await other.choose(here.admin, "closed", "")

    closing = asyncio.create_task(close())
    waits = "SELECT 1 FROM pg_locks WHERE NOT granted LIMIT 1"
    async with asyncio.timeout(60):
        async with here.live.db.system("auth", write=True) as session:
            await here.policies.require(session, of_provider(OTHER), lock=True)
            asked.set()
            while not database.rows(waits):  # noqa: ASYNC110 PostgreSQL has no event for this
                await asyncio.sleep(0.01)
            assert not closing.done()
        await closing
    assert (await other.current()).mode == "closed"
    await db.close()


async def test_only_an_admin_chooses(here: Installation) -> None:
    eve = await here.harness.person("eve")
    with pytest.raises(Forbidden):
        await here.policies.choose(eve, "closed", "")
    await here.live.site_roles.demote(here.admin.user_id)
    with pytest.raises(Forbidden):
        await here.choose("closed")
    assert (await here.policies.current()).mode == "open"


async def test_a_choice_is_in_the_audit_log_without_its_domains(here: Installation) -> None:
    await here.choose("domains", "one.example, two.example")
    await here.choose("closed", "what is typed there counts only with domains")
    assert (await here.policies.typed_domains()) == ("one.example", "two.example")
    found = await events_of(here.live.db, "sign_up_policy_changed")
    assert [row.details for row in found] == [
        '{"count":2,"setting":"sign_up","value":"domains"}',
        '{"setting":"sign_up","value":"closed"}',
    ]


@pytest.mark.parametrize("fixed", ["open", "closed"])
async def test_an_explicit_setting_fixes_it(database: DatabaseUnderTest, fixed: str) -> None:
    async with installation(database, sign_up=fixed) as here:
        for mode in MODES:
            with pytest.raises(SignUpFixed):
                await here.choose(mode, "allowed.example")
        policy = await here.policies.current()
        assert (policy.is_fixed, policy.mode) == (True, fixed)


async def test_domains_can_only_be_narrowed(database: DatabaseUnderTest) -> None:
    async with installation(database, auth_allowed_domains="chat.example,allowed.example") as here:
        with pytest.raises(InvalidInput, match=r"^other\.example is not among"):
            await here.choose("domains", "allowed.example other.example")
        with pytest.raises(InvalidInput, match="at least one"):
            await here.choose("domains", " , ")
        assert not (await here.policies.current()).is_chosen
        await here.choose("domains", "allowed.example")
        await by_magic_link(here, ALLOWED)
        with pytest.raises(SignUpRefused):
            await by_magic_link(here, "new@chat.example")


async def test_the_users_of_a_provider_with_sign_up_come_in_any_case(
    database: DatabaseUnderTest,
) -> None:
    providers = (oidc_at(ISSUER, sign_up=True),)
    async with installation(database, identity_providers=providers) as here:
        await here.choose("closed")
        await by_provider(here, OTHER)
        assert OTHER in await here.emails()


async def test_a_change_is_seen_at_once_and_a_lost_signal_after_five_seconds(
    here: Installation,
) -> None:
    assert (await here.policies.current()).mode == "open"
    await here.choose("closed")
    assert (await here.policies.current()).mode == "closed"
    other = SignUpPolicies(here.live.db, Bus(), here.live.settings, here.live.clock)
    await other.choose(here.admin, "invited", "")
    assert (await here.policies.current()).mode == "closed"
    with pytest.raises(SignUpRefused):  # what creates an account reads the row
        await by_provider(here, OTHER)
    here.harness.time.passes(seconds=CACHE_TIME.total_seconds())
    assert (await here.policies.current()).mode == "invited"


def test_an_account_is_created_in_few_places_and_each_asks_the_policy() -> None:
    found = {
        path.relative_to(ROOT / "chat_app").as_posix()
        for path in (ROOT / "chat_app").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "User"
    }
    assert found == {
        "auth/account/people.py",  # an admin adds them
        "auth/sign_in/passwords.py",
        "auth/sign_in/service.py",
        "auth/sign_in/sign_up.py",
    }
    for path in found - {"auth/account/people.py"}:
        source = (ROOT / "chat_app" / path).read_text()
        # the service asks before it creates, in one transaction
        asks = r"policies\.require\(session, \w+, lock=True\)|sign_in_service\.sign_up\("
        assert re.search(asks, source), path


def _settings(**given: Any) -> Settings:
    return read_settings(_env_file=None, **given)


@pytest.mark.parametrize(
    ("settings", "mode", "expected"),
    [
        ({}, None, SignUpPolicy("open")),
        (SERVED, None, SignUpPolicy("closed")),
        (
            {**SERVED, "auth_allowed_domains": "a.example"},
            None,
            SignUpPolicy("domains", ("a.example",)),
        ),
        ({"sign_up": "open"}, "closed", SignUpPolicy("open", is_fixed=True)),
        ({"sign_up": "closed"}, "open", SignUpPolicy("closed", is_fixed=True)),
        (
            {"sign_up": "closed", "auth_allowed_domains": "a.example"},
            "open",
            SignUpPolicy("domains", ("a.example",), is_fixed=True),
        ),
        (SERVED, "open", SignUpPolicy("open", is_chosen=True)),
        ({}, "closed", SignUpPolicy("closed", is_chosen=True)),
        ({}, "invited", SignUpPolicy("invited", is_chosen=True)),
        ({}, "domains", SignUpPolicy("domains", ("a.example", "b.example"), is_chosen=True)),
        (
            {"auth_allowed_domains": "b.example"},
            "domains",
            SignUpPolicy("domains", ("b.example",), is_chosen=True),
        ),
    ],
)
def test_the_settings_frame_the_choice(
    settings: dict[str, Any], mode: SignUpMode | None, expected: SignUpPolicy
) -> None:
    assert policy_of(_settings(**settings), mode, ["a.example", "b.example"]) == expected


_DOMAINS = st.lists(st.sampled_from(["a.example", "b.example", "c.example", "d.example"]))
_PROVIDERS = st.sampled_from(
    [
        None,
        oidc_at(ISSUER),
        oidc_at(ISSUER, sign_up=True),
        oidc_at(ISSUER, require="groups:staff"),
    ]
)


@given(
    sign_up=st.sampled_from(["auto", "open", "closed"]),
    allowed=_DOMAINS,
    mode=st.sampled_from([None, *MODES]),
    domains=_DOMAINS,
    domain=st.sampled_from(["a.example", "d.example"]),
    is_verified=st.booleans(),
    is_invited=st.booleans(),
    provider=_PROVIDERS,
)
def test_an_admin_never_admits_who_is_outside_of_the_settings(
    sign_up: str,
    allowed: list[str],
    mode: SignUpMode | None,
    domains: list[str],
    domain: str,
    is_verified: bool,
    is_invited: bool,
    provider: IdentityProvider | None,
) -> None:
    settings = _settings(**SERVED, sign_up=sign_up, auth_allowed_domains=",".join(allowed))
    identity = of_provider(f"x@{domain}", is_verified=is_verified)

    def admits(policy: SignUpPolicy) -> bool:
        return may_create(policy, identity, provider=provider, is_invited=is_invited)

    without, policy = policy_of(settings), policy_of(settings, mode, domains)
    if allowed:
        assert set(policy.domains) <= set(allowed)
    if sign_up != "auto" or mode is None:
        assert policy == without, "what is fixed stays"
    elif provider is not None and provider.sign_up:
        assert admits(policy), "the operator's word for a provider"
    elif mode == "closed":
        assert not admits(policy)
    elif mode != "open":
        assert is_verified or not admits(policy)
        assert (is_invited if mode == "invited" else domain in domains) or not admits(policy)


def test_the_claim_of_a_provider_lets_users_in_until_an_admin_chooses() -> None:
    settings, identity = _settings(**SERVED), of_provider("x@d.example")
    provider = oidc_at(ISSUER, require="groups:staff")
    admitting = [
        mode
        for mode in (None, *MODES)
        if may_create(
            policy_of(settings, mode, ["a.example"]), identity, provider=provider, is_invited=False
        )
    ]
    assert admitting == [None, "open"]


@given(st.text(max_size=200))
def test_whatever_is_typed_is_domains_or_refused(text: str) -> None:
    domains: list[str] = []
    with contextlib.suppress(InvalidInput):
        domains = parse_domains(text)
    assert len(set(domains)) == len(domains) <= MAX_DOMAINS
    assert parse_domains(" ".join(domains)) == domains


def test_domains_are_typed_in_many_ways() -> None:
    assert parse_domains(" @One.example,two.example;\n one.example\t") == [
        "one.example",
        "two.example",
    ]
    with pytest.raises(InvalidInput, match="is not a domain"):
        parse_domains("one.example ada@two.example")
    with pytest.raises(InvalidInput, match="at most 50"):
        parse_domains(" ".join(f"d{number}.example" for number in range(51)))


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        *(("ONE.Example", "one.example"), ("@one.example.", "one.example")),
        ("m\u00fcnchen.example", "xn--mnchen-3ya.example"),
        *(("xn--mnchen-3ya.example",) * 2, ("\uff4fne\uff0eexample", "one.example")),
    ],
)
def test_a_domain_is_stored_as_emails_have_it(typed: str, stored: str) -> None:
    assert parse_domains(typed) == [stored]
    assert normalise(f"ada@{stored}") == f"ada@{stored}"


@pytest.mark.parametrize(
    "typed",
    [
        *("not", "@not", "NOT.", "localhost", "@", "@@one.example", "ada@one.example"),
        *(".example", "one..example", "one.example..", "-one.example", "one-.example"),
        *("one_two.example", "*.one.example", "https://one.example", "one.example:25"),
        *("192.0.2.1", f"{'a' * 64}.example", f"{'a.' * 124}example", "stra\u00dfe.example"),
    ],
)
async def test_what_is_no_domain_of_an_email_is_refused_and_changes_nothing(
    here: Installation, typed: str
) -> None:
    await here.choose("domains", "one.example")
    with pytest.raises(InvalidInput) as refused:
        await here.choose("domains", f"two.example {typed}")
    start = f'"{typed[:100]}" is not a domain.'
    assert refused.value.message == f"{start} Enter domains such as example.org."
    assert (await here.policies.typed_domains()) == ("one.example",)


@pytest.mark.parametrize("kind", [SignUpClosed, SignUpRefused])
def test_the_refusal_names_what_to_do(kind: type[AuthError]) -> None:
    assert "administrator" in kind().message
