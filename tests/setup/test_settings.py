import subprocess
import sys
from pathlib import Path

import pytest

from chat_app.settings import ConfigError, Settings, read_settings
from chat_app.settings.base import GROUPS
from chat_app.settings.example import example

ROOT = Path(__file__).parents[2]

WRONG = {
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
    """Whether a class says this by itself, and not Python or pydantic for it."""
    return not name.startswith(("__", "_abc_", "model_"))


@pytest.fixture(autouse=True)
def _without_a_persons_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_the_example_file_is_what_the_settings_say() -> None:
    assert (ROOT / ".env.example").read_text() == example()


def test_the_example_names_every_setting_of_the_operator() -> None:
    named = {line[2:].partition("=")[0] for line in example().splitlines() if "=" in line}
    fields = {name for name in Settings.model_fields if not name.startswith("reflex_")}
    assert {name.upper() for name in fields - {"identity_providers"}} <= named
    assert {"AUTH_GITHUB_ID", "AUTH_GOOGLE_ID", "AUTH_OIDC_ACME_ISSUER"} <= named
    assert not any(name.startswith("REFLEX_") for name in named)


def test_no_group_hides_what_another_says() -> None:
    assert Settings.__bases__ == GROUPS
    said = [name for group in GROUPS for name in vars(group) if _is_own(name)]
    said += [name for group in GROUPS for name in group.model_fields]
    assert {name for name in said if said.count(name) > 1} == set()


def test_no_secret_has_a_default() -> None:
    found = read_settings()
    assert found.auth_secret.get_secret_value() == ""
    assert found.openai_api_key.get_secret_value() == ""
    assert found.smtp_url.get_secret_value() == ""


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_setting_stops_the_start_with_one_line_that_names_it(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chat_app.cli", "run"],
        cwd=ROOT,
        env={name: WRONG[name], "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert done.stdout == ""
    assert line.startswith("chat-app: Wrong setting.")
    assert name in line or (name == "HOST" and "APP_URL" in line)


@pytest.mark.parametrize(
    "address",
    ["postgresql://ada:hunter2/3@db.example/chat", "postgresql://db.example:hunter2/chat"],
)
def test_an_address_of_a_database_that_cannot_be_read_is_not_repeated(address: str) -> None:
    with pytest.raises(ConfigError, match="DATABASE_URL: ") as wrong:
        read_settings(database_url=address)
    assert "hunter2" not in str(wrong.value)


def test_the_longest_message_fits_into_a_frame_even_when_json_doubles_it() -> None:
    assert read_settings(message_bytes=100_000, socket_frame_bytes=204_096)
    with pytest.raises(ConfigError, match="MESSAGE_BYTES"):
        read_settings(message_bytes=100_000, socket_frame_bytes=204_095)


def test_in_production_the_page_and_the_socket_share_one_origin() -> None:
    found = read_settings(port=4000, reflex_env_mode="prod")
    assert found.origins == {"http://localhost:4000"}
    assert found.api_url == found.url


def test_in_development_both_ports_are_origins() -> None:
    found = read_settings(reflex_env_mode="dev")
    assert found.origins == {"http://localhost:3000", "http://localhost:8000"}
    assert found.api_url == "http://localhost:8000"


def test_a_port_given_to_reflex_moves_the_origin_with_it() -> None:
    found = read_settings(
        reflex_env_mode="dev", reflex_frontend_port=3100, reflex_backend_port=8100
    )
    assert found.origins == {"http://localhost:3100", "http://localhost:8100"}
    served = read_settings(reflex_env_mode="prod", reflex_backend_port=3456)
    assert served.origins == {"http://localhost:3456"}


def test_a_public_address_replaces_the_local_one() -> None:
    found = read_settings(app_url="https://Chat.Example/", app_origins="https://www.chat.example")
    assert found.origins == {"https://chat.example", "https://www.chat.example"}


@pytest.mark.parametrize(
    "given",
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
def test_letters_that_could_not_be_sent_stop_the_start(given: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as wrong:
        read_settings(**{"mail_from": "Chat <chat@chat.example>", **given})
    assert "hunter2" not in str(wrong.value)


def test_letters_are_logged_on_this_machine_only() -> None:
    public = {"app_url": "https://chat.example", "fake_models": False}
    server = {"smtp_url": "smtps://mail.example", "mail_from": "chat@chat.example"}
    assert read_settings().letters == "logged"
    assert read_settings(**public).letters == "none"
    assert read_settings(**public, **server).letters == "mailed"
    assert read_settings(**server).letters == "mailed"


def test_a_new_account_waits_for_a_letter_where_letters_are_mailed_or_when_it_must() -> None:
    server = {"smtp_url": "smtps://mail.example", "mail_from": "chat@chat.example"}
    assert not read_settings().sign_up_needs_letter
    assert read_settings(sign_up_verify="required").sign_up_needs_letter
    assert read_settings(**server).sign_up_needs_letter
    assert not read_settings(**server, sign_up_verify="off").sign_up_needs_letter
