"""A full disk: the reserve is released, and what people need goes on."""

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlmodel import col, delete, select, update

from chat_app.core.errors import DatabaseFull
from chat_app.db.disk_reserve import RESERVE_BYTES, ROOM_BYTES, DiskReserve
from chat_app.db.engine import Database
from chat_app.db.statements import INSERT_EVENT
from chat_app.db.tables import AuthSession, OneTimeToken, Picture, Thread, User
from chat_app.settings import read_settings
from testing.database import only_sqlite
from testing.full_disk import PLENTY, Disk, fill, token_row
from testing.owned_rows import Person

SIZE = 100_000
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "reserve"


def prepared(file: Path) -> DiskReserve:
    reserve = DiskReserve(file, SIZE)
    reserve.prepare()
    return reserve


def test_the_reserve_is_16_mb_of_the_disk_itself_and_private(tmp_path: Path) -> None:
    file = tmp_path / "reserve"
    DiskReserve(file).prepare()
    status = file.stat()
    assert status.st_size == RESERVE_BYTES == 16 * 2**20
    assert status.st_blocks * 512 >= RESERVE_BYTES  # no hole
    assert status.st_mode & 0o777 == 0o600


def test_without_fallocate_it_is_written(
    file: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "posix_fallocate")
    prepared(file)
    assert len(set(file.read_bytes())) == 256


def test_where_the_file_system_cannot_allocate_it_is_written(
    file: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_arguments: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unsupported)
    assert not prepared(file).is_in_use()
    assert len(set(file.read_bytes())) == 256


def test_databases_in_one_folder_share_no_reserve(tmp_path: Path) -> None:
    paths = [
        read_settings(data_dir=tmp_path, database_url=url).reserve_path
        for url in ("", *(f"sqlite+aiosqlite:///{tmp_path / name}" for name in ("a.db", "b.db")))
    ]
    assert paths == [tmp_path / name for name in ("reserve", "a.db-reserve", "b.db-reserve")]


def test_it_is_released_once_and_made_anew_when_there_is_room(file: Path, disk: Disk) -> None:
    reserve = prepared(file)
    disk.free = 0
    assert not reserve.is_in_use()
    reserve.release()
    reserve.release()
    assert not file.exists()
    disk.free = SIZE + ROOM_BYTES - 1  # what it held itself is no room
    assert reserve.is_in_use()
    disk.free = SIZE + ROOM_BYTES
    assert not reserve.is_in_use()
    assert file.stat().st_size == SIZE


def test_a_start_on_a_full_disk_is_with_the_reserve_in_use(file: Path, disk: Disk) -> None:
    disk.free = SIZE
    assert prepared(file).is_in_use()
    assert not file.exists()
    disk.free = PLENTY
    prepared(file)
    disk.free = 0  # filled while the server was stopped
    assert prepared(file).is_in_use()
    assert not file.exists()


def test_a_reserve_of_another_size_is_made_anew(file: Path, disk: Disk) -> None:
    file.write_bytes(b"a part")
    assert not prepared(file).is_in_use()
    assert file.stat().st_size == SIZE


def test_a_disk_that_is_full_after_all_keeps_no_part(
    file: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    assert prepared(file).is_in_use()
    assert not file.exists()


@pytest.fixture
async def full(db: Database, alice: Person, disk: Disk, file: Path) -> Database:
    """A database whose disk has just been found full."""
    db.keep_reserve(file)
    assert db.writes == "ok"
    disk.free = 0

    await fill(db)
    return db


@only_sqlite
async def test_on_a_full_disk_sign_in_reading_deleting_and_purging_go_on(
    full: Database, alice: Person
) -> None:
    assert full.writes == "reserve"
    async with full.read(alice.principal) as session:
        assert (await session.exec(select(Thread.title))).one() == "alice thread"
    async with full.system("auth", write=True) as session:  # what a sign-in writes
        session.add(OneTimeToken(**token_row("a challenge")))
    async with full.system("auth", write=True) as session:  # and a sign-out
        await session.exec(update(AuthSession).values(revoked_reason="signed_out"))
    async with full.write(alice.principal) as session:
        await session.exec(update(Thread).values(title="renamed"))
        await session.exec(delete(Thread).where(col(Thread.title) == "renamed"))
    async with full.system("sweep", write=True) as session:
        await session.exec(delete(OneTimeToken))
    await full.vacuum()


@only_sqlite
async def test_on_a_full_disk_nothing_is_added_that_needs_room(
    full: Database, alice: Person, disk: Disk
) -> None:
    async def add_thread() -> None:
        async with full.write(alice.principal) as session:
            session.add(Thread(owner_id=alice.principal.user_id))

    async def add_user() -> None:
        async with full.system("auth", write=True) as session:
            session.add(User(email="new@chat.example"))

    async def add_picture() -> None:
        async with full.system("auth", write=True) as session:
            user_id = alice.principal.user_id
            session.add(
                Picture(user_id=user_id, media_type="", digest="", content=b"", updated_at=NOW)
            )

    async def add_events() -> None:
        await full.system_transact("run log", lambda t: t.run_each(INSERT_EVENT, [{"seq": 1}]))

    for add in (add_thread, add_user, add_picture, add_events):
        with pytest.raises(DatabaseFull) as refused:
            await add()
        assert refused.value.status == 507
    disk.free = PLENTY
    await add_thread()
    assert full.writes == "ok"


async def test_a_database_without_a_reserve_is_as_before(db: Database, alice: Person) -> None:
    assert db.writes == "ok"
    async with db.write(alice.principal) as session:
        session.add(Thread(owner_id=alice.principal.user_id))
