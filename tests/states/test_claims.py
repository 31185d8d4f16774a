"""The claims of the operator's session hook, as handlers see them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from reflex_base.event import Event

from chat_app.auth.principal import Principal
from chat_app.chat_app import app
from chat_app.states import current_principal
from chat_app.states.thread_list import ThreadListState
from testing import session_hooks
from testing.reflex_tabs import open_harness

EMAIL = "ada@example.com"


async def an_event(principal: Principal) -> Any:
    """The policy's decision about one event of a tab."""
    (event,) = Event.from_event_type(ThreadListState.more())
    state: Any = SimpleNamespace(
        router_data={"headers": {"authorization": str(principal.credential_id)}}
    )
    return await app.policy.preprocess(app, state, event)


async def test_a_demoted_claim_is_gone_on_the_next_event(tmp_path: Path) -> None:
    async with open_harness(
        tmp_path, auth_session_hook="testing.session_hooks:with_roles"
    ) as harness:
        ada = await harness.user(EMAIL)
        session_hooks.roles[EMAIL] = ["admin"]
        assert await an_event(ada) is None
        assert current_principal().claims == {"roles": ["admin"]}
        session_hooks.roles[EMAIL] = []
        assert await an_event(ada) is None
        assert current_principal().claims == {"roles": []}


async def test_no_handler_runs_while_the_session_hook_fails(tmp_path: Path) -> None:
    async with open_harness(tmp_path, auth_session_hook="testing.session_hooks:failing") as harness:
        refused = app.policy.refused["no claims"]
        assert await an_event(await harness.user(EMAIL)) is not None
        assert app.policy.refused["no claims"] == refused + 1
