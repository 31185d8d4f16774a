"""The data folder, the database, and how long deleted chats are kept.

SQLite in the data folder is the default; PostgreSQL works with psycopg.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, field_validator

from chat_app.settings.validation import ConfigError, SettingsGroup, split_url


class DatabaseSettings(SettingsGroup):
    """Database."""

    data_dir: Path = Path("data")
    """The data folder; one running server owns it."""

    database_url: str = ""
    """Empty means SQLite in DATA_DIR; or postgresql://user:password@host/name."""

    deleted_days: int = Field(30, ge=1)
    """Days after which a deleted chat is removed for good."""

    @field_validator("database_url")
    @classmethod
    def _use_psycopg(cls, value: str) -> str:
        for prefix in ("postgres://", "postgresql://"):
            if value.startswith(prefix):
                value = "postgresql+psycopg://" + value.removeprefix(prefix)
        if value and not value.startswith(("postgresql+psycopg://", "sqlite+aiosqlite:///")):
            raise ValueError("must begin with postgresql:// (or be empty for SQLite)")
        if value in ("sqlite+aiosqlite:///", "sqlite+aiosqlite:///:memory:"):
            raise ValueError("must name a file, for example sqlite+aiosqlite:////srv/chat.db")
        if split_url(value) is None:
            raise ValueError(
                "must look like postgresql://user:password@host:5432/name, with / ? # @ and : in "
                "the password written as %2F %3F %23 %40 and %3A"
            )
        return value

    @property
    def sqlite_path(self) -> Path | None:
        """The SQLite file, or None with another database."""
        if self.database_url.startswith("sqlite+aiosqlite:///"):
            return Path(self.database_url.removeprefix("sqlite+aiosqlite:///"))
        return None if self.database_url else self.data_dir / "chat.db"

    @property
    def reserve_path(self) -> Path | None:
        """The disk reserve of a SQLite file; it shares none with other databases in its folder."""
        path = self.sqlite_path
        if path is None:
            return None
        return path.with_name(f"{path.name}-reserve" if self.database_url else "reserve")

    @property
    def private_paths(self) -> tuple[Path, ...]:
        """What belongs to users and must not leave this machine with the program."""
        database = self.sqlite_path
        names = ("", "-wal", "-shm", "-journal")
        beside = [database.with_name(database.name + name) for name in names] if database else []
        # The default folder too: it may be left from before DATA_DIR was set.
        folders = (self.data_dir, Path("data"), Path("uploaded_files"))
        return (*folders, *beside, *([self.reserve_path] if self.reserve_path else []))

    @property
    def sqlalchemy_url(self) -> str:
        """The URL for `create_async_engine`."""
        path = self.sqlite_path
        return self.database_url if path is None else f"sqlite+aiosqlite:///{path}"


@contextlib.contextmanager
def using_data_dir(path: Path) -> Iterator[None]:
    """Around work on files of the data folder: an error of the file system names DATA_DIR.

    Args:
        path: The folder.

    Raises:
        ConfigError: The folder cannot be used.
    """
    try:
        yield
    except (FileExistsError, NotADirectoryError):
        raise ConfigError(f"DATA_DIR: {path} is not a folder") from None
    except OSError as error:
        raise ConfigError(f"DATA_DIR: {path} cannot be used: {error.strerror}") from error
