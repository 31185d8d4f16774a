"""Four people do random things; each must always see exactly what a model says they own.

The same machine then runs on mutants that each lack one wall, and must notice.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateTable
from sqlmodel import col, delete, select, update

from chat_app.auth.principal import Principal
from chat_app.db import engine as engine_module
from chat_app.db import scoped
from chat_app.db.engine import Database
from chat_app.db.errors import Refused
from chat_app.db.scoped import ScopedSession, SyncScopedSession
from chat_app.db.tables import Message, Thread, User, metadata
from tests.db.shapes import SHAPES, Owns, flat

PEOPLE = tuple(Principal(UUID(int=number), UUID(int=number)) for number in range(1, 5))

person = st.sampled_from(PEOPLE)
titles = st.text("tuvw", min_size=1, max_size=3)
picks = st.integers(0, 30)


def _pick(rows: dict[UUID, Any], pick: int) -> UUID:
    """One of the rows, anybody's; or an id that nobody has."""
    known = list(rows)
    return known[pick % len(known)] if known else UUID(int=0)


class Isolation(RuleBasedStateMachine):
    """The database and the model of it, side by side."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        shutil.copy(self.template, self.folder / "chat.db")
        self.loop = asyncio.Runner()
        self.db = Database(f"sqlite+aiosqlite:///{self.folder / 'chat.db'}")
        self.threads: dict[UUID, tuple[Principal, str]] = {}
        self.messages: dict[UUID, tuple[Principal, UUID]] = {}

    def teardown(self) -> None:
        self.run(self.db.close())
        self.loop.close()
        shutil.rmtree(self.folder)

    def run[T](self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(work)
