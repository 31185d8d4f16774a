import subprocess
import sys
from pathlib import Path

import pytest

from setup import chromium, install

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(install, "ROOT", tmp_path)
    monkeypatch.setattr(install, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(install, "PYTHON", tmp_path / ".venv" / "bin" / "python")
    (tmp_path / ".venv").mkdir()
    (tmp_path / "requirements.txt").write_text("one==1\n")
    return tmp_path


class Work:
    """Counts how often it is done."""

    def __init__(self, *, succeeds: bool = True) -> None:
        self.times = 0
        self.succeeds = succeeds

    def __call__(self) -> bool:
        self.times += 1
        return self.succeeds


def test_nothing_is_installed_again_until_its_file_changes(project: Path) -> None:
    work = Work()
    install.once("requirements.txt", work)
    install.once("requirements.txt", work)
    assert work.times == 1
    (project / "requirements.txt").write_text("one==2\n")
    install.once("requirements.txt", work)
    assert work.times == 2


def test_another_python_installs_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work()
    install.once("requirements.txt", work)
    monkeypatch.setattr(sys, "version", "9.9.9")
    install.once("requirements.txt", work)
    assert work.times == 2


def test_what_did_not_work_is_tried_again(project: Path) -> None:
    work = Work(succeeds=False)
    install.once("requirements.txt", work)
    install.once("requirements.txt", work)
    assert work.times == 2


def test_an_old_python_is_refused_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    with pytest.raises(SystemExit, match=r"Python 3\.11 or newer is needed"):
        install.main([])


def test_a_python_without_environments_says_what_to_install(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(install.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match="apt install python3-venv"):
        install.make_environment()


def test_a_shim_without_its_program_does_not_count(tmp_path: Path) -> None:
    shim = tmp_path / "uv"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    assert not install.works(str(shim))
    assert not install.works(str(tmp_path / "missing"))
    assert install.works(sys.executable)


def test_installing_needs_nothing_but_the_standard_library() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", "import runpy; runpy.run_path('setup/install.py')"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_named_chromium_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("mine", "google-chrome", "chromium-browser"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    assert chromium.find() == str(tmp_path / "chromium-browser")
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "mine"))
    assert chromium.find() == str(tmp_path / "mine")
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "gone"))
    assert chromium.find() == str(tmp_path / "chromium-browser")
    (tmp_path / "mine").rename(tmp_path / chromium.HEADLESS)
    assert chromium.find() == str(tmp_path / chromium.HEADLESS)
    assert chromium.find(has_window=True) == str(tmp_path / "chromium-browser")
    monkeypatch.setenv("PATH", "")
    assert chromium.find() is None


@pytest.mark.parametrize(
    ("is_there", "is_available"), [(True, True), (True, False), (False, True), (False, False)]
)
def test_a_chromium_without_a_window_is_installed_where_that_is_possible(
    is_there: bool,
    is_available: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    commands: list[tuple[str, ...]] = []

    def run(*command: str) -> None:
        commands.append(command)
        if command[:2] == ("apt-get", "install"):
            if command[-1] == chromium.HEADLESS and not is_available:
                raise subprocess.CalledProcessError(100, command)
            (tmp_path / command[-1]).touch(mode=0o755)

    if is_there:
        (tmp_path / "chromium").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(chromium, "has_packages", lambda: True)
    monkeypatch.setattr(chromium, "is_in_playwright", lambda: False)
    monkeypatch.setattr(chromium, "_run", run)
    monkeypatch.setattr(chromium, "TRIED", tmp_path / "done" / "chromium")
    for _ in range(2):
        chromium.main()
        assert commands.count(("apt-get", "update")) == 1
    expected = chromium.HEADLESS if is_available else "chromium"
    assert capsys.readouterr().out == f"{tmp_path / expected}\n" * 2
