from pathlib import Path

import pytest

from chat_app.settings import ConfigError, read_settings
from chat_app.settings.identity_providers import identity_providers

GITHUB = {"auth_github_id": "gh", "auth_github_secret": "gh-secret"}
GOOGLE = {"auth_google_id": "go", "auth_google_secret": "go-secret"}
ACME = {
    "auth_oidc_acme_issuer": "https://id.acme.example",
    "auth_oidc_acme_id": "ac",
    "auth_oidc_acme_secret": "ac-secret",
}


def test_no_provider_is_offered_unless_it_is_configured() -> None:
    assert identity_providers({"auth_secret": "s", "path": "x", "auth_github_id": ""}) == ()


def test_an_id_and_a_secret_are_enough_for_github_and_google() -> None:
    github, google = identity_providers({**GOOGLE, **GITHUB})
    assert (github.id, github.label, github.issuer) == ("github", "GitHub", "https://github.com")
    assert github.api_url == "https://api.github.com"
    assert (google.id, google.issuer) == ("google", "https://accounts.google.com")
    assert google.client_secret.get_secret_value() == "go-secret"
    assert not github.sign_up


def test_an_issuer_has_the_configured_name() -> None:
    (acme,) = identity_providers(
        {**ACME, "auth_oidc_acme_require": "groups:staff", "auth_oidc_acme_sign_up": "true"}
    )
    assert (acme.id, acme.label, acme.issuer) == ("acme", "Acme", "https://id.acme.example")
    assert (acme.require, acme.sign_up, acme.origin) == ("groups:staff", True, acme.issuer)


def test_there_may_be_several_of_a_kind() -> None:
    work = {
        "auth_github_work_id": "w",
        "auth_github_work_secret": "w",
        "auth_github_work_url": "https://git.acme.example/",
    }
    first, second = identity_providers({**work, **GITHUB})
    assert (first.id, second.id) == ("github", "github-work")
    assert second.issuer == "https://git.acme.example"
    assert second.api_url == "https://git.acme.example/api/v3"


def test_the_operator_sets_the_order() -> None:
    every = {**GITHUB, **GOOGLE, **ACME}
    assert [provider.id for provider in identity_providers(every)] == ["github", "google", "acme"]
    ordered = identity_providers({**every, "auth_providers": "acme, google,github"})
    assert [provider.id for provider in ordered] == ["acme", "google", "github"]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"auth_github_id": "x"}, "AUTH_GITHUB_SECRET is missing"),
        ({"auth_oidc_acme_id": "x", "auth_oidc_acme_secret": "y"}, "AUTH_OIDC_ACME_ISSUER is mis"),
        ({**GITHUB, "auth_github_colour": "red"}, "AUTH_GITHUB_COLOUR is not a setting"),
        ({**ACME, "auth_oidc_acme_issuer": "http://id.acme.example"}, "ISSUER must begin with htt"),
        ({**ACME, "auth_oidc_acme_issuer": "https://a@b.example"}, "ISSUER must begin with https"),
        ({**ACME, "auth_oidc_acme_require": "staff"}, "AUTH_OIDC_ACME_REQUIRE must look like"),
        ({**GITHUB, "auth_providers": "github,acme"}, "AUTH_PROVIDERS must list each of these"),
        (
            {
                **GITHUB,
                "auth_oidc_github_issuer": "https://x.example",
                "auth_oidc_github_id": "x",
                "auth_oidc_github_secret": "y",
            },
            "same name",
        ),
        (
            {
                "auth_oidc_email_issuer": "https://x.example",
                "auth_oidc_email_id": "x",
                "auth_oidc_email_secret": "y",
            },
            "cannot be named email",
        ),
    ],
)
def test_an_incomplete_provider_is_refused_and_named(
    variables: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        identity_providers(variables)


def test_an_issuer_on_loopback_may_use_http() -> None:
    (acme,) = identity_providers({**ACME, "auth_oidc_acme_issuer": "http://localhost:9400"})
    assert acme.issuer == "http://localhost:9400"


def test_the_environment_has_priority_over_the_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("AUTH_GITHUB_ID=file\nAUTH_GITHUB_SECRET=file-secret\n")
    monkeypatch.setenv("AUTH_GITHUB_ID", "environment")
    settings = read_settings()
    (github,) = settings.identity_providers
    assert github.client_id == "environment"
    assert github.client_secret.get_secret_value() == "file-secret"
    assert "file-secret" not in repr(settings)


def test_an_incomplete_provider_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH_GOOGLE_SECRET", "only this")
    with pytest.raises(ConfigError, match="AUTH_GOOGLE_ID is missing") as raised:
        read_settings()
    assert "only this" not in str(raised.value)


def test_auth_url_is_another_name_of_app_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH_URL", "https://chat.example/api/auth")
    assert read_settings().url == "https://chat.example"
    monkeypatch.setenv("APP_URL", "https://other.example")
    assert read_settings().url == "https://other.example"
