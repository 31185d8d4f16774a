"""Four users do random things to organisations and accounts; mutants of the program are noticed."""

from typing import Any

import pytest

from chat_app.auth.account import administration, disable, memberships, people
from chat_app.orgs import members, organisations
from chat_app.orgs.invitations import Invitations
from chat_app.threads import queries
from testing.database import DatabaseUnderTest, SqliteDatabase, only_sqlite
from testing.membership_machine import run_membership_machine

EXAMPLES = 12


def test_all_users_have_what_the_model_says(database: DatabaseUnderTest) -> None:
    examples = EXAMPLES if isinstance(database, SqliteDatabase) else 5
    run_membership_machine(database, examples=examples)


async def _nothing(*_: object, **__: object) -> None: ...


def _silence(*_: object, **__: object) -> None: ...


MUTANTS: dict[str, list[tuple[Any, str, Any]]] = {
    "no signal of a role": [
        (organisations, "publish_role", _nothing),
        (members, "publish_role", _nothing),
        (memberships, "publish_role", _nothing),
    ],
    "the last owner goes": [(members, "require_other_owner", _nothing)],
    "no heir": [(memberships, "_make_owner", _nothing)],
    "an invitation that is over": [(Invitations, "_is_valid", lambda *_: ())],
    "an invitation of a disabled user": [(disable, "revoke_invitations", _nothing)],
    "who is no site admin": [
        (where, "require_admin", _nothing) for where in (administration, disable, people)
    ],
    "the last site admin goes": [(people, "require_other_admin", _nothing)],
    "a membership of before": [(queries, "lock_membership", _silence)],
}


@only_sqlite
@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_a_mutant_is_noticed(
    database: DatabaseUnderTest, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for where, function, instead in MUTANTS[name]:
        monkeypatch.setattr(where, function, instead)
    with pytest.raises(AssertionError):
        run_membership_machine(database, examples=EXAMPLES)
