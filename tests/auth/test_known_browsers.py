"""The cookie of a known browser: whose it is, for how long, and what it gives away."""

import base64
from pathlib import Path
from uuid import UUID

import pytest
from sqlmodel import select

from chat_app.auth.known_browsers import KnownBrowsers
from chat_app.core.crypto import KeyRing
from chat_app.db.tables import User
from testing.auth_services import PASSWORD, AuthHarness, auth_harness, settings_of
from testing.database import DatabaseUnderTest

ADA, BOB = "ada@example.org", "bob@example.org"
NEW = "violet-Kettle-harbour-38"


async def people(harness: AuthHarness, count: int) -> list[str]:
    """Emails of new users."""
    emails = [f"user{number}@example.org" for number in range(count)]
    for email in emails:
        await harness.person(email)
    return emails


async def shared_by(harness: AuthHarness, *emails: str) -> str:
    """The cookie of a browser in which these users have signed in one after the other."""
    cookie = None
    for email in emails:
        cookie = await harness.known_browsers.remember(cookie, await user_id_of(harness, email))
    assert cookie is not None
    return cookie


async def user_id_of(harness: AuthHarness, email: str) -> UUID:
    async with harness.db.system("auth") as session:
        return (await session.exec(select(User.id).where(User.email == email))).one()


async def knows(harness: AuthHarness, cookie: str | None, *emails: str) -> list[bool]:
    return [bool(await harness.known_browsers.find(cookie, email)) for email in emails]


async def test_a_browser_is_known_for_who_signed_in_there(harness: AuthHarness) -> None:
    await harness.accounts.add(ADA, PASSWORD, "Ada")
    await harness.person(BOB)
    cookie = await shared_by(harness, ADA)
    emails = (ADA, " ADA@Example.org ", BOB, "nobody@example.org", "not an email", "", "\ud800")
    assert await knows(harness, cookie, *emails) == [True] * 2 + [False] * 5


async def test_it_stays_known_for_180_days(harness: AuthHarness) -> None:
    await harness.person(ADA)
    cookie = await shared_by(harness, ADA)
    harness.time.passes(days=179, hours=23)
    assert await knows(harness, cookie, ADA) == [True]
    harness.time.passes(hours=1)
    assert await knows(harness, cookie, ADA) == [False]


async def test_five_people_share_a_browser_and_the_sixth_takes_the_oldest_place(
    harness: AuthHarness,
) -> None:
    emails = await people(harness, 6)
    assert await knows(harness, await shared_by(harness, *emails[:5]), *emails[:5]) == [True] * 5
    cookie = await shared_by(harness, *emails[:5], emails[0], emails[5])
    assert await knows(harness, cookie, *emails) == [True, False, True, True, True, True]


async def test_each_sign_in_and_each_person_has_an_id_of_its_own(harness: AuthHarness) -> None:
    first, second = await people(harness, 2)
    cookie = await shared_by(harness, first, second)
    later = await harness.known_browsers.remember(cookie, await user_id_of(harness, first))
    ids = [await harness.known_browsers.find(cookie, email) for email in (first, second)]
    ids += [await harness.known_browsers.find(later, email) for email in (first, second)]
    assert len(set(ids)) == 3
    assert ids[1] == ids[3]


async def test_nothing_of_it_can_be_read(harness: AuthHarness) -> None:
    emails = await people(harness, 6)
    cookies = [await shared_by(harness, *emails[:number]) for number in range(1, 7)]
    assert len({len(cookie) for cookie in cookies}) == 1
    assert len(cookies[0]) <= 450
    assert len(set(cookies)) == 6
    for cookie in cookies:
        parts = [base64.urlsafe_b64decode(part + "==") for part in cookie.split(".")]
        content = cookie.encode() + b"".join(parts)
        for email in emails:
            user_id = await user_id_of(harness, email)
            for secret in (email.encode(), user_id.bytes, user_id.hex.encode()):
                assert secret not in content


async def test_a_new_password_makes_every_browser_unknown(harness: AuthHarness) -> None:
    ada = await harness.accounts.add(ADA, PASSWORD, "Ada")
    bob = await harness.person(BOB)
    cookie = await shared_by(harness, ADA, BOB)
    for user_id in (ada, bob):  # Bob sets his first one
        principal = await harness.principal_of(await harness.sign_in(user_id))
        await harness.password_changes.set(principal, NEW, "192.0.2.7")
    assert await knows(harness, cookie, ADA, BOB) == [False, False]
    assert await knows(harness, await shared_by(harness, ADA), ADA) == [True]


async def test_the_same_password_set_again_is_a_new_one(harness: AuthHarness) -> None:
    ada = await harness.accounts.add(ADA, PASSWORD, "Ada")
    cookie = await shared_by(harness, ADA)
    principal = await harness.principal_of(await harness.sign_in(ada))
    await harness.password_changes.set(principal, PASSWORD, "192.0.2.7")
    assert await knows(harness, cookie, ADA) == [False]


async def test_a_new_account_with_the_email_is_another_user(harness: AuthHarness) -> None:
    ada = await harness.person(ADA)
    cookie = await shared_by(harness, ADA)
    await harness.remove(ada)
    await harness.person(ADA)
    assert await knows(harness, cookie, ADA) == [False]


async def test_a_person_who_leaves_is_taken_out(harness: AuthHarness) -> None:
    ada, bob = await harness.person(ADA), await harness.person(BOB)
    known = harness.known_browsers
    cookie = known.forget(await shared_by(harness, ADA, BOB), ada)
    assert await knows(harness, cookie, ADA, BOB) == [False, True]
    assert known.forget(cookie, bob) == ""
    assert known.forget("junk", bob) == ""


@pytest.mark.parametrize(
    "junk",
    [None, "", "x", "a.b.c.d.e", "é", "\ud800", "." * 5, "A" * 5_000, "eyJhbGciOiJub25lIn0...."],
)
async def test_what_we_did_not_write_knows_no_user(harness: AuthHarness, junk: str | None) -> None:
    await harness.person(ADA)
    assert await knows(harness, junk, ADA) == [False]
    cookie = await harness.known_browsers.remember(junk, await user_id_of(harness, ADA))
    assert await knows(harness, cookie, ADA) == [True]


async def test_a_cookie_that_was_changed_knows_no_user(harness: AuthHarness) -> None:
    await harness.person(ADA)
    cookie = await shared_by(harness, ADA)
    for place in range(0, len(cookie), 7):
        other = "A" if cookie[place] != "A" else "B"
        changed = cookie[:place] + other + cookie[place + 1 :]
        assert await knows(harness, changed, ADA) == [False]


async def test_other_ciphertexts_of_ours_know_no_user(database: DatabaseUnderTest) -> None:
    async with auth_harness(database, auth_session_strategy="jwt") as harness:
        ada = await harness.accounts.add(ADA, PASSWORD, "Ada")
        session = (await harness.sign_in(ada)).token
        sealed = harness.keyring.encrypt("second factor", b"\0" * 180)
        assert await knows(harness, session, ADA) == [False]
        assert await knows(harness, sealed, ADA) == [False]
        assert await harness.sessions.resolve(await shared_by(harness, ADA)) is None


async def test_it_survives_a_new_secret_while_the_old_one_is_kept(
    harness: AuthHarness, tmp_path: Path
) -> None:
    await harness.person(ADA)
    cookie = await shared_by(harness, ADA)
    old = harness.settings.auth_secret.get_secret_value()
    new = {"auth_secret": "1f0b6a77-another-key-of-the-tests-44"}
    for given, is_known in (({"auth_secret_previous": (old,)}, True), ({}, False)):
        keyring = KeyRing(settings_of(tmp_path, **new, **given))
        harness.known_browsers = KnownBrowsers(harness.db, keyring, harness.time)
        assert await knows(harness, cookie, ADA) == [is_known]
