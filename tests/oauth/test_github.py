"""Signing in at GitHub, against a double that speaks its paths over a real connection."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from chat_app.auth.rate_limits import FIRST_WAIT_SECONDS
from chat_app.db.tables import Account, AuthSession, OneTimeToken, User
from testing.fake_github import GitHub
from testing.oidc_app import CLIENT, SECRET, InProcessProgram, error_in, github_at, program


@pytest.fixture
async def chat(tmp_path: Path, github: GitHub) -> AsyncIterator[InProcessProgram]:
    async with program(tmp_path, github_at(github.url)) as one:
        yield one


async def test_a_new_user_signs_in_with_the_verified_primary_address(
    chat: InProcessProgram, github: GitHub
) -> None:
    github.emails.insert(0, {"email": "old@example.org", "primary": False, "verified": True})
    tab = chat.browser()
    assert await tab.sign_in("github", callbackUrl="/c/1?x=2") == "/c/1?x=2"
    assert await tab.who() == "octocat@example.org"
    [user], [account], [session] = [await chat.rows(one) for one in (User, Account, AuthSession)]
    assert (user.name, user.email_verified_at) == ("The Octocat", chat.time())
    assert (account.issuer, account.subject) == (github.url, "583231")
    assert (account.provider, account.email) == ("github", "octocat@example.org")
    assert (session.method, session.provider, session.claims) == (
        "oauth",
        "github",
        {"login": "octocat"},
    )
    assert not session.remember


async def test_the_second_time_it_is_the_same_person_whatever_the_address_is_now(
    chat: InProcessProgram, github: GitHub
) -> None:
    await chat.browser().sign_in("github")
    github.emails[0]["email"] = "renamed@example.org"
    tab = chat.browser()
    assert await tab.sign_in("github", remember="1") == "/"
    assert await tab.who() == "octocat@example.org"
    assert len(await chat.rows(User)) == len(await chat.rows(Account)) == 1
    assert sorted(one.remember for one in await chat.rows(AuthSession)) == [False, True]


async def test_pkce_is_used_and_the_secret_never_passes_the_browser(
    chat: InProcessProgram, github: GitHub
) -> None:
    tab = chat.browser()
    await tab.sign_in("github")
    [(_, asked), (_, redeemed)] = github.asked
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == f"{chat.home}/api/auth/callback/github"
    assert asked["scope"] == "read:user user:email"
    assert asked["client_id"] == CLIENT
    assert len(redeemed["code_verifier"]) >= 43
    for address in tab.seen:
        assert SECRET not in address
        assert redeemed["code_verifier"] not in address


async def test_a_subject_is_the_number_not_the_name(chat: InProcessProgram, github: GitHub) -> None:
    await chat.browser().sign_in("github")
    github.user = {"id": 9, "login": "octocat", "name": "Somebody else"}
    assert error_in(await chat.browser().sign_in("github")) == "OAuthAccountNotLinked"
    github.user = {"id": True, "login": "octocat"}
    assert error_in(await chat.browser().sign_in("github")) == "OAuthCallback"


@pytest.mark.parametrize(
    "emails",
    [
        [],
        [{"email": "octocat@example.org", "primary": True, "verified": False}],
        [{"email": "octocat@example.org", "primary": False, "verified": True}],
        [{"email": "octocat@example.org", "primary": True, "verified": "true"}],
        [{"email": "a@example.org,b@example.org", "primary": True, "verified": True}],
    ],
)
async def test_without_a_verified_primary_address_no_account_is_made(
    chat: InProcessProgram, github: GitHub, emails: list[dict[str, object]]
) -> None:
    github.emails = emails
    assert error_in(await chat.browser().sign_in("github")) == "EmailRequired"
    assert await chat.counts() == (0, 0, 0)


async def test_a_verified_address_is_not_linked(chat: InProcessProgram, github: GitHub) -> None:
    await chat.user("octocat@example.org", verified=True)
    tab = chat.browser()
    assert error_in(await tab.sign_in("github")) == "OAuthAccountNotLinked"
    assert await tab.who() is None
    assert await chat.counts() == (1, 1, 0)


async def test_an_unverified_address_is_claimed_without_what_it_had(
    chat: InProcessProgram, github: GitHub
) -> None:
    planted = await chat.user("octocat@example.org")
    tab = chat.browser()
    assert await tab.sign_in("github") == "/"
    [user], [account] = await chat.rows(User), await chat.rows(Account)
    assert user.id == planted
    assert account.issuer == github.url


@pytest.mark.parametrize("suffix", ["", "/login/oauth"])
async def test_an_issuer_that_github_names_is_compared(
    chat: InProcessProgram, github: GitHub, suffix: str
) -> None:
    github.message_template = {"iss": github.url + suffix}
    page = await chat.browser().sign_in("github")
    if suffix:
        assert page == "/"
    else:
        assert error_in(page) == "OAuthCallback"
        assert await chat.counts() == (0, 0, 0)


async def test_a_person_who_says_no_at_the_provider_comes_back_to_the_sign_in_page(
    chat: InProcessProgram, github: GitHub
) -> None:
    tab = chat.browser()
    state = parse_qs(urlsplit(await tab.start("github", callbackUrl="/c/7")).query)["state"][0]
    back = f"{chat.home}/api/auth/callback/github?error=access_denied&state={state}"
    assert await tab.walk(back) == "/signin?error=OAuthCallback&callbackUrl=%2Fc%2F7"
    assert tab.cookies() == set()
    [token] = await chat.rows(OneTimeToken)
    assert token.used_at is not None


async def test_an_answer_of_another_shape_is_one_sentence_and_nothing_is_made(
    chat: InProcessProgram, github: GitHub
) -> None:
    github.user = {"message": "Not an object of the kind that is expected"}
    tab = chat.browser()
    assert error_in(await tab.sign_in("github")) == "OAuthCallback"
    assert await tab.who() is None
    assert await chat.counts() == (0, 0, 0)


async def test_an_unknown_provider_is_a_refusal(chat: InProcessProgram) -> None:
    tab = chat.browser()
    answer = await tab.post("/api/auth/signin/gitlab")
    assert answer.status_code == 404
    assert answer.json()["url"] == f"{chat.home}/signin?error=Configuration"
    assert error_in(await tab.walk(f"{chat.home}/api/auth/callback/gitlab")) == "Configuration"


async def test_a_form_without_script_is_sent_on(chat: InProcessProgram, github: GitHub) -> None:
    tab = chat.browser()
    answer = await tab.http.post(
        f"{chat.home}/api/auth/signin/github", headers={"Origin": chat.home}
    )
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{github.url}/login/oauth/authorize?")


async def test_at_most_five_begun_sign_ins_are_kept_in_a_browser(chat: InProcessProgram) -> None:
    tab = chat.browser()
    first = await tab.start("github")
    for _ in range(4):
        await tab.start("github")
    last = await tab.start("github")
    assert len(tab.cookies()) == 5
    assert error_in(await tab.walk(first)) == "OAuthCallback"
    assert await tab.walk(last) == "/"
    assert len(tab.cookies()) == 4


async def test_who_begins_too_many_sign_ins_waits(tmp_path: Path, github: GitHub) -> None:
    async with program(tmp_path, github_at(github.url), limit_start_address="2/hour") as chat:
        tab = chat.browser()
        for _ in range(2):
            await tab.start("github")
        before = chat.time()
        await tab.start("github")
        assert (chat.time() - before).total_seconds() == FIRST_WAIT_SECONDS


async def test_the_cookie_of_a_transaction_is_for_the_server_alone(
    tmp_path: Path, github: GitHub
) -> None:
    given = {"app_url": "https://chat.example", "sign_up": "open", "fake_models": False}
    async with program(tmp_path, github_at(github.url), **given) as chat:
        answer = await chat.browser().post("/api/auth/signin/github")
        name, *attributes = answer.headers["set-cookie"].split("; ")
        assert name.startswith("__Host-chat_oauth_")
        assert attributes == ["Path=/", "HttpOnly", "SameSite=Lax", "Secure", "Max-Age=600"]
        assert "https%3A%2F%2Fchat.example%2Fapi%2Fauth%2Fcallback" in answer.json()["url"]
