"""An account is made once its address is confirmed, by who asked for it."""

from pathlib import Path

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
from testing.email_flows import ADA, BOB, BROWSER, HERE, Office, entered, opened
from testing.mail_server import link_of, text_of

OTHER = "another-Lemon-44-chair"


def says_no(*_: object) -> bool:
    """An operator's function."""
    return False


async def begin(office: Office, email: str = ADA, password: str = PASSWORD, name: str = "") -> str:
    return await office.stage.email_sign_ups.begin(
        email=email, password=password, name=name, client_ip=HERE
    )


async def finish(
    office: Office, token: str, *, browser_secret: str | None = None, password: str = ""
) -> SignedIn:
    outcome = await office.stage.email_sign_ups.finish(
        token, browser_secret=browser_secret, password=password, browser=BROWSER
    )
    assert isinstance(outcome, SignedIn)
    return outcome


async def test_the_browser_that_asked_confirms_with_a_click(office: Office) -> None:
    known = await begin(office, " Ada@Example.org ", name=" Ada ")
    assert link_of(await office.read()).startswith("http://localhost:3000/confirm#sign_up.")
    ada = entered(await finish(office, await office.token(), browser_secret=known))
    (user,) = await office.all(User)
    assert (user.id, user.email, user.name) == (ada, ADA, "Ada")
    assert user.email_verified_at is not None
    assert await office.knows(PASSWORD)


async def test_until_then_there_is_nobody_and_no_password(office: Office) -> None:
    await begin(office)
    assert await office.people() == []
    assert not await office.knows(PASSWORD)
    (token,) = await office.all(OneTimeToken)
    assert PASSWORD not in str(token)


async def test_another_browser_confirms_with_the_password(office: Office) -> None:
    await begin(office)
    await finish(office, await office.token(), password=PASSWORD)
    assert await office.people() == [ADA]


@pytest.mark.parametrize("browser_secret", [None, "", "x" * 43, "\ud800"])
async def test_a_click_in_another_browser_creates_no_user(
    office: Office, browser_secret: str | None
) -> None:
    await begin(office)
    token = await office.token()
    for password in ("", OTHER):
        with pytest.raises(InvalidCredentials):
            await finish(office, token, browser_secret=browser_secret, password=password)
    assert await office.people() == []
    await finish(office, token, password=PASSWORD)


async def test_the_secret_of_one_sign_up_confirms_no_other(office: Office) -> None:
    eve = await begin(office, ADA, OTHER)
    eves = await office.token()
    adas = await begin(office)
    token = await office.token()
    with pytest.raises(InvalidCredentials):
        await finish(office, token, browser_secret=eve)
    with pytest.raises(InvalidCredentials):
        await finish(office, eves, browser_secret=adas)
    await finish(office, token, browser_secret=adas)
    assert await office.knows(PASSWORD)
    assert not await office.knows(OTHER)


async def test_the_first_who_confirms_has_the_address(office: Office) -> None:
    eve = await begin(office, ADA, OTHER)
    eves = await office.token()
    ada = await begin(office)
    await finish(office, await office.token(), browser_secret=ada)
    with pytest.raises(EmailTaken):
        await finish(office, eves, browser_secret=eve)
    assert not await office.knows(OTHER)
    assert await office.people() == [ADA]


async def test_guesses_at_the_password_are_counted(tmp_path: Path) -> None:
    async with opened(tmp_path, limit_sign_in_pair="5/15 minutes") as office:
        await begin(office)
        token = await office.token()
        verified = office.stage.hasher.verified
        for _ in range(5):
            with pytest.raises(InvalidCredentials):
                await finish(office, token, password=OTHER)
        with pytest.raises(RateLimited):
            await finish(office, token, password=PASSWORD)
        assert office.stage.hasher.verified == verified + 5


async def test_it_works_once_and_for_a_day(office: Office) -> None:
    known = await begin(office)
    token = await office.token()
    office.stage.time.passes(hours=23)
    await finish(office, token, browser_secret=known)
    with pytest.raises(InvalidToken):
        await finish(office, token, browser_secret=known)
    later = await begin(office, BOB)
    late = await office.token()
    office.stage.time.passes(hours=24)
    with pytest.raises(InvalidToken):
        await finish(office, late, browser_secret=later)


@pytest.mark.parametrize("is_verified", [True, False])
async def test_who_has_an_account_is_told_so_in_the_letter_alone(
    office: Office, is_verified: bool
) -> None:
    await office.person(is_verified=is_verified)
    await begin(office, ADA, OTHER)
    letter = await office.read()
    assert "you already have one" in text_of(letter).replace("\n", " ")
    assert link_of(letter) == "http://localhost:3000/signin"
    assert await office.knows(PASSWORD)


async def test_what_cannot_be_taken_is_refused_before_anything_is_done(office: Office) -> None:
    with pytest.raises(WeakPassword):
        await begin(office, ADA, "ada@example.org")
    assert await office.counts() == (0, 0, 0, 0, 0)


async def test_closed_is_closed_whoever_asks(tmp_path: Path) -> None:
    async with opened(tmp_path, sign_up="closed") as office:
        await office.person()
        for email in (ADA, BOB):
            with pytest.raises(SignUpClosed):
                await begin(office, email)


async def test_a_domain_that_is_let_in_may_sign_up_where_strangers_may_not(tmp_path: Path) -> None:
    settings = {"sign_up": "closed", "auth_allowed_domains": "example.org"}
    async with opened(tmp_path, **settings) as office:
        known = await begin(office)
        await finish(office, await office.token(), browser_secret=known)
        with pytest.raises(AccessDenied):
            await begin(office, "eve@evil.example")
        assert await office.people() == [ADA]


async def test_who_the_operator_refuses_gets_no_link(tmp_path: Path) -> None:
    async with opened(tmp_path, auth_on_sign_in=f"{__name__}:says_no") as office:
        await begin(office)
        assert "http" not in text_of(await office.read())
