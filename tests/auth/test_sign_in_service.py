"""The one way to a session, on a real database."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlmodel import SQLModel, select

from chat_app.auth.account.login_methods import require_login_method
from chat_app.auth.account.roles import SiteRoles
from chat_app.auth.errors import (
    AccessDenied,
    AccountNotLinked,
    EmailTaken,
    InvalidCredentials,
    InvalidToken,
    LastLoginMethod,
    SignUpClosed,
)
from chat_app.auth.operator_hooks import OnSignIn, SignInAttempt, load_function
from chat_app.auth.sign_in.identity import Browser, MfaRequired, SignedIn, VerifiedIdentity
from chat_app.auth.sign_in.service import SignInService
from chat_app.core.crypto import hash_token
from chat_app.core.signals import ROLES, Signal
from chat_app.db.tables import (
    Account,
    AuthSession,
    BackupCode,
    OneTimeToken,
    Passkey,
    RememberedDevice,
    Totp,
    User,
)
from chat_app.settings import ConfigError
from chat_app.settings.identity_providers import IdentityProvider
from testing.audit_log import events_of
from testing.auth_services import FIREFOX, PASSWORD, AuthHarness, auth_harness
from testing.database import DatabaseUnderTest

EMAIL = "ada@example.org"
ISSUER = "https://id.acme.example"
HERE = Browser("192.0.2.7", FIREFOX)
ACME = IdentityProvider(
    id="acme",
    kind="oidc",
    label="Acme",
    client_id="c",
    client_secret=SecretStr("s"),
    issuer=ISSUER,
    scope="openid",
)


def oidc(subject: str = "7", *, verified: bool = True, **given: Any) -> VerifiedIdentity:
    said = {"email": EMAIL, "name": "Ada", "provider": "acme", **given}
    return VerifiedIdentity("oauth", ISSUER, subject, email_verified=verified, **said)


def by_email(email: str = EMAIL) -> VerifiedIdentity:
    return VerifiedIdentity("email", "email", email, email=email, email_verified=True)


async def enter(harness: AuthHarness, proof: VerifiedIdentity, browser: Browser = HERE) -> SignedIn:
    outcome = await harness.sign_in_service.sign_in(proof, browser)
    assert isinstance(outcome, SignedIn)
    return outcome


async def all_of(harness: AuthHarness, table: type[SQLModel]) -> list[Any]:
    async with harness.db.system("auth") as session:
        return list((await session.exec(select(table))).all())


async def add(harness: AuthHarness, *rows: SQLModel) -> None:
    async with harness.db.system("auth", write=True) as session:
        session.add_all(rows)


async def squat(harness: AuthHarness) -> UUID:
    """An account for an unverified address, with every way to come back into it."""
    await harness.accounts.sign_up(
        email=EMAIL,
        password=PASSWORD,
        name="Eve",
        client_ip="203.0.113.9",
        check=harness.sign_in_service.check,
    )
    [user] = await all_of(harness, User)
    now = harness.time()
    await add(
        harness,
        Passkey(user_id=user.id, credential_id="eves", public_key=b"key", created_at=now),
        Account(user_id=user.id, issuer="https://other.example", subject="eve"),
        Totp(user_id=user.id, secret="sealed", created_at=now),
        BackupCode(user_id=user.id, code_hash="hash", created_at=now),
        RememberedDevice(user_id=user.id, token_hash="hash", created_at=now, expires_at=now),
    )
    return user.id


async def test_a_new_user_gets_an_account_and_a_session(harness: AuthHarness) -> None:
    entered = await enter(harness, oidc(name="Ada\u202e"))
    [user], [account] = await all_of(harness, User), await all_of(harness, Account)
    assert (user.id, user.email, user.name) == (entered.user_id, EMAIL, "Ada")
    assert user.email_verified_at == harness.time()
    assert (account.issuer, account.subject, account.provider) == (ISSUER, "7", "acme")
    found = await harness.sessions.resolve(entered.issued.token)
    assert found is not None
    assert found.principal.user_id == user.id
    [session] = await all_of(harness, AuthSession)
    assert (session.method, session.provider, session.second_factor) == ("oauth", "acme", False)


async def test_the_same_subject_is_the_same_person_whatever_address_it_says(
    harness: AuthHarness,
) -> None:
    first = await enter(harness, oidc())
    again = await enter(harness, oidc(email="new@example.org"))
    assert again.user_id == first.user_id
    [user] = await all_of(harness, User)
    assert user.email == EMAIL


async def test_the_same_subject_of_another_issuer_is_another_user(harness: AuthHarness) -> None:
    first = await enter(harness, oidc())
    other = VerifiedIdentity("oauth", "https://other.example", "7", email="eve@example.org")
    assert (await enter(harness, other)).user_id != first.user_id


async def test_two_tabs_of_a_new_user_make_one_account(harness: AuthHarness) -> None:
    entered = await asyncio.gather(*(enter(harness, oidc()) for _ in range(8)))
    assert len({one.user_id for one in entered}) == 1
    assert len(await all_of(harness, User)) == len(await all_of(harness, Account)) == 1


async def test_an_address_joins_no_accounts(harness: AuthHarness) -> None:
    ada = await harness.accounts.add(EMAIL, PASSWORD, "Ada")
    for proof in (oidc(), oidc(verified=False), oidc("8")):
        with pytest.raises(AccountNotLinked):
            await harness.sign_in_service.sign_in(proof, HERE)
    [account] = await all_of(harness, Account)
    assert (account.user_id, account.issuer) == (ada, "password")
    assert await all_of(harness, AuthSession) == []


async def test_who_planted_a_password_finds_nothing_once_the_address_is_proved(
    harness: AuthHarness,
) -> None:
    eve = await squat(harness)
    planted = await harness.sign_in(eve)
    reset = await harness.tokens.create("reset_password", lifetime=harness.time.hour, user_id=eve)
    entered = await enter(harness, oidc())
    assert entered.user_id == eve  # what was written there stays
    assert await harness.sessions.resolve(planted.token) is None
    assert harness.ended == [(planted.session_id, "taken_over")]
    with pytest.raises(InvalidToken):
        await harness.tokens.consume(reset, "reset_password")
    with pytest.raises(InvalidCredentials):
        await harness.accounts.sign_in(email=EMAIL, password=PASSWORD, client_ip="203.0.113.9")
    for table in (Passkey, Totp, BackupCode, RememberedDevice, OneTimeToken):
        assert await all_of(harness, table) == [], table
    assert [account.issuer for account in await all_of(harness, Account)] == [ISSUER]
    [user] = await all_of(harness, User)
    assert user.email_verified_at == harness.time()


async def test_the_owner_of_the_mailbox_gets_no_role_that_another_was_given(
    harness: AuthHarness,
) -> None:
    user_id = await squat(harness)
    await SiteRoles(harness.db, harness.bus).promote(user_id)
    heard: list[Signal] = []
    harness.bus.subscribe_callback(ROLES, heard.append)
    await enter(harness, by_email())
    [user] = await all_of(harness, User)
    assert (user.id, user.role) == (user_id, "")
    assert [one.user_id for one in heard] == [user_id]
    rows = [(row.action, row.details) for row in await events_of(harness.db)]
    assert rows[2:-1] == [
        ("login_method_removed", '{"count":2,"reason":"taken_over"}'),
        ("passkey_removed", '{"count":1,"reason":"taken_over"}'),
        ("role_changed", '{"previous_role":"admin","role":"none"}'),
        ("email_verified", ""),
        ("login_method_added", '{"method":"email"}'),
    ]


async def test_an_email_that_a_sign_in_verifies_is_in_the_audit_log(harness: AuthHarness) -> None:
    await enter(harness, oidc(verified=False))
    await enter(harness, oidc())
    await enter(harness, oidc())
    actions = [row.action for row in await events_of(harness.db)]
    assert actions == ["user_created", "sign_in", "email_verified", "sign_in", "sign_in"]


async def test_who_only_claims_the_address_takes_nothing_over(harness: AuthHarness) -> None:
    await squat(harness)
    with pytest.raises(AccountNotLinked):
        await harness.sign_in_service.sign_in(oidc(verified=False), HERE)
    assert len(await all_of(harness, Account)) == 2


async def test_the_operator_may_refuse_instead(database: DatabaseUnderTest) -> None:
    async with auth_harness(database, auth_unverified_accounts="refuse") as harness:
        await squat(harness)
        for proof in (oidc(), by_email()):
            with pytest.raises(AccountNotLinked):
                await harness.sign_in_service.sign_in(proof, HERE)


async def test_a_mailbox_opens_the_account_that_proved_it(harness: AuthHarness) -> None:
    first = await enter(harness, oidc())
    assert (await enter(harness, by_email())).user_id == first.user_id
    assert len(await all_of(harness, Account)) == 1


async def test_a_proved_address_is_written_down_when_the_account_itself_proves_it(
    harness: AuthHarness,
) -> None:
    await enter(harness, oidc(verified=False))
    [user] = await all_of(harness, User)
    assert user.email_verified_at is None
    await enter(harness, oidc())
    [user] = await all_of(harness, User)
    assert user.email_verified_at is not None


async def test_a_passkey_names_the_person_itself(harness: AuthHarness) -> None:
    ada = await harness.person()
    proof = VerifiedIdentity("passkey", "passkey", "credential", user_id=ada, is_strong=True)
    assert (await enter(harness, proof)).user_id == ada
    [session] = await all_of(harness, AuthSession)
    assert session.second_factor
    with pytest.raises(AccessDenied):
        await harness.sign_in_service.sign_in(
            VerifiedIdentity("passkey", "p", "c", user_id=uuid4(), email=EMAIL), HERE
        )
    await harness.disable(ada)
    with pytest.raises(AccessDenied):
        await harness.sign_in_service.sign_in(proof, HERE)


async def test_the_session_a_browser_had_ends(harness: AuthHarness) -> None:
    before = await enter(harness, oidc())
    browser = Browser("192.0.2.7", FIREFOX, replaces=before.issued.session_id)
    await enter(harness, oidc(), browser)
    assert harness.ended == [(before.issued.session_id, "replaced")]


async def with_factor(harness: AuthHarness, user_id: UUID) -> None:
    now = harness.time()
    await add(harness, Totp(user_id=user_id, secret="sealed", created_at=now, confirmed_at=now))


async def test_a_second_factor_comes_before_the_session(harness: AuthHarness) -> None:
    ada = (await enter(harness, oidc())).user_id
    await with_factor(harness, ada)
    remembering = Browser("192.0.2.7", FIREFOX, remember=True)
    outcome = await harness.sign_in_service.sign_in(oidc(), remembering)
    assert isinstance(outcome, MfaRequired)
    assert len(await all_of(harness, AuthSession)) == 1
    assert await harness.sessions.resolve(outcome.token) is None
    spent = await harness.tokens.consume(outcome.token, "second_factor")
    entered = await harness.sign_in_service.finish(spent, HERE)
    assert (entered.user_id, entered.issued.remember) == (ada, True)
    (last,) = [
        session
        for session in await all_of(harness, AuthSession)
        if session.id == entered.issued.session_id
    ]
    assert (last.method, last.provider, last.second_factor) == ("oauth", "acme", True)


async def test_whoever_is_disabled_meanwhile_does_not_get_in(harness: AuthHarness) -> None:
    ada = (await enter(harness, oidc())).user_id
    await with_factor(harness, ada)
    outcome = await harness.sign_in_service.sign_in(oidc(), HERE)
    assert isinstance(outcome, MfaRequired)
    spent = await harness.tokens.consume(outcome.token, "second_factor")
    await harness.disable(ada)
    with pytest.raises(AccessDenied):
        await harness.sign_in_service.finish(spent, HERE)


async def test_no_other_token_finishes_a_sign_in(harness: AuthHarness) -> None:
    ada = await harness.person()
    token = await harness.tokens.create("reset_password", lifetime=harness.time.hour, user_id=ada)
    spent = await harness.tokens.consume(token, "reset_password")
    with pytest.raises(AccessDenied):
        await harness.sign_in_service.finish(spent, HERE)


async def test_an_unconfirmed_factor_asks_for_nothing(harness: AuthHarness) -> None:
    ada = (await enter(harness, oidc())).user_id
    await add(harness, Totp(user_id=ada, secret="sealed", created_at=harness.time()))
    await enter(harness, oidc())


async def test_a_passkey_that_verified_its_user_is_two_factors(harness: AuthHarness) -> None:
    ada = await harness.person()
    await with_factor(harness, ada)
    await enter(harness, VerifiedIdentity("passkey", "passkey", "c", user_id=ada, is_strong=True))
    weak = VerifiedIdentity("passkey", "passkey", "c", user_id=ada)
    assert isinstance(await harness.sign_in_service.sign_in(weak, HERE), MfaRequired)


async def test_a_remembered_browser_is_not_asked_again_until_it_expires(
    harness: AuthHarness,
) -> None:
    ada = (await enter(harness, oidc())).user_id
    bob = await harness.person("bob@example.org")
    await with_factor(harness, ada)
    now = harness.time()
    for who, token in ((ada, "hers"), (bob, "his")):
        device = RememberedDevice(
            user_id=who,
            token_hash=hash_token(token),
            created_at=now,
            expires_at=now + harness.time.hour,
        )
        await add(harness, device)
    hers, his = (Browser("192.0.2.7", FIREFOX, device=token) for token in ("hers", "his"))
    await enter(harness, oidc(), hers)
    assert isinstance(await harness.sign_in_service.sign_in(oidc(), his), MfaRequired)
    harness.time.passes(hours=1)
    assert isinstance(await harness.sign_in_service.sign_in(oidc(), hers), MfaRequired)


async def test_only_the_domains_of_the_list_come_in(database: DatabaseUnderTest) -> None:
    async with auth_harness(
        database, auth_allowed_domains=("example.org",), sign_up="closed"
    ) as harness:
        await enter(harness, oidc())
        for proof in (
            oidc("8", email="eve@example.net"),
            oidc("8", email="eve@evil-example.org"),
            oidc("8", email="eve@example.org.evil.net"),
        ):
            with pytest.raises(AccessDenied):
                await harness.sign_in_service.sign_in(proof, HERE)
        with pytest.raises(SignUpClosed):
            await harness.sign_in_service.sign_in(
                oidc("8", email="e@example.org", verified=False), HERE
            )
        assert len(await all_of(harness, User)) == 1


async def test_a_list_made_later_shuts_out_who_is_in_already(database: DatabaseUnderTest) -> None:
    async with auth_harness(database) as harness:
        await enter(harness, oidc())
    async with auth_harness(database, auth_allowed_domains=("acme.example",)) as harness:
        with pytest.raises(AccessDenied):
            await harness.sign_in_service.sign_in(oidc(), HERE)


@pytest.mark.parametrize("claims", [{}, {"groups": "staffing"}, {"groups": ["guests"]}])
async def test_a_claim_that_is_asked_for_must_be_there_each_time(
    database: DatabaseUnderTest, claims: dict[str, Any]
) -> None:
    acme = ACME.model_copy(update={"require": "groups:staff"})
    async with auth_harness(database, identity_providers=(acme,), sign_up="closed") as harness:
        await enter(harness, oidc(claims={"groups": ["staff"]}))
        with pytest.raises(AccessDenied):
            await harness.sign_in_service.sign_in(oidc(claims=claims), HERE)


@pytest.mark.parametrize("welcomes", [True, False])
async def test_a_provider_may_bring_new_users_where_sign_up_is_closed(
    database: DatabaseUnderTest, welcomes: bool
) -> None:
    acme = ACME.model_copy(update={"sign_up": welcomes})
    async with auth_harness(database, identity_providers=(acme,), sign_up="closed") as harness:
        if welcomes:
            await enter(harness, oidc())
            return
        with pytest.raises(SignUpClosed):
            await harness.sign_in_service.sign_in(oidc(), HERE)
        assert await all_of(harness, User) == []


def says_no(_: SignInAttempt) -> bool:
    return False


async def says_no_later(_: SignInAttempt) -> bool:
    return False


def fails(_: SignInAttempt) -> None:
    raise LookupError("secret text")


HOOKS: list[OnSignIn] = [
    says_no,
    says_no_later,
    fails,
]


@pytest.mark.parametrize("hook", HOOKS)
async def test_the_operators_function_refuses_and_nothing_is_made(
    harness: AuthHarness, hook: OnSignIn
) -> None:
    harness.sign_in_service = SignInService(
        *(harness.db, harness.sessions, harness.tokens, harness.settings),
        *(harness.sign_up_policies, harness.time, hook),
    )
    with pytest.raises(AccessDenied):
        await harness.sign_in_service.sign_in(oidc(), HERE)
    with pytest.raises(AccessDenied):
        await squat(harness)
    for table in (User, Account, AuthSession):
        assert await all_of(harness, table) == []


async def test_the_operators_function_is_told_who_comes(harness: AuthHarness) -> None:
    seen: list[SignInAttempt] = []
    harness.sign_in_service = SignInService(
        *(harness.db, harness.sessions, harness.tokens, harness.settings),
        *(harness.sign_up_policies, harness.time, seen.append),
    )
    entered = await enter(harness, oidc(claims={"groups": ["staff"]}))
    await enter(harness, oidc(email="other@example.org"))
    new, known = seen
    assert (new.method, new.provider, new.email, new.is_new) == ("oauth", "acme", EMAIL, True)
    assert (new.user_id, new.claims) == (None, {"groups": ["staff"]})
    assert (known.user_id, known.email, known.is_new) == (entered.user_id, EMAIL, False)


def test_a_function_that_is_not_there_stops_the_start() -> None:
    assert load_function("", "AUTH_ON_SIGN_IN") is None
    assert load_function("tests.auth.test_sign_in_service:says_no", "AUTH_ON_SIGN_IN") is says_no
    for named in (
        "no.such:thing",
        "tests.auth.test_sign_in_service:nothing",
        "chat_app.auth:__doc__",
    ):
        with pytest.raises(ConfigError, match="AUTH_ON_SIGN_IN"):
            load_function(named, "AUTH_ON_SIGN_IN")


async def test_a_password_for_an_address_that_a_user_has_is_refused_as_taken(
    harness: AuthHarness,
) -> None:
    await enter(harness, oidc(verified=False))
    with pytest.raises(EmailTaken):
        await squat(harness)
    assert len(await all_of(harness, Account)) == 1


async def test_the_last_way_in_stays(harness: AuthHarness) -> None:
    ada = (await enter(harness, oidc())).user_id
    passkey = Passkey(user_id=ada, credential_id="c", public_key=b"k", created_at=harness.time())
    await add(harness, passkey)

    async def remove(table: type[Account] | type[Passkey]) -> None:
        async with harness.db.system("auth", write=True) as session:
            for row in (await session.exec(select(table))).all():
                await session.delete(row)
            await session.flush()
            await require_login_method(session, ada)

    await remove(Account)
    with pytest.raises(LastLoginMethod):
        await remove(Passkey)
    assert len(await all_of(harness, Passkey)) == 1
