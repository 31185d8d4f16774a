"""Names of settings: a misspelt one is never silently without effect."""

from pathlib import Path

import pytest

from chat_app.settings import (
    ConfigError,
    Settings,
    misspelt_security_setting,
    read_settings,
    setting_names,
    start_warnings,
)
from chat_app.settings.__main__ import env_example
from chat_app.settings.names import misspelt, unknown_name

LOCAL = {"fake_models": False, "embedded_model": False}
PUBLIC = {**LOCAL, "app_url": "https://chat.example"}
MAIL = {"smtp_url": "smtps://mail.example", "mail_from": "chat@chat.example"}


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / ".env"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("SIGNUP", "SIGNUP in .env is not a setting; did you mean SIGN_UP?"),
        ("signup", "SIGNUP in .env is not a setting; did you mean SIGN_UP?"),
        ("PROT", "PROT in .env is not a setting; did you mean PORT?"),
        ("OPENAI_KEY", "OPENAI_KEY in .env is not a setting; did you mean OPENAI_API_KEY?"),
        (
            "AUTH_OICD_WORK_ISSUER",
            "AUTH_OICD_WORK_ISSUER in .env is not a setting; did you mean AUTH_OIDC_WORK_ISSUER?",
        ),
        (
            "AUTH_OIDC_WORK_ISSUR",
            "AUTH_OIDC_WORK_ISSUR is not a setting of an identity provider; "
            "did you mean AUTH_OIDC_WORK_ISSUER?",
        ),
        ("COLOUR", "COLOUR in .env is not a setting; .env.example lists them all"),
        (
            "REFLEX_CORS_ALLOWED_ORIGINS",
            "REFLEX_CORS_ALLOWED_ORIGINS: set APP_ORIGINS instead",
        ),
    ],
)
def test_an_unknown_name_in_the_env_file_stops_the_start_and_the_meant_one_is_named(
    env_file: Path, name: str, message: str
) -> None:
    env_file.write_text(f"PORT=3100\n{name}=closed\n")
    with pytest.raises(ConfigError) as refused:
        read_settings()
    assert str(refused.value) == message


def test_every_name_of_the_example_may_stand_in_the_env_file() -> None:
    named = [line[2:].partition("=")[0] for line in env_example().splitlines() if "=" in line]
    assert len(named) > 60
    assert unknown_name([*named, "AUTH_GITHUB_WORK_ID"], setting_names()) is None


def test_a_name_of_the_environment_that_is_nearly_a_setting_is_noticed() -> None:
    for name in {field.upper() for field in Settings.model_fields} & setting_names():
        swapped = name[:-2] + name[-1] + name[-2]
        for wrong in {f"{name}X", f"X{name}", swapped, name[:-1]} - {*setting_names(), name}:
            found = list(misspelt({wrong: "1"}, setting_names()))
            assert [one for one, _ in found] == [wrong]
        assert list(misspelt({f"{name}X": "1"}, setting_names())) == [(f"{name}X", name)]


@pytest.mark.parametrize(
    "name",
    [
        *("HOME", "PATH", "PGHOST", "PGPORT", "LOGNAME", "SHELL", "API_URL", "MAILFROM"),
        *("CHAT_PORT", "A_PORT", "A_PORT_80_TCP_ADDR", "CHAT_SERVICE_HOST", "APP_SERVICE_PORT"),
        *("FRONTEND_PORT", "BACKEND_PORT", "POD_IP", "HOSTNAME", "TZ", "LANG", "TERM"),
    ],
)
def test_names_of_other_programs_are_left_alone(name: str) -> None:
    assert list(misspelt({name: "x"}, setting_names())) == []


def test_a_name_close_to_one_that_is_set_is_left_alone() -> None:
    given = {"CHAT_MODLES": "x", "CHAT_MODELS": "y", "CHAT_MODEL": "y"}
    assert list(misspelt(given, setting_names())) == []
    assert list(misspelt({"CHAT_MODLES": ""}, setting_names())) == []


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("SIGNUP", "SIGN_UP"),
        ("SIGNUPS", "SIGN_UP"),
        ("TRUSTED_PROXY_HOP", "TRUSTED_PROXY_HOPS"),
        ("trusted_proxies_hops", ""),
        ("AUTH_ALLOWED_DOMAIN", "AUTH_ALLOWED_DOMAINS"),
        ("SESSION_IDLE_HUORS", "SESSION_IDLE_HOURS"),
        ("LIMIT_SIGNIN_PAIR", "LIMIT_SIGN_IN_PAIR"),
        ("AUTH_SECRETS", "AUTH_SECRET"),
        ("LOGLEVEL", ""),
    ],
)
def test_a_misspelt_security_setting_stops_the_start(name: str, setting: str) -> None:
    message = misspelt_security_setting({name: "closed", "PATH": "/bin"})
    assert message == (f"{name} is not a setting; did you mean {setting}?" if setting else None)


def test_a_misspelt_setting_of_another_kind_is_one_warning() -> None:
    config = read_settings(_env_file=None, **LOCAL)
    assert list(start_warnings(config, {"LOGLEVEL": "debug", "HOME": "/root"})) == [
        "LOGLEVEL is not a setting and has no effect; did you mean LOG_LEVEL?"
    ]


def _warnings(**given: object) -> list[str]:
    return list(start_warnings(read_settings(_env_file=None, **given), {}))


def test_https_behind_a_proxy_of_this_machine_that_is_not_counted_is_one_warning() -> None:
    (warning,) = _warnings(**PUBLIC)
    assert warning.startswith("TRUSTED_PROXY_HOPS is 0, but APP_URL is https")
    assert _warnings(**PUBLIC, trusted_proxy_hops=1) == []
    assert _warnings(**PUBLIC, host="0.0.0.0") == []
    assert _warnings(**LOCAL) == []


def test_open_sign_up_without_mail_on_a_public_address_is_one_warning() -> None:
    counted = {**PUBLIC, "trusted_proxy_hops": 1}
    (warning,) = _warnings(**counted, sign_up="open")
    assert warning.startswith("SIGN_UP is open on a public address without a mail server")
    assert _warnings(**counted, sign_up="open", **MAIL) == []
    assert _warnings(**counted) == []
    assert _warnings(**LOCAL, sign_up="open") == []


def test_addresses_of_neighbours_are_left_alone_however_close() -> None:
    known = {"METRICS_PORT", "CHAT_SERVICES_HOST"}
    given = {"METRIC_PORT": "tcp://10.0.0.1:80", "CHAT_SERVICE_HOST": "10.0.0.1"}
    assert list(misspelt(given, known)) == []
    assert list(misspelt({"METRICS_PORTS": "1"}, known)) == [("METRICS_PORTS", "METRICS_PORT")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PORT=3100\n\n# proxies\nTRUSTED_PROXY_HOPS: 1\n", "line 4 of .env must look like"),
        (b"SIGN_UP closed\n", "line 1 of .env must look like NAME=value"),
        (b"PORT=3100\nSIGN_UP\n", "line 2 of .env must look like NAME=value"),
        (b"MAIL_FROM=\xe4\n", ".env must be a text in UTF-8"),
    ],
)
def test_a_line_of_the_env_file_that_has_no_effect_stops_the_start(
    env_file: Path, content: bytes, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    env_file.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        read_settings()
    assert str(refused.value).startswith(message)
    assert capsys.readouterr().err == ""


def test_an_env_file_that_cannot_be_read_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    env_file = tmp_path / ".env"
    env_file.touch()
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ConfigError, match=r"^\.env cannot be read: Permission denied$"):
        read_settings(_env_file=env_file)


def test_comments_quotes_and_exports_may_stand_in_the_env_file(env_file: Path) -> None:
    env_file.write_text(
        "# a comment\n\nexport PORT=3100  # the port\n"
        "CHAT_SYSTEM_PROMPT=\"Two\nlines\"\nOPENAI_API_KEY=''\nSIGN_UP='closed'\n"
    )
    settings = read_settings()
    assert (settings.port, settings.sign_up) == (3100, "closed")
    assert settings.chat_system_prompt == "Two\nlines"
