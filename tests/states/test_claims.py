"""What the operator's function says of a person, as handlers see it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from reflex_base.event import Event

from chat_app.auth.principal import Principal
from chat_app.chat_app import app
from chat_app.states import current_principal
from chat_app.states.thread_list import ThreadListState
from testing import session_hooks
from testing.reflex_tabs import stage

EMAIL = "ada@example.com"


async def an_event(who: Principal) -> Any:
    """One event of a tab, as far as the door to its handler."""
    (event,) = Event.from_event_type(ThreadListState.more())
    state: Any = SimpleNamespace(router_data={"headers": {"authorization": str(who.credential_id)}})
    return await app.policy.preprocess(app, state, event)


async def test_a_demoted_claim_is_gone_on_the_next_event(tmp_path: Path) -> None:
    async with stage(tmp_path, auth_session_hook="testing.session_hooks:with_roles") as put_up:
        ada = await put_up.person(EMAIL)
        session_hooks.roles[EMAIL] = ["admin"]
        assert await an_event(ada) is None
        assert current_principal().claims == {"roles": ["admin"]}
        session_hooks.roles[EMAIL] = []
        assert await an_event(ada) is None
        assert current_principal().claims == {"roles": []}


async def test_no_handler_runs_while_the_function_fails(tmp_path: Path) -> None:
    async with stage(tmp_path, auth_session_hook="testing.session_hooks:failing") as put_up:
        refused = app.policy.refused["no claims"]
        assert await an_event(await put_up.person(EMAIL)) is not None
        assert app.policy.refused["no claims"] == refused + 1
