"""Id tokens that a provider should never have sent. Each is refused in the same words."""

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from chat_app.db.tables import Account, User
from testing.auth_api import everything_logged
from testing.oidc_app import BrowserClient, InProcessProgram, oidc_at, program
from testing.oidc_provider import run_oidc
from testing.program import free_port

LIES = (
    "alg none",
    "alg None",
    "mac with the client's secret",
    "mac with the public key",
    "algorithm that is not allowed",
    "foreign key under the right id",
    "foreign key in the header",
    "foreign key behind an address",
    "unknown key id",
    "changed after signing",
    "unknown critical header",
    "other issuer",
    "issuer with a slash",
    "no issuer",
    "other audience",
    "no audience",
    "unknown audience",
    "several audiences and no party",
    "other party",
    "expired",
    "no expiry",
    "expiry that is a text",
    "issued tomorrow",
    "not yet valid",
    "no time of issue",
    "other nonce",
    "no nonce",
    "no subject",
    "empty subject",
    "blank subject",
    "subject that is a number",
    "subject that is a list",
    "endless subject",
    "subject with a line break",
    "more about another user",
    "hash of another token",
    "an access token in its place",
    "too large",
    "no id token",
    "a number",
    "an object",
    "garbage",
    "five parts",
    "claims that are a list",
    "an error with 200",
    "a list",
    "an answer of half a megabyte",
    "a broken server",
)


@pytest.fixture(scope="module")
def liar() -> Iterator[str]:
    """An issuer that lies when it is told to; who it says it is."""
    port = free_port()
    with run_oidc("oauth2_mock.mjs", port=port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
async def chat(tmp_path: Path, liar: str) -> AsyncIterator[InProcessProgram]:
    async with program(tmp_path, oidc_at(liar)) as one:
        yield one


async def tell(tab: BrowserClient, liar: str, lie: str) -> None:
    """Have the issuer lie from now on."""
    (await tab.http.post(f"{liar}/lie", json={"lie": lie})).raise_for_status()


async def told(tab: BrowserClient, liar: str) -> int:
    """How often it has lied since."""
    return (await tab.http.get(f"{liar}/told")).json()


async def test_every_lie_has_a_case(chat: InProcessProgram, liar: str) -> None:
    known = (await chat.browser().http.get(f"{liar}/lies")).json()
    assert set(known) == {"none", *LIES}


async def test_a_token_without_a_lie_signs_in(chat: InProcessProgram, liar: str) -> None:
    tab = chat.browser()
    await tell(tab, liar, "none")
    assert await tab.sign_in("acme") == "/"
    assert await tab.who() == "johndoe@example.org"
    [account], [user] = await chat.rows(Account), await chat.rows(User)
    assert (account.subject, user.email) == ("johndoe", "johndoe@example.org")


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_is_refused(
    chat: InProcessProgram, liar: str, lie: str, caplog: pytest.LogCaptureFixture
) -> None:
    tab = chat.browser()
    await tell(tab, liar, lie)
    with everything_logged(caplog), caplog.at_level(logging.INFO):
        page = await tab.sign_in("acme", callbackUrl="/c/9")
    assert page == "/signin?error=OAuthCallback&callbackUrl=%2Fc%2F9"
    assert await told(tab, liar) == 1
    assert await tab.who() is None
    assert tab.cookies() == set()
    assert await chat.counts() == (0, 0, 0)
    ours = [one.getMessage() for one in caplog.records if one.name.startswith("chat_app")]
    assert len(ours) == 2
    assert ours[1] == "security sign_in_failed"
    assert "johndoe" not in "".join(ours)
