"""Signing in at a real OpenID provider, from the button to the page."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from chat_app.db.tables import Account, AuthSession, User
from testing.oidc_app import InProcessProgram, error_in, oidc_at, program


@pytest.fixture
async def chat(tmp_path: Path, issuer: str) -> AsyncIterator[InProcessProgram]:
    async with program(tmp_path, oidc_at(issuer)) as one:
        yield one


async def test_a_new_user_signs_in(chat: InProcessProgram, issuer: str) -> None:
    tab = chat.browser()
    assert await tab.sign_in("acme", callbackUrl="/c/4", remember="1") == "/c/4"
    assert await tab.who() == "ada@example.org"
    assert tab.cookies() == set()
    [user], [account], [session] = [await chat.rows(one) for one in (User, Account, AuthSession)]
    assert (user.name, user.email_verified_at) == ("Ada Lovelace", chat.time())
    assert (account.issuer, account.subject, account.provider) == (issuer, "ada", "acme")
    assert (session.method, session.provider, session.remember) == ("oauth", "acme", True)
    assert session.claims == {
        "iss": issuer,
        "sub": "ada",
        "email": "ada@example.org",
        "email_verified": True,
        "name": "Ada Lovelace",
        "groups": ["staff"],
    }


async def test_the_provider_remembers_its_own_session_and_we_the_person(
    chat: InProcessProgram,
) -> None:
    tab = chat.browser()
    for _ in range(2):
        assert await tab.sign_in("acme") == "/"
    assert await chat.counts() == (1, 1, 1)
    assert sum(one.revoked_reason == "replaced" for one in await chat.rows(AuthSession)) == 1


async def test_what_the_id_token_leaves_out_is_asked_for(
    tmp_path: Path, reticent_issuer: str
) -> None:
    async with program(tmp_path, oidc_at(reticent_issuer)) as chat:
        tab = chat.browser()
        assert await tab.sign_in("acme") == "/"
        [user], [account] = await chat.rows(User), await chat.rows(Account)
        assert (user.email, user.name) == ("ada@example.org", "Ada Lovelace")
        assert user.email_verified_at is not None
        assert account.subject == "ada"


async def test_the_same_address_without_proof_is_not_the_same_person(
    chat: InProcessProgram,
) -> None:
    await chat.browser().sign_in("acme")
    before = await chat.counts()
    tab = chat.browser()
    assert error_in(await tab.sign_in("acme", "eve")) == "OAuthAccountNotLinked"
    assert await tab.who() is None
    assert await chat.counts() == before


async def test_an_unproved_address_makes_an_unproved_account_that_is_taken_over(
    chat: InProcessProgram,
) -> None:
    tab = chat.browser()
    await tab.sign_in("acme", "eve")
    [user] = await chat.rows(User)
    assert user.email_verified_at is None
    await chat.browser().sign_in("acme", "ada")
    assert await tab.who() is None
    assert error_in(await chat.browser().sign_in("acme", "eve")) == "OAuthAccountNotLinked"
    assert {one.subject for one in await chat.rows(Account)} == {"ada"}


@pytest.mark.parametrize(("login", "word"), [("ada", None), ("eve", "AccessDenied")])
async def test_a_claim_that_every_user_must_have_is_asked_for(
    tmp_path: Path, issuer: str, login: str, word: str | None
) -> None:
    provider = oidc_at(issuer, require="groups:staff")
    async with program(tmp_path, provider, sign_up="closed") as chat:
        page = await chat.browser().sign_in("acme", login)
        assert (error_in(page) if word else page) == (word or "/")
        assert await chat.counts() == ((0, 0, 0) if word else (1, 1, 1))


async def test_new_users_get_no_account_where_the_operator_makes_them(
    tmp_path: Path, issuer: str
) -> None:
    async with program(tmp_path, oidc_at(issuer), sign_up="closed") as chat:
        assert error_in(await chat.browser().sign_in("acme")) == "SignUpClosed"
        assert await chat.counts() == (0, 0, 0)
    welcoming = oidc_at(issuer, sign_up=True)
    async with program(tmp_path / "other", welcoming, sign_up="closed") as chat:
        assert await chat.browser().sign_in("acme") == "/"


async def test_only_addresses_of_allowed_domains_come_in(tmp_path: Path, issuer: str) -> None:
    given = {"auth_allowed_domains": ("acme.example",)}
    async with program(tmp_path, oidc_at(issuer), **given) as chat:
        assert error_in(await chat.browser().sign_in("acme")) == "AccessDenied"
        assert await chat.counts() == (0, 0, 0)


async def test_where_another_host_has_the_pages_the_callback_leads_to_them(
    tmp_path: Path, issuer: str
) -> None:
    hosts = {"app_url": "http://app.chat.localhost", "reflex_api_url": "http://api.chat.localhost"}
    async with program(tmp_path, oidc_at(issuer), **hosts) as chat:
        tab = chat.browser()
        asked = await tab.start("acme", callbackUrl="/c/4")
        callback = f"{hosts['reflex_api_url']}/api/auth/callback/acme"
        assert parse_qs(urlsplit(asked).query)["redirect_uri"] == [callback]
        assert await tab.walk(asked) == "/c/4"
        assert await tab.who() == "ada@example.org"
