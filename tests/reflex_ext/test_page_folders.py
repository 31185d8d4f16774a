"""Each build has a folder of its own, which stays for as long as a server serves it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chat_app.reflex_ext import build
from chat_app.reflex_ext.build import SERVING, serve_pages, served_pages
from chat_app.reflex_ext.page_folders import CLIENT, PageFolders

ROOT = Path(__file__).parents[2]


def _build(root: Path, text: str) -> None:
    """What Reflex leaves after a build."""
    for name in ("build/client/index.html", "backend/stateful_pages.json"):
        path = root / ".web" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _add(folders: PageFolders, root: Path, name: str, age: int) -> Path:
    _build(root, name)
    path = folders.add(name)
    os.utime(path, (10**9 - age, 10**9 - age))
    return path


def test_the_last_builds_and_those_in_use_are_kept(tmp_path: Path) -> None:
    folders = PageFolders(tmp_path)
    paths = [_add(folders, tmp_path, f"build-{age}", age) for age in range(6)]
    holder = (
        "import sys; from pathlib import Path\n"
        "from chat_app.reflex_ext.page_folders import PageFolders\n"
        "PageFolders(Path(sys.argv[1])).hold('build-5')\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        os.utime(paths[5], (1, 1))
        folders.remove_unused()
        assert [path.exists() for path in paths] == [True, True, True, False, False, True]
        process.kill()
        process.wait()
    folders.remove_unused()
    assert not paths[5].exists()


def test_what_a_killed_process_left_half_copied_is_no_build(tmp_path: Path) -> None:
    folders = PageFolders(tmp_path)
    part = folders.path("one")
    part.mkdir(parents=True)
    (part / "rest").touch()
    assert not folders.has("one")
    _build(tmp_path, "whole")
    assert (folders.add("one") / CLIENT / "index.html").read_text() == "whole"
    assert not (part / "rest").exists()


@pytest.fixture
def serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in SERVING.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(build, "_served", None)
    return tmp_path


def test_pages_of_reflex_run_are_copied_before_they_are_served(serving: Path) -> None:
    _build(serving, "as it was at the start")
    with served_pages() as pages:
        assert pages is not None
        assert Path(os.environ["REFLEX_WEB_WORKDIR"]) / CLIENT == pages
    assert "REFLEX_WEB_WORKDIR" not in os.environ
    _build(serving, "built again")
    assert (pages / "index.html").read_text() == "as it was at the start"


def test_the_program_serves_the_folder_that_it_is_given(serving: Path) -> None:
    serve_pages(serving / "some")
    with served_pages() as pages:
        assert pages == serving / "some" / CLIENT
        assert os.environ["REFLEX_WEB_WORKDIR"] == str(serving / "some")


def test_development_and_preview_serve_what_reflex_builds(
    serving: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("__REFLEX_SKIP_COMPILE")
    with served_pages() as pages:
        assert pages == Path(".web/build/client")
        assert "REFLEX_WEB_WORKDIR" not in os.environ
    monkeypatch.delenv("__REFLEX_MOUNT_FRONTEND_COMPILED_APP")
    with served_pages() as pages:
        assert pages is None
