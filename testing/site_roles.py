"""The site role of a user of a running program, changed at once as the command line changes it."""

import sqlite3
from contextlib import closing
from uuid import UUID

from chat_app.core.control import ForwardingBus
from chat_app.core.signals import ROLES, Signal
from testing.program import Program


async def set_site_role(program: Program, email: str, role: str) -> None:
    """Change the row, and tell the program; a command would need seconds to start.

    Args:
        program: It uses SQLite.
        email: The user's.
        role: `admin`, or nothing.
    """
    program.behind_its_back("UPDATE user SET role = ? WHERE email = ?", role, email)
    (path,) = program.data_folder.glob("*.db")
    with closing(sqlite3.connect(path, timeout=30)) as db:
        (user_id,) = db.execute("SELECT id FROM user WHERE email = ?", (email,)).fetchone()
    bus = ForwardingBus()
    bus.publish(ROLES, Signal("roles_changed", user_id=UUID(user_id)))
    assert await bus.forward(program.data_folder)
