"""Functions as an operator writes them, for settings to name."""

from collections.abc import Mapping
from typing import Any

from chat_app.auth.operator_hooks import SessionContext

roles: dict[str, list[str]] = {}
"""What the operator's own directory says now, by e-mail address."""
seen: list[SessionContext] = []


def with_roles(session: SessionContext) -> Mapping[str, Any]:
    seen.append(session)
    return {"roles": roles.get(session.email, [])}


async def with_roles_later(session: SessionContext) -> Mapping[str, Any]:
    return with_roles(session)


def failing(session: SessionContext) -> Mapping[str, Any]:
    raise RuntimeError(f"no directory for {session.email}")


def silent(session: SessionContext) -> Any:
    return None


def no_json(session: SessionContext) -> Any:
    return {"roles": {"a", "set"}}


def no_number(session: SessionContext) -> Any:
    return {"score": float("nan")}
