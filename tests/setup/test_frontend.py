import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chat_app.server import frontend
from chat_app.server.frontend import (
    BuildFailed,
    RouteNotFound,
    SocketUrlNotFound,
    build,
    fingerprint,
    is_built,
    preload_route,
    use_page_origin,
)
from chat_app.settings import read_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("chat_app/pages/chat.py", "chat_app/components/text.jsx", "assets/style.css"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "rxconfig.py").write_text("")
    return tmp_path


def built(project: Path) -> None:
    (project / ".web" / "build" / "client").mkdir(parents=True, exist_ok=True)
    (project / ".web" / "build" / "made-from").write_text(fingerprint(project))


@pytest.mark.parametrize(
    "name",
    [
        "chat_app/pages/chat.py",
        "chat_app/components/text.jsx",
        "assets/style.css",
        "rxconfig.py",
        "reflex.lock/bun.lock",
        "assets/new.svg",
    ],
)
def test_a_changed_source_makes_a_new_page(project: Path, name: str) -> None:
    built(project)
    assert is_built(project)
    path = project / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("changed")
    assert not is_built(project)


@pytest.mark.parametrize(
    "given",
    [
        {"password_min_length": 12},
        {"message_bytes": 1_000},
        {"remember_device_days": 0},
        {"app_url": "http://127.0.0.1:3000"},
    ],
)
def test_a_changed_setting_that_is_written_in_makes_a_new_page(
    project: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]
) -> None:
    built(project)
    monkeypatch.setattr(frontend, "settings", lambda: read_settings(app_url="http://localhost:1"))
    assert is_built(project)
    monkeypatch.setattr(frontend, "settings", lambda: read_settings(**given))
    assert not is_built(project)


def test_what_the_build_itself_writes_is_no_source(project: Path) -> None:
    built(project)
    linked = project / "assets" / "external" / "chat_app" / "text.jsx"
    linked.parent.mkdir(parents=True)
    linked.write_text("a link of Reflex's")
    (project / "data").mkdir()
    (project / "data" / "chat.db").write_text("")
    assert is_built(project)


def test_a_renamed_source_makes_a_new_page(project: Path) -> None:
    built(project)
    (project / "assets" / "style.css").rename(project / "assets" / "other.css")
    assert not is_built(project)


def test_a_page_that_was_removed_is_built_again(project: Path) -> None:
    built(project)
    (project / ".web" / "build" / "client").rmdir()
    assert not is_built(project)


def test_a_failed_build_shows_what_it_said_and_leaves_no_page(project: Path) -> None:
    (project / "rxconfig.py").write_text("raise SystemExit('no such setting')")
    with pytest.raises(BuildFailed, match="no such setting"):
        build(project)
    assert not is_built(project)


def test_a_build_that_changes_the_lock_is_made_from_what_it_wrote(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = project / "reflex.lock" / "package.json"
    lock.parent.mkdir()
    lock.write_text("{}")
    _reflex_that(project, monkeypatch, "Path('reflex.lock/package.json').write_text('[]')")
    build(project)
    assert lock.read_text() == "[]"
    assert is_built(project)


def test_a_page_whose_sources_changed_meanwhile_is_built_again(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _reflex_that(project, monkeypatch, "open('chat_app/pages/chat.py', 'a').write('more')")
    build(project)
    assert not is_built(project)


def test_a_build_ends_with_the_process_that_asked_for_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(project / "alive")
    _reflex_that(project, monkeypatch, "import signal; alive = open('alive', 'w'); signal.pause()")
    asking = (
        "import signal, sys; from pathlib import Path\n"
        "from chat_app.server.frontend import build\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        "build(Path(sys.argv[1]))"
    )
    process = subprocess.Popen([sys.executable, "-c", asking, str(project)], cwd=ROOT)
    with (project / "alive").open() as alive:  # opens when the build has
        process.terminate()
        assert alive.read() == ""  # ends when the build has
    assert process.wait() == 143


def _reflex_that(project: Path, monkeypatch: pytest.MonkeyPatch, does: str) -> None:
    """Let the build run a stand-in that makes the folder of the page and something besides."""
    stand_in = project / "stand-in" / "reflex"
    stand_in.mkdir(parents=True)
    made = "from pathlib import Path\nPath('.web/build/client').mkdir(parents=True)\n"
    (stand_in / "__init__.py").write_text("")
    (stand_in / "__main__.py").write_text(made + does)
    monkeypatch.setenv("PYTHONPATH", str(stand_in.parent))


@pytest.mark.parametrize("quote", ["'", '"', "`"])
def test_the_built_page_talks_to_where_it_came_from(tmp_path: Path, quote: str) -> None:
    script = tmp_path / "assets" / "env.js"
    script.parent.mkdir()
    script.write_text(
        f"var e={{PING:{quote}http://localhost:3000/ping{quote},"
        f"EVENT:{quote}ws://localhost:3000/_event{quote}}},t='see http://localhost:3000/x'"
    )
    use_page_origin(tmp_path, "http://localhost:3000")
    assert script.read_text() == (
        'var e={PING:(location.origin+"/ping"),EVENT:(location.origin+"/_event")},'
        "t='see http://localhost:3000/x'"
    )


def test_a_public_address_is_replaced_as_well(tmp_path: Path) -> None:
    script = tmp_path / "env.js"
    script.write_text('a="wss://chat.example/_event"')
    use_page_origin(tmp_path, "https://chat.example")
    assert script.read_text() == 'a=(location.origin+"/_event")'


def test_another_port_is_not_ours(tmp_path: Path) -> None:
    script = tmp_path / "env.js"
    script.write_text('a="ws://localhost:30001/_event"')
    with pytest.raises(SocketUrlNotFound):
        use_page_origin(tmp_path, "http://localhost:3000")
    assert script.read_text() == 'a="ws://localhost:30001/_event"'


def _built(folder: Path) -> Path:
    chat = {"module": "/assets/chat-1.js", "imports": ["/assets/state-2.js", "/assets/text-3.js"]}
    manifest = folder / "assets" / "manifest-0.js"
    manifest.parent.mkdir()
    listed = {"entry": {}, "routes": {"routes/chat": chat}}
    manifest.write_text(f"window.__reactRouterManifest={json.dumps(listed)};")
    page = folder / "__spa-fallback.html"
    link = '<link rel="modulepreload" href="/assets/state-2.js"/>'
    page.write_text(f"<html><head>{link}</head><body></body></html>")
    return page


def test_a_chats_address_loads_every_script_at_once(tmp_path: Path) -> None:
    page = _built(tmp_path)
    preload_route(tmp_path, "routes/chat")
    found = re.findall(r'<link rel="modulepreload" href="([^"]+)"/>', page.read_text())
    assert found == ["/assets/state-2.js", "/assets/chat-1.js", "/assets/text-3.js"]
    assert page.read_text().endswith("</head><body></body></html>")


def test_a_build_without_the_chat_is_told(tmp_path: Path) -> None:
    _built(tmp_path)
    with pytest.raises(RouteNotFound):
        preload_route(tmp_path, "routes/other")
