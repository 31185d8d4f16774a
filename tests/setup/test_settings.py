import json
from pathlib import Path

import pytest

from chat_app.settings import ConfigError, Settings, read_settings
from chat_app.settings.__main__ import env_example
from testing.command_line import run_command

ROOT = Path(__file__).parents[2]

INVALID = {
    "PORT": "eighty",
    "HOST": "0.0.0.0",
    "APP_URL": "https://chat.example/path",
    "APP_ORIGINS": "*",
    "DATABASE_URL": "mysql://localhost/chat",
    "LOG_LEVEL": "everything",
    "AUTH_SECRET": "short",
    "SIGN_UP": "sometimes",
    "AUTH_ALLOWED_DOMAINS": "everybody at acme",
    "AUTH_ON_SIGN_IN": "ask me",
    "LIMIT_SIGN_IN_PAIR": "often",
    "LIMIT_MAIL_RECIPIENT": "seldom",
    "SIGN_UP_VERIFY": "maybe",
    "SMTP_URL": "mail.example:587",
    "OPENAI_BASE_URL": "ftp://models.example",
    "CHAT_PROVIDERS": '[{"name": "Not A Name"}]',
    "CHAT_TITLES": "perhaps",
    "MESSAGE_BYTES": "200000",
}


def _is_own(name: str) -> bool:
    """Whether a class defines this itself, and not Python or pydantic for it."""
    return not name.startswith(("__", "_abc_", "model_"))


@pytest.fixture(autouse=True)
def _without_local_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_the_example_file_is_up_to_date() -> None:
    assert (ROOT / ".env.example").read_text() == env_example()


def test_the_example_names_every_setting_of_the_operator() -> None:
    named = {line[2:].partition("=")[0] for line in env_example().splitlines() if "=" in line}
    fields = {name for name in Settings.model_fields if not name.startswith("reflex_")}
    assert {name.upper() for name in fields - {"identity_providers"}} <= named
    assert {"AUTH_GITHUB_ID", "AUTH_GOOGLE_ID", "AUTH_OIDC_ACME_ISSUER"} <= named
    assert [name for name in named if name.startswith("REFLEX_")] == ["REFLEX_API_URL"]


def test_a_list_of_providers_that_is_no_json_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_PROVIDERS", "[{'name': 'ollama'}]")
    with pytest.raises(ConfigError, match=r"^CHAT_PROVIDERS: must be valid JSON$"):
        read_settings()


def test_no_two_groups_define_the_same_name() -> None:
    groups = Settings.__bases__
    names = [name for group in groups for name in vars(group) if _is_own(name)]
    names += [name for group in groups for name in group.model_fields]
    assert {name for name in names if names.count(name) > 1} == set()


def test_no_secret_has_a_default() -> None:
    settings = read_settings()
    assert settings.auth_secret.get_secret_value() == ""
    assert settings.openai_api_key.get_secret_value() == ""
    assert settings.smtp_url.get_secret_value() == ""


@pytest.mark.parametrize("name", INVALID)
def test_an_invalid_setting_stops_the_start_with_one_line_that_names_it(
    name: str, tmp_path: Path
) -> None:
    done = run_command("run", folder=tmp_path, given={name: INVALID[name]})
    (line,) = done.err.splitlines()
    assert (done.code, done.out) == (2, "")
    assert line.startswith("chat-app: Invalid setting.")
    assert name in line or (name == "HOST" and "APP_URL" in line)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:hunter2/3@db.example/chat",
        "postgresql://db.example:hunter2/chat",
        "sqlite+aiosqlite:///:memory:",
        "sqlite+aiosqlite:///",
    ],
)
def test_an_invalid_database_url_is_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="DATABASE_URL: ") as raised:
        read_settings(database_url=url)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("urls", "said"),
    [
        (("", "system", ""), "DATABASE_URL must begin with postgresql://"),
        (("app", "", "owner"), "DATABASE_ADMIN_URL needs DATABASE_SYSTEM_URL"),
        (("app", "app", ""), "DATABASE_SYSTEM_URL must have another role than DATABASE_URL"),
        (("app", "system", "app"), "DATABASE_ADMIN_URL must have another role than DATABASE_URL"),
    ],
)
def test_urls_of_roles_that_do_not_agree_are_refused(urls: tuple[str, str, str], said: str) -> None:
    names = ("database_url", "database_system_url", "database_admin_url")
    values = [role and f"postgresql://{role}:hunter2@db.example/chat" for role in urls]
    with pytest.raises(ConfigError, match=said) as raised:
        read_settings(**dict(zip(names, values, strict=True)))
    assert "hunter2" not in str(raised.value)


def test_a_url_without_a_role_is_refused_beside_others() -> None:
    with pytest.raises(ConfigError, match="DATABASE_URL must name its role"):
        read_settings(
            database_url="postgresql://db.example/chat",
            database_system_url="postgresql://system@db.example/chat",
        )


def test_the_longest_message_fits_into_a_frame_even_when_json_doubles_it() -> None:
    assert read_settings(message_bytes=100_000, socket_frame_bytes=204_096)
    with pytest.raises(ConfigError, match="MESSAGE_BYTES"):
        read_settings(message_bytes=100_000, socket_frame_bytes=204_095)


def test_in_production_the_page_and_the_socket_share_one_origin() -> None:
    settings = read_settings(port=4000, reflex_env_mode="prod")
    assert settings.origins == {"http://localhost:4000"}
    assert settings.api_url == settings.url


def test_in_development_both_ports_are_origins() -> None:
    settings = read_settings(reflex_env_mode="dev")
    assert settings.origins == {"http://localhost:3000", "http://localhost:8000"}
    assert settings.api_url == "http://localhost:8000"


SPLIT = {"app_url": "https://chat.example.com", "reflex_api_url": "https://api.example.com"}


def test_where_another_host_has_the_pages_they_name_the_server() -> None:
    config = read_settings(**SPLIT)
    assert (config.url, config.api_url) == tuple(SPLIT.values())
    assert (config.api_origin, config.has_pages) == (SPLIT["reflex_api_url"], False)
    assert config.page_origins[0] == SPLIT["app_url"]
    assert config.origins == set(SPLIT.values())
    same = read_settings(app_url=SPLIT["app_url"], reflex_api_url=SPLIT["app_url"])
    assert (same.api_origin, same.has_pages, same.page_origins) == ("", True, ())


def test_the_url_that_reflex_deploy_sets_is_that_of_the_pages() -> None:
    given = {**SPLIT, "reflex_deploy_url": SPLIT["app_url"]}
    assert read_settings(**given).url == SPLIT["app_url"]
    assert read_settings(**{**given, "app_url": ""}).url == SPLIT["app_url"]
    with pytest.raises(ConfigError, match=r"^REFLEX_DEPLOY_URL must equal APP_URL"):
        read_settings(**{**given, "reflex_deploy_url": "https://chat.example.net"})


@pytest.mark.parametrize(
    ("url", "api_url", "is_one"),
    [
        ("https://chat.example.com", "https://api.example.com", True),
        ("https://example.com", "https://api.example.com:8443", True),
        ("https://chat.example.co.uk", "https://api.example.co.uk", True),
        ("http://app.chat.localhost:3000", "http://api.chat.localhost:8000", True),
        ("http://localhost:3000", "http://localhost:8000", True),
        ("http://127.0.0.1:3000", "http://127.0.0.1:8000", True),
        ("https://chat.example.com", "http://api.example.com", False),
        ("https://chat.example.com", "https://api.example.net", False),
        ("https://chat.example.com", "https://api.badexample.com", False),
        ("https://chat.co.uk", "https://api.co.uk", False),
        ("https://chat.reflex.run", "https://chat.fly.dev", False),
        ("https://one.fly.dev", "https://two.fly.dev", False),
        ("https://one-uc.a.run.app", "https://two-uc.a.run.app", False),
        ("http://app.localhost:3000", "http://api.localhost:8000", False),
        ("http://127.0.0.1:3000", "http://127.0.0.2:8000", False),
        ("http://127.0.0.1:3000", "http://localhost:8000", False),
    ],
)
def test_pages_and_server_must_be_one_site(url: str, api_url: str, is_one: bool) -> None:
    def start() -> Settings:
        return read_settings(app_url=url, reflex_api_url=api_url)

    if is_one:
        assert start().api_url == api_url
        return
    with pytest.raises(ConfigError) as refused:
        start()
    assert str(refused.value).startswith(f"REFLEX_API_URL ({api_url}) is on another site than")
    assert "https://chat.example.com and https://api.example.com" in str(refused.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"app_url": ""}, "APP_URL must be set to the URL of the pages with REFLEX_API_URL"),
        (
            {"app_url": "http://localhost:3000", "reflex_env_mode": "dev"},
            "REFLEX_API_URL must be empty in development",
        ),
    ],
)
def test_a_server_apart_needs_to_know_its_pages(given: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=f"^{said}$"):
        read_settings(**{**SPLIT, **given})


def test_a_port_given_to_reflex_moves_the_origin_with_it() -> None:
    settings = read_settings(
        reflex_env_mode="dev", reflex_frontend_port=3100, reflex_backend_port=8100
    )
    assert settings.origins == {"http://localhost:3100", "http://localhost:8100"}
    served = read_settings(reflex_env_mode="prod", reflex_backend_port=3456)
    assert served.origins == {"http://localhost:3456"}


def test_a_public_url_replaces_the_local_one() -> None:
    settings = read_settings(
        app_url="https://Chat.Example/", app_origins="https://www.chat.example"
    )
    assert settings.origins == {"https://chat.example", "https://www.chat.example"}


@pytest.mark.parametrize(
    "overrides",
    [
        {"smtp_url": "smtp://chat:hunter2/3@mail.example"},
        {"smtp_url": "smtp://mail.example:0"},
        {"smtp_url": "smtp://mail.example/?x=1"},
        {"smtp_url": "http://mail.example"},
        {"smtp_url": "smtp://mail.example", "mail_from": ""},
        {"smtp_url": "smtp://mail.example", "mail_from": "The chat"},
        {"smtp_url": "smtp://mail.example", "mail_from": "Chat <@>"},
        {"sign_up_verify": "required", "app_url": "https://chat.example"},
    ],
)
def test_an_incomplete_mail_server_stops_the_start(overrides: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as raised:
        read_settings(**{"mail_from": "Chat <chat@chat.example>", **overrides})
    assert "hunter2" not in str(raised.value)


def test_emails_are_logged_on_a_local_server_only() -> None:
    public = {"app_url": "https://chat.example", "fake_models": False}
    server = {"smtp_url": "smtps://mail.example", "mail_from": "chat@chat.example"}
    assert read_settings().email_delivery == "log"
    assert read_settings(**public).email_delivery == "none"
    assert read_settings(**public, **server).email_delivery == "smtp"
    assert read_settings(**server).email_delivery == "smtp"


def test_sign_up_requires_verification_with_a_mail_server_or_when_required() -> None:
    server = {"smtp_url": "smtps://mail.example", "mail_from": "chat@chat.example"}
    assert not read_settings().sign_up_requires_verification
    assert read_settings(sign_up_verify="required").sign_up_requires_verification
    assert read_settings(**server).sign_up_requires_verification
    assert not read_settings(**server, sign_up_verify="off").sign_up_requires_verification


_OLLAMA = {"name": "ollama", "base_url": "http://localhost:11434/v1", "models": ["llama3.2"]}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"base_url": ""}, "base_url of entry 2 must not be empty"),
        ({"base_url": None}, "base_url of entry 2 must be a text"),
        ({"base_url": "localhost"}, "base_url of entry 2 must look like https://host/v1"),
        ({"models": []}, "models of entry 2 must not be empty"),
        ({"models": [""]}, "entry 1 of models of entry 2 must not be empty"),
        ({"models": "llama3.2"}, "models of entry 2 must be a list in brackets"),
        ({"name": "My Server"}, "name of entry 2 must have lower-case letters, digits and -"),
        ({"base_ur": "x"}, "entry 2 has the unknown key 'base_ur'; did you mean base_url?"),
    ],
)
def test_a_wrong_provider_is_one_sentence_that_says_which_and_what(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], sentence: str
) -> None:
    monkeypatch.setenv("CHAT_PROVIDERS", json.dumps([_OLLAMA, {**_OLLAMA, **changes}]))
    with pytest.raises(ConfigError) as refused:
        read_settings()
    assert str(refused.value).startswith(f"CHAT_PROVIDERS: {sentence}")


def test_a_provider_that_lacks_something_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_PROVIDERS", '[{"name": "ollama", "models": ["llama3.2"]}, "x"]')
    with pytest.raises(ConfigError, match=r"^CHAT_PROVIDERS: base_url of entry 1 is missing$"):
        read_settings()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PORT", "eighty", "PORT: must be a whole number"),
        ("PORT", "99999", "PORT: must be at most 65535"),
        ("PORT", "0", "PORT: must be at least 1"),
        ("PORT", "9" * 5000, "PORT: has too many digits"),
        ("DATA_DIR", "", "DATA_DIR: must not be empty"),
        ("DELETED_DAYS", "1000000", "DELETED_DAYS: must be at most 36500"),
        ("LOG_LEVEL", "\udcff", "LOG_LEVEL: must be a text in UTF-8"),
        ("APP_URL", "http://[", "APP_URL: must look like https://chat.example"),
        ("DATABASE_URL", "sqlite+aiosqlite:////srv/a?b", "DATABASE_URL: must name a file"),
        ("CHAT_TITLES", "perhaps", "CHAT_TITLES: must be true or false"),
        ("CHAT_IDLE_SECONDS", "soon", "CHAT_IDLE_SECONDS: must be a number"),
        ("CHAT_IDLE_SECONDS", "0", "CHAT_IDLE_SECONDS: must be more than 0"),
        ("SIGN_UP", "never", "SIGN_UP: must be 'auto', 'open' or 'closed'"),
        ("CHAT_PROVIDERS", "{}", "CHAT_PROVIDERS: must be a list in brackets"),
        ("CHAT_PROVIDERS", "[" * 5000, "CHAT_PROVIDERS: must be valid JSON"),
    ],
)
def test_a_wrong_value_is_told_in_our_words(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as refused:
        read_settings()
    assert str(refused.value).startswith(sentence)
