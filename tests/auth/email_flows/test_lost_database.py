"""A link that is used while the database is lost: it works as if it had not been used."""

from collections.abc import Awaitable, Callable

import pytest

from chat_app.auth.errors import InvalidToken
from chat_app.auth.sign_in.identity import MfaRequired, SignedIn
from chat_app.core.errors import DatabaseUnreachable
from chat_app.db.tables import Totp, User
from testing.email_flows import ADA, BOB, BROWSER, HERE, EmailHarness
from testing.sql_statements import lost_at

Follow = Callable[[], Awaitable[SignedIn | MfaRequired]]
A_PASSWORD = "another-Lemon-44-chair"


async def _sign_in_link(harness: EmailHarness, email: str) -> Follow:
    await harness.auth.magic_links.send(email, HERE)
    token = await harness.token()
    return lambda: harness.auth.magic_links.follow(token, BROWSER)


async def _link_of_a_user(harness: EmailHarness) -> Follow:
    await harness.person()
    return await _sign_in_link(harness, ADA)


async def _link_of_a_new_user(harness: EmailHarness) -> Follow:
    return await _sign_in_link(harness, BOB)


async def _link_that_takes_over(harness: EmailHarness) -> Follow:
    await harness.auth.sign_in(await harness.person(is_verified=False))
    return await _sign_in_link(harness, ADA)


async def _link_of_a_user_with_a_second_factor(harness: EmailHarness) -> Follow:
    ada, now = await harness.person(), harness.auth.time()
    async with harness.auth.db.system("auth", write=True) as session:
        session.add(Totp(user_id=ada, secret="sealed", created_at=now, confirmed_at=now))
    return await _sign_in_link(harness, ADA)


async def _sign_up(harness: EmailHarness) -> Follow:
    known = await harness.auth.email_sign_ups.begin(
        email=BOB, password=A_PASSWORD, name="", client_ip=HERE
    )
    token = await harness.token()
    return lambda: harness.auth.email_sign_ups.finish(
        token, browser_secret=known, password="", browser=BROWSER
    )


@pytest.mark.parametrize(
    ("begin", "lost"),
    [
        (_link_of_a_user, "INTO auth_session"),
        (_link_of_a_new_user, "INTO auth_session"),
        (_link_that_takes_over, "INTO auth_session"),
        (_link_of_a_user_with_a_second_factor, "INTO one_time_token"),
        (_sign_up, "INTO auth_session"),
    ],
)
async def test_a_link_without_a_session_stays_valid(
    harness: EmailHarness, begin: Callable[[EmailHarness], Awaitable[Follow]], lost: str
) -> None:
    follow = await begin(harness)
    before = await harness.counts()
    with lost_at(lost), pytest.raises(DatabaseUnreachable):
        await follow()
    assert await harness.counts() == before
    result = await follow()
    is_second_factor = begin is _link_of_a_user_with_a_second_factor
    assert isinstance(result, MfaRequired if is_second_factor else SignedIn)
    if isinstance(result, SignedIn):
        resolved = await harness.auth.sessions.resolve(result.issued.token)
        assert resolved is not None
        assert resolved.principal.user_id == result.user_id
    assert len(await harness.all(User)) == 1
    with pytest.raises(InvalidToken):
        await follow()
