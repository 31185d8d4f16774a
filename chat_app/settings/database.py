"""The data folder, the database, and how long deleted chats are kept.

SQLite in the data folder is the default. PostgreSQL works with one role, and with three it keeps
users' rows apart itself (`docs/postgresql.md`).
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from urllib.parse import unquote

from pydantic import Field, field_validator, model_validator

from chat_app.settings.validation import ConfigError, SettingsGroup, split_url

_POSTGRES = "postgresql+psycopg://"
_SQLITE = "sqlite+aiosqlite:///"


class DatabaseSettings(SettingsGroup):
    """Database."""

    data_dir: Path = Path("data")
    """The data folder; one running server owns it."""

    database_url: str = ""
    """Empty means SQLite in DATA_DIR; or postgresql://user:password@host/name."""

    database_system_url: str = ""
    """PostgreSQL: the same database, with a role of its own for sign-in, jobs and the log of
    answers. Empty means one role for everything."""

    database_admin_url: str = ""
    """PostgreSQL: the same database, with the role that owns the tables, for migrations only. The
    server does without it if `chat-app migrate` gets it."""

    deleted_days: int = Field(30, ge=1, le=36_500)
    """Days after which a deleted chat is removed for good."""

    client_reports_days: int = Field(90, ge=1, le=36_500)
    """Days after which what AssistantCloud's clients report is removed: runs, feedback, events and
    scores."""

    @field_validator("data_dir", mode="before")
    @classmethod
    def _is_named(cls, value: object) -> object:
        if value == "":  # it would be the folder of the program
            raise ValueError("must not be empty")
        return value

    @field_validator("database_url", "database_system_url", "database_admin_url")
    @classmethod
    def _use_psycopg(cls, value: str) -> str:
        for prefix in ("postgres://", "postgresql://"):
            if value.startswith(prefix):
                value = _POSTGRES + value.removeprefix(prefix)
        if value and not value.startswith((_POSTGRES, _SQLITE)):
            raise ValueError("must begin with postgresql:// (or be empty for SQLite)")
        if value in (_SQLITE, f"{_SQLITE}:memory:") or (value.startswith(_SQLITE) and "?" in value):
            raise ValueError("must name a file, for example sqlite+aiosqlite:////srv/chat.db")
        if split_url(value) is None:
            raise ValueError(
                "must look like postgresql://user:password@host:5432/name, with / ? # @ and : in "
                "the password written as %2F %3F %23 %40 and %3A"
            )
        return value

    @model_validator(mode="after")
    def _roles_agree(self) -> Self:
        if not self.database_system_url:
            if self.database_admin_url:
                raise ValueError("DATABASE_ADMIN_URL needs DATABASE_SYSTEM_URL, each with its role")
            return self
        roles: dict[str, str] = {}
        for name in ("DATABASE_URL", "DATABASE_SYSTEM_URL", "DATABASE_ADMIN_URL"):
            url = getattr(self, name.lower())
            if name == "DATABASE_ADMIN_URL" and not url:
                continue
            if not url.startswith(_POSTGRES):
                raise ValueError(f"{name} must begin with postgresql:// if there are several URLs")
            role = role_of(url)
            if not role:
                raise ValueError(f"{name} must name its role: postgresql://role:password@host/name")
            if role in roles:
                raise ValueError(f"{name} must have another role than {roles[role]}")
            roles[role] = name
        return self

    @property
    def sqlite_path(self) -> Path | None:
        """The SQLite file, or None with another database."""
        if self.database_url.startswith(_SQLITE):
            return Path(self.database_url.removeprefix(_SQLITE))
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
        """The URL for `create_async_engine`; with several roles, that of scoped sessions."""
        path = self.sqlite_path
        return self.database_url if path is None else f"{_SQLITE}{path}"

    @property
    def system_url(self) -> str:
        """The URL of system sessions and of the log of answers."""
        return self.database_system_url or self.sqlalchemy_url

    @property
    def migration_url(self) -> str | None:
        """The URL of migrations; None where the operator runs them, with another role."""
        if self.database_admin_url:
            return self.database_admin_url
        return None if self.database_system_url else self.sqlalchemy_url

    @property
    def has_one_role(self) -> bool:
        """Whether one role of PostgreSQL does everything, so that it sees every row."""
        return self.sqlite_path is None and not self.database_system_url


def role_of(url: str) -> str:
    """The role (user) in the URL of a database server; empty if it has none."""
    parts = split_url(url)
    return unquote(parts.username or "") if parts is not None else ""


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
