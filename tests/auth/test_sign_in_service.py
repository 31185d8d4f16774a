"""The one way to a session, on a real database."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlmodel import SQLModel, select

from chat_app.auth.account.login_methods import require_login_method
from chat_app.auth.errors import (
    AccessDenied,
    AccountNotLinked,
    EmailTaken,
    InvalidCredentials,
    InvalidToken,
    LastLoginMethod,
    SignUpClosed,
)
from chat_app.auth.hooks import OnSignIn, SignInAttempt, load_function
from chat_app.auth.sign_in.identity import Browser, MfaRequired, SignedIn, VerifiedIdentity
from chat_app.auth.sign_in.service import SignInService
from chat_app.core.crypto import hash_token
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
from testing.auth_services import FIREFOX, PASSWORD, Stage, staged

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


def letter(email: str = EMAIL) -> VerifiedIdentity:
    return VerifiedIdentity("email", "email", email, email=email, email_verified=True)


async def enter(stage: Stage, proof: VerifiedIdentity, browser: Browser = HERE) -> SignedIn:
    outcome = await stage.sign_in_service.sign_in(proof, browser)
    assert isinstance(outcome, SignedIn)
    return outcome


async def all_of(stage: Stage, table: type[SQLModel]) -> list[Any]:
    async with stage.db.system("auth") as session:
        return list((await session.exec(select(table))).all())


async def add(stage: Stage, *rows: SQLModel) -> None:
    async with stage.db.system("auth", write=True) as session:
        session.add_all(rows)


async def squat(stage: Stage) -> UUID:
    """An account for an address nobody proved, with every way to come back into it."""
    await stage.accounts.sign_up(
        email=EMAIL,
        password=PASSWORD,
        name="Eve",
        client_ip="203.0.113.9",
        check=stage.sign_in_service.check,
    )
    [user] = await all_of(stage, User)
    now = stage.time()
    await add(
        stage,
        Passkey(user_id=user.id, credential_id="eves", public_key=b"key", created_at=now),
        Account(user_id=user.id, issuer="https://other.example", subject="eve"),
        Totp(user_id=user.id, secret="sealed", created_at=now),
        BackupCode(user_id=user.id, code_hash="hash", created_at=now),
        RememberedDevice(user_id=user.id, token_hash="hash", created_at=now, expires_at=now),
    )
    return user.id


async def test_a_stranger_gets_an_account_and_a_session(stage: Stage) -> None:
    entered = await enter(stage, oidc(name="Ada\u202e"))
    [user], [account] = await all_of(stage, User), await all_of(stage, Account)
    assert (user.id, user.email, user.name) == (entered.user_id, EMAIL, "Ada")
    assert user.email_verified_at == stage.time()
    assert (account.issuer, account.subject, account.provider) == (ISSUER, "7", "acme")
    found = await stage.sessions.resolve(entered.issued.token)
    assert found is not None
    assert found.principal.user_id == user.id
    [session] = await all_of(stage, AuthSession)
    assert (session.method, session.provider, session.second_factor) == ("oauth", "acme", False)


async def test_the_same_subject_is_the_same_person_whatever_address_it_says(stage: Stage) -> None:
    first = await enter(stage, oidc())
    again = await enter(stage, oidc(email="new@example.org"))
    assert again.user_id == first.user_id
    [user] = await all_of(stage, User)
    assert user.email == EMAIL


async def test_the_same_subject_of_another_issuer_is_somebody_else(stage: Stage) -> None:
    first = await enter(stage, oidc())
    other = VerifiedIdentity("oauth", "https://other.example", "7", email="eve@example.org")
    assert (await enter(stage, other)).user_id != first.user_id


async def test_two_tabs_of_a_stranger_make_one_person(stage: Stage) -> None:
    entered = await asyncio.gather(*(enter(stage, oidc()) for _ in range(8)))
    assert len({one.user_id for one in entered}) == 1
    assert len(await all_of(stage, User)) == len(await all_of(stage, Account)) == 1


async def test_an_address_joins_no_accounts(stage: Stage) -> None:
    ada = await stage.accounts.add(EMAIL, PASSWORD, "Ada")
    for proof in (oidc(), oidc(verified=False), oidc("8")):
        with pytest.raises(AccountNotLinked):
            await stage.sign_in_service.sign_in(proof, HERE)
    [account] = await all_of(stage, Account)
    assert (account.user_id, account.issuer) == (ada, "password")
    assert await all_of(stage, AuthSession) == []


async def test_who_planted_a_password_finds_nothing_once_the_address_is_proved(
    stage: Stage,
) -> None:
    eve = await squat(stage)
    planted = await stage.sign_in(eve)
    reset = await stage.tokens.create("reset_password", lifetime=stage.time.hour, user_id=eve)
    entered = await enter(stage, oidc())
    assert entered.user_id == eve  # what was written there stays
    assert await stage.sessions.resolve(planted.token) is None
    assert stage.ended == [(planted.session_id, "taken_over")]
    with pytest.raises(InvalidToken):
        await stage.tokens.consume(reset, "reset_password")
    with pytest.raises(InvalidCredentials):
        await stage.accounts.sign_in(email=EMAIL, password=PASSWORD, client_ip="203.0.113.9")
    for table in (Passkey, Totp, BackupCode, RememberedDevice, OneTimeToken):
        assert await all_of(stage, table) == [], table
    assert [account.issuer for account in await all_of(stage, Account)] == [ISSUER]
    [user] = await all_of(stage, User)
    assert user.email_verified_at == stage.time()


async def test_who_only_claims_the_address_takes_nothing_over(stage: Stage) -> None:
    await squat(stage)
    with pytest.raises(AccountNotLinked):
        await stage.sign_in_service.sign_in(oidc(verified=False), HERE)
    assert len(await all_of(stage, Account)) == 2


async def test_the_operator_may_refuse_instead(tmp_path: Path) -> None:
    async with staged(tmp_path, auth_unverified_accounts="refuse") as stage:
        await squat(stage)
        for proof in (oidc(), letter()):
            with pytest.raises(AccountNotLinked):
                await stage.sign_in_service.sign_in(proof, HERE)


async def test_a_mailbox_opens_the_account_that_proved_it(stage: Stage) -> None:
    first = await enter(stage, oidc())
    assert (await enter(stage, letter())).user_id == first.user_id
    assert len(await all_of(stage, Account)) == 1


async def test_a_proved_address_is_written_down_when_the_account_itself_proves_it(
    stage: Stage,
) -> None:
    await enter(stage, oidc(verified=False))
    [user] = await all_of(stage, User)
    assert user.email_verified_at is None
    await enter(stage, oidc())
    [user] = await all_of(stage, User)
    assert user.email_verified_at is not None


async def test_a_passkey_names_the_person_itself(stage: Stage) -> None:
    ada = await stage.person()
    proof = VerifiedIdentity("passkey", "passkey", "credential", user_id=ada, is_strong=True)
    assert (await enter(stage, proof)).user_id == ada
    [session] = await all_of(stage, AuthSession)
    assert session.second_factor
    with pytest.raises(AccessDenied):
        await stage.sign_in_service.sign_in(
            VerifiedIdentity("passkey", "p", "c", user_id=uuid4(), email=EMAIL), HERE
        )
    await stage.disable(ada)
    with pytest.raises(AccessDenied):
        await stage.sign_in_service.sign_in(proof, HERE)


async def test_the_session_a_browser_had_ends(stage: Stage) -> None:
    before = await enter(stage, oidc())
    browser = Browser("192.0.2.7", FIREFOX, replaces=before.issued.session_id)
    await enter(stage, oidc(), browser)
    assert stage.ended == [(before.issued.session_id, "replaced")]


async def with_factor(stage: Stage, user_id: UUID) -> None:
    now = stage.time()
    await add(stage, Totp(user_id=user_id, secret="sealed", created_at=now, confirmed_at=now))


async def test_a_second_factor_comes_before_the_session(stage: Stage) -> None:
    ada = (await enter(stage, oidc())).user_id
    await with_factor(stage, ada)
    remembering = Browser("192.0.2.7", FIREFOX, remember=True)
    outcome = await stage.sign_in_service.sign_in(oidc(), remembering)
    assert isinstance(outcome, MfaRequired)
    assert len(await all_of(stage, AuthSession)) == 1
    assert await stage.sessions.resolve(outcome.token) is None
    spent = await stage.tokens.consume(outcome.token, "second_factor")
    entered = await stage.sign_in_service.finish(spent, HERE)
    assert (entered.user_id, entered.issued.remember) == (ada, True)
    last = (await all_of(stage, AuthSession))[-1]
    assert (last.method, last.provider, last.second_factor) == ("oauth", "acme", True)


async def test_whoever_is_disabled_meanwhile_does_not_get_in(stage: Stage) -> None:
    ada = (await enter(stage, oidc())).user_id
    await with_factor(stage, ada)
    outcome = await stage.sign_in_service.sign_in(oidc(), HERE)
    assert isinstance(outcome, MfaRequired)
    spent = await stage.tokens.consume(outcome.token, "second_factor")
    await stage.disable(ada)
    with pytest.raises(AccessDenied):
        await stage.sign_in_service.finish(spent, HERE)


async def test_no_other_token_finishes_a_sign_in(stage: Stage) -> None:
    ada = await stage.person()
    token = await stage.tokens.create("reset_password", lifetime=stage.time.hour, user_id=ada)
    spent = await stage.tokens.consume(token, "reset_password")
    with pytest.raises(AccessDenied):
        await stage.sign_in_service.finish(spent, HERE)


async def test_an_unconfirmed_factor_asks_for_nothing(stage: Stage) -> None:
    ada = (await enter(stage, oidc())).user_id
    await add(stage, Totp(user_id=ada, secret="sealed", created_at=stage.time()))
    await enter(stage, oidc())


async def test_a_passkey_that_verified_its_user_is_two_factors(stage: Stage) -> None:
    ada = await stage.person()
    await with_factor(stage, ada)
    await enter(stage, VerifiedIdentity("passkey", "passkey", "c", user_id=ada, is_strong=True))
    weak = VerifiedIdentity("passkey", "passkey", "c", user_id=ada)
    assert isinstance(await stage.sign_in_service.sign_in(weak, HERE), MfaRequired)


async def test_a_remembered_browser_is_not_asked_again_until_it_expires(stage: Stage) -> None:
    ada = (await enter(stage, oidc())).user_id
    bob = await stage.person("bob@example.org")
    await with_factor(stage, ada)
    now = stage.time()
    for who, token in ((ada, "hers"), (bob, "his")):
        device = RememberedDevice(
            user_id=who,
            token_hash=hash_token(token),
            created_at=now,
            expires_at=now + stage.time.hour,
        )
        await add(stage, device)
    hers, his = (Browser("192.0.2.7", FIREFOX, device=token) for token in ("hers", "his"))
    await enter(stage, oidc(), hers)
    assert isinstance(await stage.sign_in_service.sign_in(oidc(), his), MfaRequired)
    stage.time.passes(hours=1)
    assert isinstance(await stage.sign_in_service.sign_in(oidc(), hers), MfaRequired)


async def test_only_the_domains_of_the_list_come_in(tmp_path: Path) -> None:
    async with staged(tmp_path, auth_allowed_domains=("example.org",), sign_up="closed") as stage:
        await enter(stage, oidc())
        for proof in (
            oidc("8", email="eve@example.net"),
            oidc("8", email="eve@evil-example.org"),
            oidc("8", email="eve@example.org.evil.net"),
        ):
            with pytest.raises(AccessDenied):
                await stage.sign_in_service.sign_in(proof, HERE)
        with pytest.raises(SignUpClosed):
            await stage.sign_in_service.sign_in(
                oidc("8", email="e@example.org", verified=False), HERE
            )
        assert len(await all_of(stage, User)) == 1


async def test_a_list_made_later_shuts_out_who_is_in_already(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        await enter(stage, oidc())
    async with staged(tmp_path, auth_allowed_domains=("acme.example",)) as stage:
        with pytest.raises(AccessDenied):
            await stage.sign_in_service.sign_in(oidc(), HERE)


@pytest.mark.parametrize("claims", [{}, {"groups": "staffing"}, {"groups": ["guests"]}])
async def test_a_claim_that_is_asked_for_must_be_there_each_time(
    tmp_path: Path, claims: dict[str, Any]
) -> None:
    acme = ACME.model_copy(update={"require": "groups:staff"})
    async with staged(tmp_path, identity_providers=(acme,), sign_up="closed") as stage:
        await enter(stage, oidc(claims={"groups": ["staff"]}))
        with pytest.raises(AccessDenied):
            await stage.sign_in_service.sign_in(oidc(claims=claims), HERE)


@pytest.mark.parametrize("welcomes", [True, False])
async def test_a_provider_may_bring_strangers_where_strangers_get_no_account(
    tmp_path: Path, welcomes: bool
) -> None:
    acme = ACME.model_copy(update={"sign_up": welcomes})
    async with staged(tmp_path, identity_providers=(acme,), sign_up="closed") as stage:
        if welcomes:
            await enter(stage, oidc())
            return
        with pytest.raises(SignUpClosed):
            await stage.sign_in_service.sign_in(oidc(), HERE)
        assert await all_of(stage, User) == []


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
    stage: Stage, hook: OnSignIn
) -> None:
    stage.sign_in_service = SignInService(
        stage.db, stage.sessions, stage.tokens, stage.settings, stage.time, hook
    )
    with pytest.raises(AccessDenied):
        await stage.sign_in_service.sign_in(oidc(), HERE)
    with pytest.raises(AccessDenied):
        await squat(stage)
    for table in (User, Account, AuthSession):
        assert await all_of(stage, table) == []


async def test_the_operators_function_is_told_who_comes(stage: Stage) -> None:
    seen: list[SignInAttempt] = []
    stage.sign_in_service = SignInService(
        stage.db, stage.sessions, stage.tokens, stage.settings, stage.time, seen.append
    )
    entered = await enter(stage, oidc(claims={"groups": ["staff"]}))
    await enter(stage, oidc(email="other@example.org"))
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


async def test_a_password_for_an_address_somebody_has_is_refused_as_taken(stage: Stage) -> None:
    await enter(stage, oidc(verified=False))
    with pytest.raises(EmailTaken):
        await squat(stage)
    assert len(await all_of(stage, Account)) == 1


async def test_the_last_way_in_stays(stage: Stage) -> None:
    ada = (await enter(stage, oidc())).user_id
    passkey = Passkey(user_id=ada, credential_id="c", public_key=b"k", created_at=stage.time())
    await add(stage, passkey)

    async def remove(table: type[Account] | type[Passkey]) -> None:
        async with stage.db.system("auth", write=True) as session:
            for row in (await session.exec(select(table))).all():
                await session.delete(row)
            await session.flush()
            await require_login_method(session, ada)

    await remove(Account)
    with pytest.raises(LastLoginMethod):
        await remove(Passkey)
    assert len(await all_of(stage, Passkey)) == 1
