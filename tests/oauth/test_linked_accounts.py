"""Connecting an account elsewhere and taking it away: signed in, fresh, and never by e-mail."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pyotp.totp import TOTP

from chat_app.auth.principal import Principal
from chat_app.auth.sign_in.identity import Browser
from chat_app.db.tables import Account, AuthSession, Passkey
from testing.auth_services import FIREFOX
from testing.fake_github import GitHub
from testing.oidc_app import BrowserClient, InProcessProgram, github_at, oidc_at, program

PAGE = "/settings/security"
REFUSED = f"{PAGE}?error=OAuthCallback"


@pytest.fixture
async def chat(tmp_path: Path, issuer: str, github: GitHub) -> AsyncIterator[InProcessProgram]:
    async with program(tmp_path, oidc_at(issuer), github_at(github.url)) as one:
        yield one


@pytest.fixture
async def ada(chat: InProcessProgram) -> BrowserClient:
    """A user who signed in at the OpenID provider."""
    tab = chat.browser()
    await tab.sign_in("acme")
    return tab


async def ask(tab: BrowserClient, method: str, path: str, **headers: str) -> httpx.Response:
    sent = {"Origin": tab.home, **headers}
    return await tab.http.request(
        method, f"{tab.home}/api/account/connections/{path}", headers=sent
    )


async def begin(tab: BrowserClient, provider: str = "github") -> str:
    """Begin to connect; where the browser is sent."""
    answer = await ask(tab, "POST", provider)
    assert answer.status_code == 200, answer.text
    return answer.json()["url"]


async def connect(tab: BrowserClient, provider: str = "github", login: str = "ada") -> str:
    """Connect; the page where that ends."""
    return await tab.walk(await begin(tab, provider), login)


async def owners(chat: InProcessProgram) -> dict[str, Any]:
    return {one.subject: one.user_id for one in await chat.rows(Account)}


async def test_a_connected_account_opens_the_same_person(
    chat: InProcessProgram, ada: BrowserClient, github: GitHub
) -> None:
    assert await connect(ada) == PAGE
    other = chat.browser()
    assert await other.sign_in("github") == "/"
    assert await other.who() == await ada.who() == "ada@example.org"
    assert (await chat.counts())[:2] == (1, 2)


async def test_an_account_is_connected_whatever_its_address(
    chat: InProcessProgram, ada: BrowserClient, github: GitHub
) -> None:
    await chat.user("octocat@example.org", verified=True)
    assert await connect(ada) == PAGE
    github.emails = []
    assert await connect(ada) == PAGE  # again is no mistake
    assert len(await chat.rows(Account)) == 3


async def test_an_account_of_another_user_stays_theirs(
    chat: InProcessProgram, ada: BrowserClient
) -> None:
    await chat.browser().sign_in("github")
    before = await owners(chat)
    assert await connect(ada) == f"{PAGE}?error=AccountTaken"
    assert await owners(chat) == before
    assert await ada.who() == "ada@example.org"


async def test_who_is_not_signed_in_connects_nothing(chat: InProcessProgram) -> None:
    answer = await ask(chat.browser(), "POST", "github")
    assert answer.status_code == 401


async def test_an_old_proof_is_asked_for_again(chat: InProcessProgram, ada: BrowserClient) -> None:
    await connect(ada)
    [one] = [row.id for row in await chat.rows(Account) if row.provider == "github"]
    chat.time.passes(minutes=10, seconds=1)
    for method, path in (("POST", "github"), ("DELETE", str(one))):
        answer = await ask(ada, method, path)
        assert (answer.status_code, answer.json()["error"]) == (403, "step_up_required")
    assert len(await chat.rows(Account)) == 2


async def test_a_foreign_page_can_neither_connect_nor_disconnect(
    chat: InProcessProgram, ada: BrowserClient
) -> None:
    [one] = await chat.rows(Account)
    for method, path in (("POST", "github"), ("DELETE", str(one.id))):
        answer = await ask(ada, method, path, Origin="https://evil.example")
        assert answer.status_code == 403
    assert len(await chat.rows(Account)) == 1


async def test_the_attackers_callback_connects_nothing_to_a_victim(
    chat: InProcessProgram, ada: BrowserClient, github: GitHub
) -> None:
    """Link CSRF: the attacker began it, signed in as themselves; the victim opens the end."""
    attacker = chat.browser()
    await attacker.sign_in("acme", "mallory")
    back = await attacker.back_at(await begin(attacker))
    assert await ada.walk(back) == REFUSED
    planted = chat.browser()
    planted.hold({**attacker.ours, **ada.ours})  # even with the attacker's cookie put there
    assert await planted.walk(back) == REFUSED
    assert "583231" not in await owners(chat)


async def test_what_one_session_began_another_cannot_finish(
    chat: InProcessProgram, ada: BrowserClient, github: GitHub
) -> None:
    back = await ada.back_at(await begin(ada))
    await ada.sign_in("acme")  # the same person, anew
    assert await ada.walk(back) == REFUSED
    assert len(await chat.rows(Account)) == 1


async def test_who_signed_out_meanwhile_connects_nothing_and_stays_anonymous(
    chat: InProcessProgram, ada: BrowserClient, github: GitHub
) -> None:
    back = await ada.back_at(await begin(ada))
    await ada.post("/api/auth/signout")
    assert await ada.walk(back) == "/signin?error=OAuthCallback"
    assert await ada.who() is None
    assert len(await chat.rows(Account)) == 1


async def test_a_sign_in_never_connects(chat: InProcessProgram, ada: BrowserClient) -> None:
    """Who is signed in and signs in elsewhere becomes the other person; nothing is joined."""
    assert await ada.sign_in("github") == "/"
    assert await ada.who() == "octocat@example.org"
    assert len(set((await owners(chat)).values())) == 2


async def test_a_claim_that_is_missing_is_missing_here_too(
    tmp_path: Path, issuer: str, github: GitHub
) -> None:
    picky = oidc_at(issuer, require="groups:staff")
    async with program(tmp_path, picky, github_at(github.url)) as chat:
        tab = chat.browser()
        await tab.sign_in("github")
        assert await connect(tab, "acme", "eve") == f"{PAGE}?error=AccessDenied"
        assert len(await chat.rows(Account)) == 1


async def test_the_last_way_in_stays(chat: InProcessProgram, ada: BrowserClient) -> None:
    [first] = await chat.rows(Account)
    answer = await ask(ada, "DELETE", str(first.id))
    assert (answer.status_code, answer.json()["error"]) == (409, "last_way_in")
    await connect(ada)
    assert (await ask(ada, "DELETE", str(first.id))).status_code == 204
    [second] = await chat.rows(Account)
    assert (await ask(ada, "DELETE", str(second.id))).status_code == 409
    assert [one.provider for one in await chat.rows(Account)] == ["github"]
    assert await chat.browser().sign_in("github") == "/"


async def test_taking_one_away_ends_what_came_in_by_it_elsewhere(
    chat: InProcessProgram, ada: BrowserClient, github: GitHub
) -> None:
    await connect(ada)
    laptop, phone, mallory = chat.browser(), chat.browser(), chat.browser()
    await laptop.sign_in("acme")
    await phone.sign_in("github")
    await mallory.sign_in("acme", "mallory")
    [acme] = [one for one in await chat.rows(Account) if one.subject == "ada"]
    assert (await ask(ada, "DELETE", str(acme.id))).status_code == 204
    assert await laptop.who() is None
    assert await phone.who() == await ada.who() == "ada@example.org"
    assert await mallory.who() == "mallory@example.org"
    ended = [one.revoked_reason for one in await chat.rows(AuthSession) if one.revoked_at]
    assert ended == ["disconnected"]


async def test_who_is_half_way_in_by_it_does_not_come_in_after_it_is_gone(
    chat: InProcessProgram, ada: BrowserClient, github: GitHub
) -> None:
    await connect(ada)
    [session] = await chat.rows(AuthSession)
    her = Principal(session.user_id, session.id)
    factor = TOTP(await chat.live.two_factor.begin(her))
    backup = await chat.live.two_factor.confirm(her, factor.at(chat.time()))
    laptop = chat.browser()
    assert (await laptop.sign_in("acme")).startswith("/signin/code")
    [acme] = [one for one in await chat.rows(Account) if one.provider == "acme"]
    assert (await ask(ada, "DELETE", str(acme.id))).status_code == 204
    await laptop.post("/api/auth/callback/second-factor", code=backup[0])
    assert await laptop.who() is None


async def test_a_refused_removal_ends_nothing(chat: InProcessProgram, ada: BrowserClient) -> None:
    laptop = chat.browser()
    await laptop.sign_in("acme")
    [only] = await chat.rows(Account)
    assert (await ask(ada, "DELETE", str(only.id))).status_code == 409
    assert await laptop.who() == "ada@example.org"


async def test_a_passkey_is_a_way_in(chat: InProcessProgram, ada: BrowserClient) -> None:
    [only] = await chat.rows(Account)
    async with chat.live.db.system("auth", write=True) as session:
        session.add(
            Passkey(
                user_id=only.user_id, credential_id="c", public_key=b"k", created_at=chat.time()
            )
        )
    assert (await ask(ada, "DELETE", str(only.id))).status_code == 204


async def test_what_is_not_theirs_to_take_away_is_not_there(
    chat: InProcessProgram, ada: BrowserClient
) -> None:
    other = chat.browser()
    await other.sign_in("github")
    [theirs] = [one.id for one in await chat.rows(Account) if one.provider == "github"]
    answers = [
        await ask(ada, "DELETE", one) for one in (str(theirs), str(uuid4()), "x", str(theirs)[:8])
    ]
    assert {(one.status_code, one.content) for one in answers} == {(404, answers[0].content)}
    assert len(await chat.rows(Account)) == 2


async def test_a_password_is_no_connection(chat: InProcessProgram) -> None:
    await chat.user("ada@example.org")
    proof = await chat.live.accounts.sign_in(
        email="ada@example.org", password="plum-Otter-teapot-91", client_ip="192.0.2.7"
    )
    admitted: Any = await chat.live.sign_in_service.sign_in(proof, Browser("192.0.2.7", FIREFOX))
    tab = chat.browser()
    tab.hold({"chat_session": admitted.issued.token})
    assert await connect(tab) == PAGE
    rows = {one.provider: one.id for one in await chat.rows(Account)}
    who = await chat.live.sessions.principal(admitted.issued.session_id)
    assert who is not None
    assert [one.provider for one in await chat.live.linked_accounts.list(who)] == ["github"]
    assert (await ask(tab, "DELETE", str(rows[""]))).status_code == 404
    assert (await ask(tab, "DELETE", str(rows["github"]))).status_code == 204


async def test_a_provider_that_is_not_set_up_is_missing(ada: BrowserClient) -> None:
    answer = await ask(ada, "POST", "gitlab")
    assert (answer.status_code, answer.json()["error"]) == (404, "provider_unknown")


async def test_a_person_who_says_no_is_back_in_the_settings(
    chat: InProcessProgram, ada: BrowserClient, github: GitHub
) -> None:
    state = httpx.URL(await begin(ada)).params["state"]
    back = f"{chat.home}/api/auth/callback/github?error=access_denied&state={state}"
    assert await ada.walk(back) == REFUSED
