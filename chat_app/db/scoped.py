"""The session that sees one person's rows: the machinery adds the `where`, not the author.

Statements are filtered per owned table, rows are checked before they are written, and whatever
would go around either is refused (security section 6).
"""

from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession


class Scope(Protocol):
    @property
    def user_id(self) -> UUID: ...
    @property
    def session_id(self) -> UUID: ...


class ScopedSession(AsyncSession):
    def __init__(self, engine: AsyncEngine, principal: Scope, *, read_only: bool = False) -> None:
        super().__init__(engine, expire_on_commit=False)
