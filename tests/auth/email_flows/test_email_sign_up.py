"""An account is made once its address is confirmed, by who asked for it."""

import pytest

from chat_app.auth.errors import (
    AccessDenied,
    EmailTaken,
    InvalidCredentials,
    InvalidToken,
    SignUpClosed,
    WeakPassword,
)
from chat_app.auth.sign_in.identity import SignedIn
from chat_app.core.errors import RateLimited
from chat_app.db.tables import OneTimeToken, User
from testing.auth_services import PASSWORD
from testing.database import DatabaseUnderTest
from testing.email_flows import ADA, BOB, BROWSER, HERE, EmailHarness, email_harness, entered
from testing.mail_server import link_of, text_of

OTHER = "another-Lemon-44-chair"


def says_no(*_: object) -> bool:
    """An operator's function."""
    return False


async def begin(
    harness: EmailHarness, email: str = ADA, password: str = PASSWORD, name: str = ""
) -> str:
    return await harness.auth.email_sign_ups.begin(
        email=email, password=password, name=name, client_ip=HERE
    )


async def finish(
    harness: EmailHarness, token: str, *, browser_secret: str | None = None, password: str = ""
) -> SignedIn:
    outcome = await harness.auth.email_sign_ups.finish(
        token, browser_secret=browser_secret, password=password, browser=BROWSER
    )
    assert isinstance(outcome, SignedIn)
    return outcome


async def test_the_browser_that_asked_confirms_with_a_click(harness: EmailHarness) -> None:
    known = await begin(harness, " Ada@Example.org ", name=" Ada ")
    assert link_of(await harness.read()).startswith("http://localhost:3000/confirm#sign_up.")
    ada = entered(await finish(harness, await harness.token(), browser_secret=known))
    (user,) = await harness.all(User)
    assert (user.id, user.email, user.name) == (ada, ADA, "Ada")
    assert user.email_verified_at is not None
    assert await harness.knows(PASSWORD)


async def test_until_then_there_is_no_user_and_no_password(harness: EmailHarness) -> None:
    await begin(harness)
    assert await harness.people() == []
    assert not await harness.knows(PASSWORD)
    (token,) = await harness.all(OneTimeToken)
    assert PASSWORD not in str(token)


async def test_another_browser_confirms_with_the_password(harness: EmailHarness) -> None:
    await begin(harness)
    await finish(harness, await harness.token(), password=PASSWORD)
    assert await harness.people() == [ADA]


@pytest.mark.parametrize("browser_secret", [None, "", "x" * 43, "\ud800"])
async def test_a_click_in_another_browser_creates_no_user(
    harness: EmailHarness, browser_secret: str | None
) -> None:
    await begin(harness)
    token = await harness.token()
    for password in ("", OTHER):
        with pytest.raises(InvalidCredentials):
            await finish(harness, token, browser_secret=browser_secret, password=password)
    assert await harness.people() == []
    await finish(harness, token, password=PASSWORD)


async def test_the_secret_of_one_sign_up_confirms_no_other(harness: EmailHarness) -> None:
    eve = await begin(harness, ADA, OTHER)
    eves = await harness.token()
    adas = await begin(harness)
    token = await harness.token()
    with pytest.raises(InvalidCredentials):
        await finish(harness, token, browser_secret=eve)
    with pytest.raises(InvalidCredentials):
        await finish(harness, eves, browser_secret=adas)
    await finish(harness, token, browser_secret=adas)
    assert await harness.knows(PASSWORD)
    assert not await harness.knows(OTHER)


async def test_the_first_who_confirms_has_the_address(harness: EmailHarness) -> None:
    eve = await begin(harness, ADA, OTHER)
    eves = await harness.token()
    ada = await begin(harness)
    await finish(harness, await harness.token(), browser_secret=ada)
    with pytest.raises(EmailTaken):
        await finish(harness, eves, browser_secret=eve)
    assert not await harness.knows(OTHER)
    assert await harness.people() == [ADA]


async def test_guesses_at_the_password_are_counted(database: DatabaseUnderTest) -> None:
    async with email_harness(database, limit_sign_in_pair="5/15 minutes") as harness:
        await begin(harness)
        token = await harness.token()
        verified = harness.auth.hasher.verified
        for _ in range(5):
            with pytest.raises(InvalidCredentials):
                await finish(harness, token, password=OTHER)
        with pytest.raises(RateLimited):
            await finish(harness, token, password=PASSWORD)
        assert harness.auth.hasher.verified == verified + 5


async def test_it_works_once_and_for_a_day(harness: EmailHarness) -> None:
    known = await begin(harness)
    token = await harness.token()
    harness.auth.time.passes(hours=23)
    await finish(harness, token, browser_secret=known)
    with pytest.raises(InvalidToken):
        await finish(harness, token, browser_secret=known)
    later = await begin(harness, BOB)
    late = await harness.token()
    harness.auth.time.passes(hours=24)
    with pytest.raises(InvalidToken):
        await finish(harness, late, browser_secret=later)


@pytest.mark.parametrize("is_verified", [True, False])
async def test_who_has_an_account_is_told_so_in_the_letter_alone(
    harness: EmailHarness, is_verified: bool
) -> None:
    await harness.person(is_verified=is_verified)
    await begin(harness, ADA, OTHER)
    email = await harness.read()
    assert "you already have one" in text_of(email).replace("\n", " ")
    assert link_of(email) == "http://localhost:3000/signin"
    assert await harness.knows(PASSWORD)


async def test_what_cannot_be_taken_is_refused_before_anything_is_done(
    harness: EmailHarness,
) -> None:
    with pytest.raises(WeakPassword):
        await begin(harness, ADA, "ada@example.org")
    assert await harness.counts() == (0, 0, 0, 0, 0)


async def test_closed_is_closed_whoever_asks(database: DatabaseUnderTest) -> None:
    async with email_harness(database, sign_up="closed") as harness:
        await harness.person()
        for email in (ADA, BOB):
            with pytest.raises(SignUpClosed):
                await begin(harness, email)


async def test_an_allowed_domain_may_sign_up_where_others_may_not(
    database: DatabaseUnderTest,
) -> None:
    settings = {"sign_up": "closed", "auth_allowed_domains": "example.org"}
    async with email_harness(database, **settings) as harness:
        known = await begin(harness)
        await finish(harness, await harness.token(), browser_secret=known)
        with pytest.raises(AccessDenied):
            await begin(harness, "eve@evil.example")
        assert await harness.people() == [ADA]


async def test_who_the_operator_refuses_gets_no_link(database: DatabaseUnderTest) -> None:
    async with email_harness(database, auth_on_sign_in=f"{__name__}:says_no") as harness:
        await begin(harness)
        assert "http" not in text_of(await harness.read())
