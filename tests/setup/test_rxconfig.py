import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SHOW = """
import json
from reflex_base.config import get_config
config = get_config()
names = ["api_url", "deploy_url", "frontend_port", "backend_port", "backend_host",
         "telemetry_enabled", "show_built_with_reflex", "transport", "cors_allowed_origins",
         "frozen_lockfile"]
shown = {name: getattr(config, name) for name in names}
shown["state"] = config.state_manager_mode.value
from reflex.utils import exec, processes
free = lambda *_: False
processes.is_process_on_port = free
shown["taken"] = [processes.handle_port(one, 4999, True) for one in ("frontend", "backend")]
exec.notify_frontend("http://127.0.0.1:4999/", True)
exec.notify_backend()
print(json.dumps(shown, default=list))
"""


def config(**env: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", SHOW],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    *printed, shown = done.stdout.splitlines()
    return {**json.loads(shown), "printed": printed}


@pytest.mark.parametrize("mode", ["", "dev", "preview", "prod"])
def test_reflex_is_quiet_local_and_keeps_its_lock(mode: str) -> None:
    found = config(**({"REFLEX_ENV_MODE": mode} if mode else {}))
    assert found["telemetry_enabled"] is False
    assert found["show_built_with_reflex"] is False
    assert found["backend_host"] == "127.0.0.1"
    assert found["state"] == "memory"
    assert found["transport"] == "websocket"
    assert found["frozen_lockfile"] is True
    assert found["cors_allowed_origins"]
    assert "*" not in found["cors_allowed_origins"]


def test_reflex_takes_the_ports_it_is_told_and_prints_the_addresses_that_answer() -> None:
    dev = config(REFLEX_ENV_MODE="dev", PORT="3100")
    assert (dev["frontend_port"], dev["backend_port"]) == (3100, 8000)
    assert dev["taken"] == [3100, 8000]
    pages, note, backend = dev["printed"]
    assert note.startswith("For development on this machine: ")
    assert "http://localhost:3100/" in pages
    assert "http://localhost:8000" in backend
    served = config(REFLEX_ENV_MODE="prod", PORT="3100")
    assert (served["frontend_port"], served["backend_port"]) == (3100, 3100)
    assert served["taken"] == [3100, 3100]
    (page,) = served["printed"][:-1]
    assert "http://localhost:3100/" in page


def test_a_server_without_pages_prints_its_own_address_and_the_pages_are_told_theirs() -> None:
    given = {"APP_URL": "http://app.chat.localhost:3100"}
    given["REFLEX_API_URL"] = "http://api.chat.localhost:3200"
    served = config(REFLEX_ENV_MODE="prod", PORT="3200", REFLEX_BACKEND_ONLY="true", **given)
    assert (served["api_url"], served["deploy_url"]) == (given["REFLEX_API_URL"], given["APP_URL"])
    assert set(served["cors_allowed_origins"]) == set(given.values())
    assert "http://api.chat.localhost:3200/" in served["printed"][0]
    pages = config(REFLEX_ENV_MODE="prod", PORT="3100", REFLEX_FRONTEND_ONLY="true", **given)
    assert "http://app.chat.localhost:3100/" in pages["printed"][0]


def test_a_command_line_port_is_not_refused_before_the_mode_is_known() -> None:
    # `--backend-only` exits when the configuration names a front-end port by then.
    found = config()
    assert (found["frontend_port"], found["backend_port"]) == (None, None)


def test_a_wrong_setting_stops_reflex_with_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import rxconfig"],
        cwd=ROOT,
        env={"PORT": "eighty", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("chat-app: PORT")


WRITE_THE_LOCK = """
import rxconfig, importlib
from reflex.utils import frontend_skeleton
importlib.reload(rxconfig)  # as Reflex does
frontend_skeleton.sync_web_lockfiles_to_root()
"""


@pytest.mark.parametrize(
    ("built", "kept"),
    [
        ('{"b": 1, "a": {}}', '{\n  "a": {},\n  "b": 1\n}'),
        ('{"a": {}, "b": 2}', '{"a": {}, "b": 2}'),
        ('{"a": {}, "b": 1', '{"a": {}, "b": 1'),
    ],
)
def test_the_lock_is_written_when_its_content_changes(
    built: str, kept: str, tmp_path: Path
) -> None:
    lock = tmp_path / "reflex.lock" / "package.json"
    as_committed = '{\n  "a": {},\n  "b": 1\n}'
    for path, text in ((tmp_path / ".web" / "package.json", built), (lock, as_committed)):
        path.parent.mkdir()
        path.write_text(text)
    subprocess.run(
        [sys.executable, "-c", WRITE_THE_LOCK],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=120,
        check=True,
    )
    assert lock.read_text() == kept
