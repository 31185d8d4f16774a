"""Who may look past the scope: every call site of a system session, by file, with its reasons.

A new one belongs in this list, where a reviewer sees it.
"""

import ast
from pathlib import Path

from chat_app.db.scoped_session import REASONS

ROOT = Path(__file__).resolve().parents[2]

ALLOWED: dict[str, set[str]] = {
    "chat_app/api/audit.py": {"audit"},
    "chat_app/audit/queries.py": {"audit"},
    "chat_app/audit/sealer.py": {"audit"},
    "chat_app/audit/verify.py": {"audit"},
    "chat_app/audit_commands.py": {"audit"},
    "chat_app/auth/sign_in/passwords.py": {"auth"},
    "chat_app/auth/sign_in/policy.py": {"administration", "auth"},
    "chat_app/auth/sign_in/service.py": {"auth"},
    "chat_app/auth/account/linked_accounts.py": {"auth"},
    "chat_app/auth/account/export.py": {"auth"},
    "chat_app/auth/account/profile.py": {"auth"},
    "chat_app/auth/account/change_email.py": {"auth"},
    "chat_app/auth/account/password.py": {"auth"},
    "chat_app/auth/account/administration.py": {
        "account changes",
        "administration",
        "command line",
    },
    "chat_app/auth/account/setup.py": {"auth"},
    "chat_app/auth/account/people.py": {"administration"},
    "chat_app/auth/account/roles.py": {"auth"},
    "chat_app/auth/account/disable.py": {"account changes", "command line"},
    "chat_app/auth/sessions/revocation.py": {"auth", "sweep"},
    "chat_app/auth/sessions/service.py": {"auth"},
    "chat_app/auth/account/delete.py": {"auth"},
    "chat_app/auth/passkeys.py": {"auth"},
    "chat_app/auth/keys/service.py": {"auth"},
    "chat_app/auth/sign_in/step_up.py": {"auth"},
    "chat_app/auth/devices.py": {"auth"},
    "chat_app/auth/known_browsers.py": {"auth"},
    "chat_app/auth/two_factor.py": {"auth"},
    "chat_app/auth/one_time_tokens.py": {"auth", "sweep"},
    "chat_app/db/engine.py": {"health"},
    "chat_app/db/outbox.py": {"signals"},
    "chat_app/orgs/announcements.py": {"administration", "announcements"},
    "chat_app/orgs/administration.py": {"administration"},
    "chat_app/orgs/model_rules.py": {"administration", "model rules"},
    "chat_app/orgs/organisations.py": {"organisations"},
    "chat_app/orgs/audit_log.py": {"organisations"},
    "chat_app/orgs/invitations.py": {"organisations"},
    "chat_app/orgs/members.py": {"organisations"},
    "chat_app/orgs/readers.py": {"grants"},
    "chat_app/orgs/reading.py": {"grants"},
    "chat_app/orgs/received_invitations.py": {"organisations"},
    "chat_app/runs/finalize.py": {"run recovery"},
    "chat_app/runs/log.py": {"run log"},
    "chat_app/threads/client_reports.py": {"sweep"},
    "chat_app/threads/purge.py": {"sweep"},
    "chat_app/threads/search_backlog.py": {"search backlog"},
    "chat_app/usage/ledger.py": {"sweep"},
    "chat_app/usage/queries.py": {"administration", "command line"},
}
"""File → the reasons it may give."""


def _reasons(source: str) -> list[object]:
    """The first argument of every call that sees past the scope."""
    return [
        node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("system", "system_query", "system_transact")
    ]


def test_system_sessions_are_opened_only_where_and_why_the_list_says() -> None:
    found: dict[str, set[object]] = {}
    for path in (ROOT / "chat_app").rglob("*.py"):
        if reasons := _reasons(path.read_text()):
            found[path.relative_to(ROOT).as_posix()] = set(reasons)
    assert found == ALLOWED


def test_a_call_without_a_constant_reason_is_found() -> None:
    assert _reasons("db.system(reason)\nself.db.system('auth', write=True)\ndb.system()") == [
        None,
        "auth",
        None,
    ]


def test_the_list_names_registered_reasons_only() -> None:
    assert set().union(*ALLOWED.values()) <= set(REASONS)
    assert all(REASONS.values())


def test_sessions_and_engines_are_made_in_the_database_layer_only() -> None:
    makers = {"create_engine", "create_async_engine", "AsyncSession", "SystemSession"}
    makers |= {"ScopedSession", "SyncScopedSession", "sessionmaker", "async_sessionmaker"}
    found = [
        f"{path.relative_to(ROOT)}: {node.func.id}"
        for path in sorted((ROOT / "chat_app").rglob("*.py"))
        if path.parent.name != "db"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in makers
    ]
    assert found == []


def test_only_the_resolver_makes_a_grant_and_only_one_module_reads_by_it() -> None:
    makers, readers = set[str](), set[str]()
    for path in (ROOT / "chat_app").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            if isinstance(node.func, ast.Name) and node.func.id == "OpenGrant":
                makers.add(path.relative_to(ROOT).as_posix())
            if isinstance(node.func, ast.Attribute) and node.func.attr == "read_as":
                readers.add(path.relative_to(ROOT).as_posix())
    assert makers == {"chat_app/orgs/reading.py"}
    assert readers == {"chat_app/threads/reading.py"}
