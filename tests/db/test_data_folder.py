"""One process owns the data folder, and only its user reads it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from chat_app.db.data_folder import DataFolderInUse, lock_data_folder, make_private_file
from chat_app.settings import ConfigError

OWNER = """
import sys
from pathlib import Path
from chat_app.db.data_folder import lock_data_folder
with lock_data_folder(Path(sys.argv[1])):
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
    with (
        _another_process(folder) as process,
        pytest.raises(DataFolderInUse) as refused,
        lock_data_folder(folder),
    ):
        pass
    assert refused.value.message == (
        f"Another process (process {process.pid}) is using the data folder {folder}; "
        "stop it or set DATA_DIR to another folder."
    )


def test_a_killed_owner_leaves_nothing_to_clean_up(tmp_path: Path) -> None:
    with _another_process(tmp_path):
        pass
    with lock_data_folder(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_folder_can_be_given_back_and_taken_again(tmp_path: Path) -> None:
    with lock_data_folder(tmp_path), pytest.raises(DataFolderInUse), lock_data_folder(tmp_path):
        pass
    with lock_data_folder(tmp_path):
        pass


def _fail(folder: Path, *, writes: str = "") -> None:
    """A command that owns the folder and fails."""
    with suppress(LookupError), lock_data_folder(folder):
        if writes:
            (folder / writes).touch()
        raise LookupError


def test_a_folder_that_was_made_for_a_command_that_fails_is_removed(tmp_path: Path) -> None:
    _fail(tmp_path / "new" / "data")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_there_or_holds_something_stays_when_a_command_fails(
    tmp_path: Path,
) -> None:
    (tmp_path / "old").mkdir()
    _fail(tmp_path / "old")
    _fail(tmp_path / "new", writes="chat.db")
    assert {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*")} == {
        *("old", "old/lock"),
        *("new", "new/lock", "new/chat.db"),
    }


def test_a_path_that_is_no_folder_is_one_sentence_that_names_the_setting(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.touch()
    for path in (file, file / "below"):
        with pytest.raises(ConfigError, match=r"^DATA_DIR: .* is not a folder$"):
            lock_data_folder(path).__enter__()


def test_a_folder_that_cannot_be_made_is_one_sentence_that_says_why() -> None:
    path = Path("/proc/chat-app")  # nobody can create a folder there
    message = f"DATA_DIR: {path} cannot be used: No such file or directory"
    with pytest.raises(ConfigError, match=message):
        lock_data_folder(path).__enter__()


def test_the_folder_and_its_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "data"
    with _umask(0), lock_data_folder(folder):
        make_private_file(folder / "chat.db")
    assert folder.stat().st_mode & 0o777 == 0o700
    for file in folder.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file


def test_an_open_folder_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)
    with lock_data_folder(folder):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_private_file_that_exists_keeps_what_it_holds(tmp_path: Path) -> None:
    file = tmp_path / "chat.db"
    file.write_text("kept")
    make_private_file(file)
    assert file.read_text() == "kept"
