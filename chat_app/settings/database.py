"""Where the program keeps what people write."""

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from chat_app.settings.urls import has_plain_port


class DatabaseSettings(BaseSettings):
    """Where it keeps things."""

    data_dir: Path = Field(Path("data"), description="The folder that one process owns.")
    database_url: str = Field(
        "",
        description="Empty means SQLite in DATA_DIR; postgresql://user:password@host/name works.",
    )

    @field_validator("database_url")
    @classmethod
    def _names_a_driver(cls, value: str) -> str:
        for prefix in ("postgres://", "postgresql://"):
            if value.startswith(prefix):
                value = "postgresql+psycopg://" + value.removeprefix(prefix)
        if value and not value.startswith(("postgresql+psycopg://", "sqlite+aiosqlite:///")):
            raise ValueError("must begin with postgresql:// (or be empty for SQLite)")
        if not has_plain_port(value):
            raise ValueError(
                "must look like postgresql://user:password@host:5432/name, with / ? # @ and : in "
                "the password written as %2F %3F %23 %40 and %3A"
            )
        return value

    @property
    def sqlite_path(self) -> Path | None:
        """The SQLite file, or None on another database."""
        if self.database_url.startswith("sqlite+aiosqlite:///"):
            return Path(self.database_url.removeprefix("sqlite+aiosqlite:///"))
        return None if self.database_url else self.data_dir / "chat.db"

    @property
    def sqlalchemy_url(self) -> str:
        """The URL the engine is made from."""
        path = self.sqlite_path
        return self.database_url if path is None else f"sqlite+aiosqlite:///{path}"
