"""One process owns the data folder, and only its user reads it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from chat_app.db.errors import DataFolderInUse

from chat_app.db.data_folder import DataFolder, make_private_file

OWNER = """
import sys
from pathlib import Path
from chat_app.db.data_folder import DataFolder
DataFolder(Path(sys.argv[1])).lock()
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def _another_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def test_a_folder_owned_by_another_process_is_a_sentence_that_names_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with _another_process(folder) as process, pytest.raises(DataFolderInUse) as refused:
        DataFolder(folder).lock()
    assert refused.value.message == (
        f"Another process (process {process.pid}) is using the data folder {folder}; "
        "stop it or set DATA_DIR to another folder."
    )


def test_a_killed_owner_leaves_nothing_to_clean_up(tmp_path: Path) -> None:
    with _another_process(tmp_path):
        pass
    with DataFolder(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_folder_can_be_given_back_and_taken_again(tmp_path: Path) -> None:
    first, second = DataFolder(tmp_path), DataFolder(tmp_path)
    first.lock()
    first.lock()
    with pytest.raises(DataFolderInUse):
        second.lock()
    first.unlock()
    first.unlock()
    second.lock()
    second.unlock()


def test_the_folder_and_its_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "data"
    with _umask(0), DataFolder(folder):
        make_private_file(folder / "chat.db")
    assert folder.stat().st_mode & 0o777 == 0o700
    for file in folder.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file


def test_an_open_folder_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)
    with DataFolder(folder):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_private_file_that_exists_keeps_what_it_holds(tmp_path: Path) -> None:
    file = tmp_path / "chat.db"
    file.write_text("kept")
    make_private_file(file)
    assert file.read_text() == "kept"
