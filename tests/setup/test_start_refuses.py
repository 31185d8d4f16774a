"""What would open the program to strangers does not start it: each in a real process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chat_app.settings.forbidden_env import FORBIDDEN, forbidden_variable

ROOT = Path(__file__).parents[2]
PUBLIC = {"HOST": "0.0.0.0", "APP_URL": "https://chat.example"}

# What is given to `chat-app run`, and the setting that the one line must name first.
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
    "a public address without a name": ("APP_URL", {"HOST": "0.0.0.0"}),
    "a short secret": ("AUTH_SECRET", {"AUTH_SECRET": "nV2xQ8"}),
    "a secret from an example": (
        "AUTH_SECRET",
        {"AUTH_SECRET": "please-change-me-9f2c71d04b8e55a3"},
    ),
    "a secret of one word again and again": ("AUTH_SECRET", {"AUTH_SECRET": "x9Q2mV7b" * 5}),
    "a secret of few characters": (
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
    "states in somebody's Redis": ("REFLEX_REDIS_URL", {"REFLEX_REDIS_URL": "redis://10.0.0.1"}),
    "polling, which looks at no origin": ("REFLEX_TRANSPORT", {"REFLEX_TRANSPORT": "polling"}),
    "another address, by Reflex's name": ("REFLEX_BACKEND_HOST", {"REFLEX_BACKEND_HOST": "::"}),
    "believed proxies, by Reflex's name": (
        "REFLEX_TRUSTED_PROXY_HOPS",
        {"REFLEX_TRUSTED_PROXY_HOPS": "2"},
    ),
}


def start(
    arguments: tuple[str, ...], data: Path, given: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Start the program as a person would; it must end by itself."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(data), **given},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("what", REFUSED)
def test_a_start_that_would_open_the_door_is_refused_in_one_line(what: str, tmp_path: Path) -> None:
    name, given = REFUSED[what]
    done = start(("chat_app.cli", "run"), tmp_path / "data", given)
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert line.startswith(f"chat-app: Invalid setting. {name}")
    assert not any(given[secret] in line for secret in given if secret == "AUTH_SECRET")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        (("chat_app.cli", "dev"), PUBLIC),
        (("reflex", "run"), PUBLIC),
        (("reflex", "run", "--backend-host", "0.0.0.0"), {}),
        (("reflex", "run", "--env", "prod"), {"REFLEX_STATE_MANAGER_MODE": "disk"}),
        (("reflex", "export"), {"REFLEX_ADD_ALL_ROUTES_ENDPOINT": "1"}),
    ],
)
def test_no_other_way_to_start_goes_around_that(
    arguments: tuple[str, ...], given: dict[str, str], tmp_path: Path
) -> None:
    done = start(arguments, tmp_path / "data", given)
    (line,) = done.stderr.splitlines()
    assert done.returncode in (1, 2)
    assert line.startswith("chat-app: ")


def test_a_kept_key_that_was_cut_short_is_not_used(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "secret").write_bytes(b"")
    done = start(("chat_app.cli", "run"), data, {})
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert line.startswith("chat-app: Invalid setting. DATA_DIR")
    assert [path.name for path in data.iterdir()] == ["secret"]


@pytest.mark.parametrize(
    "given",
    [
        {"REFLEX_STATE_MANAGER_MODE": "memory"},
        {"REFLEX_ADD_ALL_ROUTES_ENDPOINT": "False"},
        {"REFLEX_TELEMETRY_ENABLED": "no"},
        {"REFLEX_REDIS_URL": " "},
        {"REFLEX_SSR": "true", "REFLEX_CHECK_LATEST_VERSION": "false"},
    ],
)
def test_what_changes_nothing_is_let_be(given: dict[str, str]) -> None:
    assert forbidden_variable(given) is None


@pytest.mark.parametrize("name", FORBIDDEN)
def test_every_name_that_would_overrule_the_settings_is_refused(name: str) -> None:
    said = forbidden_variable({name: "everything"})
    assert said is not None
    assert said.startswith(f"{name}: ")
    assert "everything" not in said
