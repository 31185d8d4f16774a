"""Locks of files between processes; two open files of one process are as two processes' are."""

import os
from pathlib import Path

import pytest

import chat_app
from chat_app.core.file_locks import open_locked


def test_one_process_holds_a_file_until_it_is_closed(tmp_path: Path) -> None:
    first = open_locked(tmp_path / "lock")
    for shared in (True, False):
        with pytest.raises(BlockingIOError):
            open_locked(tmp_path / "lock", shared=shared)
    os.close(first)
    os.close(open_locked(tmp_path / "lock"))
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_several_hold_a_shared_file_and_none_of_them_alone(tmp_path: Path) -> None:
    held = [open_locked(tmp_path / "lock", shared=True) for _ in range(2)]
    with pytest.raises(BlockingIOError):
        open_locked(tmp_path / "lock")
    for file in held:
        os.close(file)


def test_a_refused_lock_leaves_no_file_open(tmp_path: Path) -> None:
    held = open_locked(tmp_path / "lock")
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(BlockingIOError):
        open_locked(tmp_path / "lock")
    assert len(os.listdir("/proc/self/fd")) == before
    os.close(held)


def test_a_missing_file_is_not_created_unless_asked(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_locked(tmp_path / "lock", create=False)
    assert not list(tmp_path.iterdir())


def test_no_other_module_locks_files() -> None:
    sources = Path(chat_app.__file__).parent.rglob("*.py")
    assert [one.name for one in sources if "fcntl" in one.read_text()] == ["file_locks.py"]
