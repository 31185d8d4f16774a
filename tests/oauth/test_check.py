"""What the operator learns of an identity provider: by `chat-app oidc test`, and from the log."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from chat_app.auth.oauth.check import ProviderCheckFailed, check_provider
from chat_app.settings.identity_providers import IdentityProvider
from testing.auth_api import everything_logged
from testing.auth_services import settings_of
from testing.fake_github import GitHub
from testing.oidc_app import SECRET, github_at, oidc_at, program
from testing.program import free_port

ACCEPTED = "The client id and the client secret are accepted."
WRONG = SecretStr("another-secret-7f3a")


async def _check(folder: Path, provider: IdentityProvider) -> list[str]:
    said: list[str] = []
    settings = settings_of(folder, identity_providers=(provider,), embedded_model=False)
    await check_provider(settings, provider.id, said.append)
    return said


async def test_an_issuer_that_works_is_told_step_by_step(tmp_path: Path, issuer: str) -> None:
    assert await _check(tmp_path, oidc_at(issuer)) == [
        f"{issuer} was reached, and its metadata can be used.",
        "Its signing keys were read: 1.",
        ACCEPTED,
        "Its callback URL, to be registered at the provider: "
        "http://localhost:3000/api/auth/callback/acme",
    ]


async def test_a_github_that_works_accepts_the_client(tmp_path: Path, github: GitHub) -> None:
    said = await _check(tmp_path, github_at(github.url))
    assert said[0] == ACCEPTED
    assert len(said) == 2


async def test_a_wrong_secret_is_named_and_not_repeated(tmp_path: Path, issuer: str) -> None:
    with pytest.raises(ProviderCheckFailed) as failed:
        await _check(tmp_path, oidc_at(issuer, client_secret=WRONG))
    assert failed.value.message.startswith(
        "The client id or the client secret is refused. OAuthError: invalid_client"
    )
    assert WRONG.get_secret_value() not in failed.value.message


async def test_an_issuer_that_names_itself_otherwise_is_told(tmp_path: Path, issuer: str) -> None:
    with pytest.raises(ProviderCheckFailed, match=r"about another issuer \(a slash at its end"):
        await _check(tmp_path, oidc_at(f"{issuer}/"))


async def test_an_issuer_that_cannot_be_reached_is_told_in_the_networks_words(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    provider = oidc_at(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ProviderCheckFailed) as failed:
        await _check(tmp_path, provider)
    words = failed.value.message.partition("does not work. ")[2]
    assert words.startswith("ConnectError: ")
    assert len(words) > len("ConnectError: ")
    async with program(tmp_path, provider) as chat:
        with everything_logged(caplog):
            await chat.browser().post("/api/auth/signin/acme")
    assert f"Sign-in with acme failed: {words}" in caplog.messages


async def test_a_refused_code_is_logged_in_the_providers_words_without_secrets(
    tmp_path: Path, issuer: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with program(tmp_path, oidc_at(issuer)) as chat:
        tab = chat.browser()
        back = await tab.back_at(await tab.start("acme"))
        code = back.partition("code=")[2].partition("&")[0]
        with everything_logged(caplog):
            await tab.walk(back.replace(code, f"{code[:-4]}abcd"))
    (line,) = [one for one in caplog.messages if one.startswith("Sign-in with acme")]
    assert line.startswith("Sign-in with acme failed: OAuthError: invalid_grant: ")
    assert code[:-4] not in line
    assert SECRET not in line


async def test_what_the_provider_says_in_a_callback_is_logged_as_one_line(
    tmp_path: Path, github: GitHub, caplog: pytest.LogCaptureFixture
) -> None:
    async with program(tmp_path, github_at(github.url)) as chat:
        tab = chat.browser()
        back = await tab.back_at(await tab.start("github"))
        refused = back.replace("code=", "error=access_denied%0AERROR+forged%1b[31m&was=")
        with everything_logged(caplog):
            await tab.walk(refused)
    assert "Sign-in with github was refused: access_denied ERROR forged [31m" in caplog.messages
