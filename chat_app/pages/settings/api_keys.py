"""`/settings/api-keys`: the user's API keys, and a form that creates one."""

import reflex as rx

from chat_app.auth.account.profile import NAME_MAX_LENGTH
from chat_app.auth.keys.scopes import SCOPES
from chat_app.auth.principal import Scope
from chat_app.components.auth.account import account_form
from chat_app.components.auth.api_keys import api_key_create
from chat_app.components.auth.fields import field, submit_button, text_field
from chat_app.pages.settings.sections import Entry, confirmed, entries, section, when_loaded, which
from chat_app.reflex_ext.build import api_url
from chat_app.states.account import ApiKeysState, LifetimeItem
from chat_app.states.auth import AuthState

_KEYS = "/api/account/api-keys"
_PROBLEM = "api-key-problem"
_MEANINGS: dict[Scope, str] = {
    "chat": "Send messages, edit them and read the answers",
    "threads:read": "Read chats and search them, and your usage",
    "threads:write": "Create, change and delete chats, and add messages",
    "models": "List the models",
    "mcp": "Let an MCP client search and read chats, and ask models",
}


def api_keys() -> rx.Component:
    """The user's keys, then the form for another one."""
    return rx.fragment(
        section(
            "Your keys",
            entries(ApiKeysState, _revoke, if_empty="No API keys yet."),
            id="api-keys",
            lead="Let your own programs use your chats over the HTTP API, without your password.",
        ),
        section(
            "New key",
            when_loaded(ApiKeysState, _create()),
            id="new-api-key",
            lead="Choose only what this program needs.",
        ),
    )


def _revoke(entry: Entry) -> rx.Component:
    """A button that shows what revoking does, and the button that does it."""
    return confirmed(
        *("Revoke", entry.title),
        "Programs with this key lose access at once; their running answers stop.",
        account_form(
            submit_button("Revoke key", which(entry.title), class_name="small-button danger"),
            action=f"{api_url(_KEYS)}/{entry.id}",
            method="DELETE",
            on_done=ApiKeysState.load,
        ),
    )


def _create() -> rx.Component:
    return api_key_create(
        text_field(
            "Name",
            "name",
            id="api-key-name",
            required=True,
            auto_complete="off",
            placeholder="What uses the key",
            max_length=NAME_MAX_LENGTH,
            aria_describedby=_PROBLEM,
        ),
        rx.el.fieldset(
            rx.el.legend("Scopes"),
            *(_scope(scope) for scope in SCOPES),
            class_name="scopes",
        ),
        field(
            "Expires after",
            "api-key-days",
            rx.el.select(
                rx.foreach(ApiKeysState.lifetimes, _lifetime),
                id="api-key-days",
                name="days",
                class_name="field",
                default_value=ApiKeysState.lifetime,
            ),
        ),
        submit_button("Create key"),
        action=api_url(_KEYS),
        owner=AuthState.user.id,
        problem_id=_PROBLEM,
        on_done=ApiKeysState.load,
    )


def _scope(scope: Scope) -> rx.Component:
    return rx.el.label(
        rx.el.input(type="checkbox", name="scope", value=scope, default_checked=scope == "chat"),
        rx.el.span(rx.el.code(scope), rx.el.span(_MEANINGS[scope])),
        class_name="check scope",
    )


def _lifetime(item: rx.vars.ObjectVar[LifetimeItem]) -> rx.Component:
    return rx.el.option(item.label, value=item.days)
