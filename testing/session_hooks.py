"""Functions as an operator writes them, for settings to name."""

from collections.abc import Mapping
from typing import Any

from chat_app.auth.hooks import SessionSeen

roles: dict[str, list[str]] = {}
"""What the operator's own directory says now, by e-mail address."""
seen: list[SessionSeen] = []


def with_roles(session: SessionSeen) -> Mapping[str, Any]:
    seen.append(session)
    return {"roles": roles.get(session.email, [])}


async def with_roles_later(session: SessionSeen) -> Mapping[str, Any]:
    return with_roles(session)


def failing(session: SessionSeen) -> Mapping[str, Any]:
    raise RuntimeError(f"no directory for {session.email}")


def silent(session: SessionSeen) -> Any:
    return None


def no_json(session: SessionSeen) -> Any:
    return {"roles": {"a", "set"}}


def no_number(session: SessionSeen) -> Any:
    return {"score": float("nan")}
