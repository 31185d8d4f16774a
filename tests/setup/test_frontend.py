import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chat_app.reflex_ext.build import BakedSettings
from chat_app.reflex_ext.page_folders import CLIENT, PageFolders
from chat_app.server.frontend import BuildFailed, build_digest, built_pages
from chat_app.settings import read_settings

ROOT = Path(__file__).parents[2]
BAKED = BakedSettings.of(read_settings(app_url="http://localhost:1"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("chat_app/pages/chat.py", "chat_app/components/text.jsx", "assets/style.css"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "rxconfig.py").write_text("")
    return tmp_path


def built(project: Path) -> None:
    """Let the pages be there, as they would be after a build."""
    (project / ".web" / CLIENT).mkdir(parents=True, exist_ok=True)
    PageFolders(project).add(build_digest(project, BAKED))


def is_built(project: Path, baked: BakedSettings) -> bool:
    return PageFolders(project).has(build_digest(project, baked))


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
    assert is_built(project, BAKED)
    path = project / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("changed")
    assert not is_built(project, BAKED)


@pytest.mark.parametrize(
    "given",
    [
        {"password_min_length": 12},
        {"message_bytes": 1_000},
        {"remember_device_days": 0},
        {"app_url": "http://127.0.0.1:3000"},
        {"app_url": "https://chat.example.com", "reflex_api_url": "https://api.example.com"},
    ],
)
def test_a_changed_setting_that_is_written_in_makes_a_new_page(
    project: Path, given: dict[str, Any]
) -> None:
    built(project)
    assert is_built(project, BakedSettings.of(read_settings(app_url="http://localhost:2")))
    assert not is_built(project, BakedSettings.of(read_settings(**given)))


def test_what_the_build_itself_writes_is_no_source(project: Path) -> None:
    built(project)
    linked = project / "assets" / "external" / "chat_app" / "text.jsx"
    linked.parent.mkdir(parents=True)
    linked.write_text("a link of Reflex's")
    (project / "data").mkdir()
    (project / "data" / "chat.db").write_text("")
    assert is_built(project, BAKED)


def test_a_renamed_source_makes_a_new_page(project: Path) -> None:
    built(project)
    (project / "assets" / "style.css").rename(project / "assets" / "other.css")
    assert not is_built(project, BAKED)


def test_a_page_that_was_removed_is_built_again(project: Path) -> None:
    built(project)
    (PageFolders(project).path(build_digest(project, BAKED)) / CLIENT).rmdir()
    assert not is_built(project, BAKED)


def test_a_failed_build_shows_what_it_said_and_leaves_no_page(project: Path) -> None:
    (project / "rxconfig.py").write_text("raise SystemExit('no such setting')")
    with pytest.raises(BuildFailed, match="no such setting"):
        built_pages(project, BAKED)
    assert not is_built(project, BAKED)


def test_a_build_that_changes_the_lock_is_made_from_what_it_wrote(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = project / "reflex.lock" / "package.json"
    lock.parent.mkdir()
    lock.write_text("{}")
    _reflex_that(project, monkeypatch, "Path('reflex.lock/package.json').write_text('[]')")
    built_pages(project, BAKED)
    assert lock.read_text() == "[]"
    assert is_built(project, BAKED)


def test_a_page_whose_sources_changed_meanwhile_is_built_again(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _reflex_that(project, monkeypatch, "open('chat_app/pages/chat.py', 'a').write('more')")
    built_pages(project, BAKED)
    assert not is_built(project, BAKED)


def test_a_build_ends_with_the_process_that_asked_for_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(project / "alive")
    _reflex_that(project, monkeypatch, "import signal; alive = open('alive', 'w'); signal.pause()")
    asking = (
        "import signal, sys; from pathlib import Path\n"
        "from chat_app.server.frontend import built_pages\n"
        "from chat_app.reflex_ext.build import baked_settings\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        "built_pages(Path(sys.argv[1]), baked_settings())"
    )
    process = subprocess.Popen([sys.executable, "-c", asking, str(project)], cwd=ROOT)
    with (project / "alive").open() as alive:  # opens when the build has
        process.terminate()
        assert alive.read() == ""  # ends when the build has
    assert process.wait() == 143


def test_building_for_another_server_leaves_the_pages_of_this_one(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _reflex_that(project, monkeypatch, "Path('.web/build/client/index.html').write_text('first')")
    first = built_pages(project, BAKED) / CLIENT / "index.html"
    (project / "assets" / "style.css").write_text("changed")
    _reflex_that(project, monkeypatch, "Path('.web/build/client/index.html').write_text('second')")
    builds: list[str] = []
    second = built_pages(project, BAKED, building=lambda: builds.append("a build"))
    assert (second / CLIENT / "index.html").read_text() == "second"
    assert first.read_text() == "first"
    assert built_pages(project, BAKED, building=lambda: builds.append("again")) == second
    assert builds == ["a build"]


def test_a_build_that_fails_leaves_the_pages_of_a_running_server(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _reflex_that(project, monkeypatch, "Path('.web/build/client/index.html').write_text('kept')")
    served = built_pages(project, BAKED) / CLIENT / "index.html"
    (project / "rxconfig.py").write_text("changed")
    _reflex_that(project, monkeypatch, "raise SystemExit('broken')")
    with pytest.raises(BuildFailed, match="broken"):
        built_pages(project, BAKED)
    assert served.read_text() == "kept"


def _reflex_that(project: Path, monkeypatch: pytest.MonkeyPatch, does: str) -> None:
    """Let the build run a stand-in that makes the folder of the page and something besides."""
    stand_in = project / "stand-in" / "reflex"
    stand_in.mkdir(parents=True, exist_ok=True)
    made = (
        "import shutil; from pathlib import Path\n"
        "shutil.rmtree('.web/build', ignore_errors=True)\n"
        "Path('.web/build/client').mkdir(parents=True)\n"
    )
    (stand_in / "__init__.py").write_text("")
    (stand_in / "__main__.py").write_text(made + does)
    monkeypatch.setenv("PYTHONPATH", str(stand_in.parent))
