"""Unsafe settings stop the start, whichever command starts it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chat_app.settings.server import FORBIDDEN, forbidden_variable
from testing.command_line import run_command

ROOT = Path(__file__).parents[2]
SPLIT = {"APP_URL": "https://chat.example.com", "REFLEX_API_URL": "https://api.example.com"}
PUBLIC = {"HOST": "0.0.0.0", "APP_URL": "https://chat.example"}

# The environment of `chat-app run`, and the setting that the message must name first.
REFUSED: dict[str, tuple[str, dict[str, str]]] = {
    "development for the whole network": ("HOST", PUBLIC | {"REFLEX_ENV_MODE": "dev"}),
    "development under a public name": (
        "APP_URL",
        {"REFLEX_ENV_MODE": "dev", "APP_URL": "https://chat.example"},
    ),
    "test models for the whole network": ("FAKE_MODELS", PUBLIC | {"FAKE_MODELS": "true"}),
    "every origin": ("APP_ORIGINS", {"APP_ORIGINS": "*"}),
    "every origin, by Reflex's name": (
        "REFLEX_CORS_ALLOWED_ORIGINS",
        {"REFLEX_CORS_ALLOWED_ORIGINS": "*"},
    ),
    "a public host without a URL": ("APP_URL", {"HOST": "0.0.0.0"}),
    "a short secret": ("AUTH_SECRET", {"AUTH_SECRET": "nV2xQ8"}),
    "a secret from an example": (
        "AUTH_SECRET",
        {"AUTH_SECRET": "please-change-me-9f2c71d04b8e55a3"},
    ),
    "a secret of one repeated word": ("AUTH_SECRET", {"AUTH_SECRET": "x9Q2mV7b" * 5}),
    "a secret of few different characters": (
        "AUTH_SECRET",
        {"AUTH_SECRET": "abacabadabacabaeabacabadabacabaf"},
    ),
    "a codespace": (
        "GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN",
        {"GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN": "evil.example"},
    ),
    "a list of every page": (
        "REFLEX_ADD_ALL_ROUTES_ENDPOINT",
        {"REFLEX_ADD_ALL_ROUTES_ENDPOINT": "true"},
    ),
    "states on the disk": ("REFLEX_STATE_MANAGER_MODE", {"REFLEX_STATE_MANAGER_MODE": "disk"}),
    "states in Redis": ("REFLEX_REDIS_URL", {"REFLEX_REDIS_URL": "redis://10.0.0.1"}),
    "polling, which does not check the origin": (
        "REFLEX_TRANSPORT",
        {"REFLEX_TRANSPORT": "polling"},
    ),
    "another host, by Reflex's name": ("REFLEX_BACKEND_HOST", {"REFLEX_BACKEND_HOST": "::"}),
    "pages and server on two sites": (
        "REFLEX_API_URL (https://chat.fly.dev) is on another site",
        {"APP_URL": "https://chat.reflex.run", "REFLEX_API_URL": "https://chat.fly.dev"},
    ),
    "closed sign-up, misspelt": ("SIGNUP", {"SIGNUP": "closed"}),
    "counted proxies, misspelt": ("TRUSTED_PROXY_HOP", {"TRUSTED_PROXY_HOP": "1"}),
    "trusted proxies, by Reflex's name": (
        "REFLEX_TRUSTED_PROXY_HOPS",
        {"REFLEX_TRUSTED_PROXY_HOPS": "2"},
    ),
}


def start(
    arguments: tuple[str, ...], data: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Start the program as an operator would; it must exit by itself."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(data), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("case", REFUSED)
def test_an_unsafe_start_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    name, environment = REFUSED[case]
    done = run_command("run", folder=tmp_path, given=environment)
    (line,) = done.err.splitlines()
    assert (done.code, done.out) == (2, "")
    assert line.startswith(f"chat-app: Invalid setting. {name}")
    assert environment.get("AUTH_SECRET", "-" * 32) not in line
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (("chat_app.cli", "dev"), PUBLIC),
        (("reflex", "run"), PUBLIC),
        (("reflex", "run", "--backend-host", "0.0.0.0"), {}),
        (("reflex", "run", "--env", "prod"), {"REFLEX_STATE_MANAGER_MODE": "disk"}),
        (("reflex", "export"), {"REFLEX_ADD_ALL_ROUTES_ENDPOINT": "1"}),
        (("reflex", "run", "--env", "prod"), SPLIT),
        (("reflex", "run", "--env", "prod", "--frontend-only"), {}),
    ],
)
def test_every_start_command_refuses_unsafe_settings(
    arguments: tuple[str, ...], environment: dict[str, str], tmp_path: Path
) -> None:
    done = start(arguments, tmp_path / "data", environment)
    (line,) = done.stderr.splitlines()
    assert done.returncode in (1, 2)
    assert line.startswith("chat-app: ")


def test_a_truncated_key_file_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "secret").write_bytes(b"")
    done = start(("chat_app.cli", "run"), data, {})
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert line.startswith("chat-app: Invalid setting. DATA_DIR")
    assert [path.name for path in data.iterdir()] == ["secret"]


@pytest.mark.parametrize(
    "environment",
    [
        {"REFLEX_STATE_MANAGER_MODE": "memory"},
        {"REFLEX_ADD_ALL_ROUTES_ENDPOINT": "False"},
        {"REFLEX_TELEMETRY_ENABLED": "no"},
        {"REFLEX_REDIS_URL": " "},
        {"REFLEX_SSR": "true", "REFLEX_CHECK_LATEST_VERSION": "false"},
    ],
)
def test_a_value_that_changes_nothing_is_allowed(environment: dict[str, str]) -> None:
    assert forbidden_variable(environment) is None


@pytest.mark.parametrize("name", FORBIDDEN)
def test_every_forbidden_variable_is_refused(name: str) -> None:
    message = forbidden_variable({name: "everything"})
    assert message is not None
    assert message.startswith(f"{name}: ")
    assert "everything" not in message
