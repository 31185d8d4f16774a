"""What an attacker may try with the addresses of a sign-in (RFC 9700 §4), at a real provider."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from chat_app.db.tables import OneTimeToken
from chat_app.gateway import cookies
from testing.fake_github import GitHub
from testing.oidc_app import BrowserClient, InProcessProgram, error_in, github_at, oidc_at, program
from testing.program import free_port

REFUSED = "/signin?error=OAuthCallback"


@pytest.fixture
async def chat(tmp_path: Path, issuer: str, github: GitHub) -> AsyncIterator[InProcessProgram]:
    async with program(tmp_path, oidc_at(issuer), github_at(github.url)) as one:
        yield one


async def nothing_came_of_it(chat: InProcessProgram, tab: BrowserClient) -> None:
    assert await tab.who() is None
    assert await chat.counts() == (0, 0, 0)


def with_query(url: str, **changes: str | None) -> str:
    """An address with some of its query changed; None leaves one out."""
    parts = urlsplit(url)
    query = {key: one for key, [one] in parse_qs(parts.query).items()} | changes
    kept = {key: value for key, value in query.items() if value is not None}
    return parts._replace(query=urlencode(kept)).geturl()


def value(url: str, name: str) -> str:
    [found] = parse_qs(urlsplit(url).query)[name]
    return found


async def test_a_callback_works_once(chat: InProcessProgram) -> None:
    tab = chat.browser()
    back = await tab.back_at(await tab.start("acme"))
    kept = tab.ours
    assert await tab.walk(back) == "/"
    tab.hold(kept)
    assert await tab.walk(back) == REFUSED
    assert await chat.counts() == (1, 1, 1)


async def test_of_twenty_at_once_one_gets_in(chat: InProcessProgram) -> None:
    tab = chat.browser()
    back = await tab.back_at(await tab.start("acme"))
    tabs = [chat.browser() for _ in range(20)]
    for one in tabs:
        one.hold(tab.ours)
    pages = await asyncio.gather(*(one.walk(back) for one in tabs))
    assert sorted(pages) == ["/", *[REFUSED] * 19]
    assert await chat.counts() == (1, 1, 1)


async def test_a_callback_without_a_transaction_is_refused(chat: InProcessProgram) -> None:
    """Login CSRF: the address of the attacker's own callback, opened by another user."""
    attacker, victim = chat.browser(), chat.browser()
    back = await attacker.back_at(await attacker.start("acme"))
    assert await victim.walk(back) == REFUSED
    await nothing_came_of_it(chat, victim)
    assert await attacker.walk(back) == "/"  # which spends nothing of theirs


async def test_the_cookie_of_another_transaction_is_no_help(chat: InProcessProgram) -> None:
    attacker, victim = chat.browser(), chat.browser()
    back = await attacker.back_at(await attacker.start("acme"))
    await victim.start("acme")
    [binding] = victim.ours.values()
    victim.hold(
        {cookies.full_name(chat.live.settings, cookies.transaction(value(back, "state"))): binding}
    )
    assert await victim.walk(back) == REFUSED
    await nothing_came_of_it(chat, victim)
    victim.hold(attacker.ours)  # only with their very cookie it would be the same browser
    assert await victim.walk(back) == "/"


@pytest.mark.parametrize(
    "state", [None, "", "x", "%00", "☃", "A" * 43, "A" * 9000], ids=lambda one: f"{one}"[:9]
)
async def test_a_changed_state_is_refused(chat: InProcessProgram, state: str | None) -> None:
    tab = chat.browser()
    back = await tab.back_at(await tab.start("acme"))
    assert await tab.walk(with_query(back, state=state)) == REFUSED
    await nothing_came_of_it(chat, tab)


async def test_a_code_of_another_transaction_is_refused(chat: InProcessProgram) -> None:
    """The attacker's code, in a transaction that the victim began: PKCE refuses it."""
    attacker, victim = chat.browser(), chat.browser()
    code = value(await attacker.back_at(await attacker.start("acme"), "eve"), "code")
    back = await victim.back_at(await victim.start("acme"))
    assert await victim.walk(with_query(back, code=code)) == REFUSED
    await nothing_came_of_it(chat, victim)


@pytest.mark.parametrize("code", [None, "", "made-up", "x" * 5000], ids=lambda one: f"{one}"[:9])
async def test_an_unknown_code_is_refused(chat: InProcessProgram, code: str | None) -> None:
    tab = chat.browser()
    back = await tab.back_at(await tab.start("acme"))
    assert await tab.walk(with_query(back, code=code)) == REFUSED
    assert tab.cookies() == set()
    await nothing_came_of_it(chat, tab)


@pytest.mark.parametrize("iss", ["https://evil.example", "", None])
async def test_an_answer_of_another_issuer_is_refused(
    chat: InProcessProgram, iss: str | None
) -> None:
    """RFC 9207: also when it says nothing although its provider promised to."""
    tab = chat.browser()
    back = await tab.back_at(await tab.start("acme"))
    assert value(back, "iss")
    assert await tab.walk(with_query(back, iss=iss)) == REFUSED
    await nothing_came_of_it(chat, tab)


async def test_a_state_of_one_provider_is_refused_at_another(
    chat: InProcessProgram, github: GitHub
) -> None:
    for one, other in (("acme", "github"), ("github", "acme")):
        tab = chat.browser()
        back = with_query(await tab.back_at(await tab.start(one)), iss=None)
        assert await tab.walk(back.replace(f"/callback/{one}", f"/callback/{other}")) == REFUSED
        assert await tab.walk(back) == REFUSED  # it was used up
        await nothing_came_of_it(chat, tab)
    assert [kind for kind, _ in github.asked] == ["authorize"]  # no code was shown to it


async def test_without_pkce_the_provider_says_no(chat: InProcessProgram) -> None:
    tab = chat.browser()
    url = await tab.start("acme")
    assert value(url, "code_challenge_method") == "S256"
    bare = with_query(url, code_challenge=None, code_challenge_method=None)
    assert await tab.walk(bare) == REFUSED
    await nothing_came_of_it(chat, tab)


async def test_the_nonce_of_another_sign_in_is_refused(chat: InProcessProgram) -> None:
    tab = chat.browser()
    assert await tab.walk(with_query(await tab.start("acme"), nonce="another")) == REFUSED
    await nothing_came_of_it(chat, tab)


async def test_a_transaction_lasts_ten_minutes(chat: InProcessProgram) -> None:
    tab = chat.browser()
    early = await tab.back_at(await tab.start("acme"))
    late = await tab.back_at(await tab.start("acme"))
    chat.time.passes(minutes=9, seconds=59)
    assert await tab.walk(early) == "/"
    chat.time.passes(seconds=1)
    assert await chat.browser().walk(late) == REFUSED


@pytest.mark.parametrize("more", ["&state=x", "&code=x", "&iss=x", "&%FF=1", "&a" * 30])
async def test_a_query_that_can_be_read_in_two_ways_is_refused(
    chat: InProcessProgram, more: str
) -> None:
    tab = chat.browser()
    back = await tab.back_at(await tab.start("acme"))
    assert await tab.walk(back + more) == REFUSED
    await nothing_came_of_it(chat, tab)


async def test_a_transaction_is_not_another_kind_of_token(chat: InProcessProgram) -> None:
    tab = chat.browser()
    state = value(await tab.start("acme"), "state")
    [row] = await chat.rows(OneTimeToken)
    assert row.purpose == "oauth"
    assert state not in row.token_hash
    tab.hold({cookies.full_name(chat.live.settings, cookies.SESSION): state})
    assert await tab.who() is None


async def test_a_callback_url_is_a_page_of_ours_whoever_asks(chat: InProcessProgram) -> None:
    for wanted in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:1"):
        assert await chat.browser().sign_in("acme", callbackUrl=wanted) == "/"


async def test_a_post_to_a_callback_is_refused(chat: InProcessProgram) -> None:
    tab = chat.browser()
    back = await tab.back_at(await tab.start("acme"))
    answer = await tab.http.post(back, headers={"Origin": chat.home})
    assert answer.status_code == 405
    foreign = await tab.http.post(back, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    await nothing_came_of_it(chat, tab)


async def test_a_foreign_page_cannot_begin_a_sign_in(chat: InProcessProgram) -> None:
    tab = chat.browser()
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = await tab.http.post(f"{chat.home}/api/auth/signin/acme", headers=headers)
        assert answer.status_code == 403
    assert await chat.rows(OneTimeToken) == []
    assert tab.cookies() == set()


async def test_a_provider_that_is_down_is_said_where_one_began(tmp_path: Path) -> None:
    nowhere = oidc_at(f"http://127.0.0.1:{free_port()}")
    async with program(tmp_path, nowhere) as chat:
        tab = chat.browser()
        answer = await tab.post("/api/auth/signin/acme", callbackUrl="/c/3")
        assert answer.status_code == 409
        assert answer.json()["url"].endswith("/signin?error=OAuthSignin&callbackUrl=%2Fc%2F3")
        assert await chat.rows(OneTimeToken) == []
        assert tab.cookies() == set()
        native = await tab.http.post(
            f"{chat.home}/api/auth/signin/acme", headers={"Origin": chat.home}
        )
        assert error_in(native.headers["location"].removeprefix(chat.home)) == "OAuthSignin"


async def test_who_signs_in_as_another_ends_the_session_they_had(chat: InProcessProgram) -> None:
    tab = chat.browser()
    await tab.sign_in("github")
    thief = chat.browser()
    thief.hold(tab.ours)
    assert await thief.who() == "octocat@example.org"
    await tab.sign_in("acme")
    assert await tab.who() == "ada@example.org"
    assert await thief.who() is None
