"""The site role of a user of a running program, changed at once as the command line changes it."""

import json
import sqlite3
from contextlib import closing
from uuid import UUID

from chat_app.core.control import tell_server
from chat_app.core.signals import ROLES
from testing.program import Program


async def set_site_role(program: Program, email: str, role: str) -> None:
    """Change the row, and tell the program; a command would need seconds to start.

    Args:
        program: It uses SQLite.
        email: The user's.
        role: `admin`, or nothing.
    """
    program.behind_its_back("UPDATE user SET role = ? WHERE email = ?", role, email)
    await tell_roles_changed(program, email)


async def tell_roles_changed(program: Program, email: str) -> None:
    """Tell a program that roles of a user were changed in its database."""
    (path,) = program.data_folder.glob("*.db")
    with closing(sqlite3.connect(path, timeout=30)) as db:
        (user_id,) = db.execute("SELECT id FROM user WHERE email = ?", (email,)).fetchone()
    signal = {"kind": "roles_changed", "user_id": str(UUID(user_id))}
    program.behind_its_back(
        "INSERT INTO outbox_signal (topic, signal, created_at) "
        "VALUES (?, ?, '2026-01-01 00:00:00.000000')",
        *(ROLES, json.dumps(signal)),
    )
    assert await tell_server(program.data_folder)
