"""`/admin/organisations`: the organisations of the installation."""

from typing import Any

import reflex as rx

from chat_app.auth.account.profile import NAME_MAX_LENGTH
from chat_app.components.auth.fields import labelled, submit_button
from chat_app.components.ui.feedback import notice
from chat_app.pages.settings.sections import (
    confirmed_event,
    disclosure,
    event_button,
    match_count,
    pager,
    search_input,
    section,
    when_loaded,
)
from chat_app.states.admin.organisations import (
    AdminOrganisationsState,
    ListedMemberItem,
    ListedOrganisationItem,
)

Item = rx.vars.ObjectVar[ListedOrganisationItem]
Member = rx.vars.ObjectVar[ListedMemberItem]


def organisations() -> rx.Component:
    """A form that creates one, and the list with a search."""
    state = AdminOrganisationsState
    return rx.fragment(
        notice(state),
        section(
            "Organisations",
            disclosure("Create an organisation", _create()),
            search_input("Search organisations", "Name", state),
            when_loaded(
                state,
                match_count(state, "organisation", "organisations"),
                rx.el.ul(rx.foreach(state.items, _organisation), class_name="entries"),
                pager(state),
            ),
            lead="Chats are counted and never shown.",
        ),
    )


def _create() -> rx.Component:
    plain: dict[str, Any] = {"class_name": "field", "auto_complete": "off"}
    return rx.el.form(
        rx.el.fieldset(
            labelled(
                "Name",
                rx.el.input(name="name", required=True, max_length=NAME_MAX_LENGTH, **plain),
            ),
            labelled(
                "Email of its owner",
                rx.el.input(name="email", type="email", required=True, **plain),
                rx.el.span("A user who has an account here.", class_name="hint"),
            ),
            submit_button("Create organisation"),
        ),
        on_submit=AdminOrganisationsState.create,
        class_name="account-form",
        key=AdminOrganisationsState.made.to_string(),
    )


def _organisation(one: Item) -> rx.Component:
    state = AdminOrganisationsState
    is_open = state.opened == one.id
    return rx.el.li(
        rx.el.div(
            rx.el.strong(
                one.name,
                rx.cond(
                    one.allows_admin_reading,
                    rx.el.span(" ", rx.el.span("Admins may read", class_name="tag")),
                ),
            ),
            rx.el.span(one.detail),
            class_name="entry",
        ),
        event_button(
            *("Manage", one.name, state.open(one.id)),
            custom_attrs={"aria-expanded": rx.cond(is_open, "true", "false")},
        ),
        rx.cond(is_open, _opened(one)),
        key=one.id,
        custom_attrs={"data-organisation": one.name},
    )


def _opened(one: Item) -> rx.Component:
    state = AdminOrganisationsState
    return rx.el.div(
        rx.el.h3("Members"),
        rx.el.ul(
            rx.foreach(state.members, lambda member: _member(one, member)), class_name="entries"
        ),
        rx.cond(
            state.has_more_members,
            rx.el.button(
                "Show more members",
                type="button",
                class_name="small-button",
                on_click=state.more_members,
            ),
        ),
        rx.el.div(
            rx.cond(
                one.allows_admin_reading,
                confirmed_event(
                    *("Turn off reading", "Turn off", one.name),
                    "Its admins can't read members' chats any more. An owner can allow it again.",
                    state.forbid_reading(one.id),
                ),
            ),
            confirmed_event(
                *("Delete", "Delete organisation", one.name),
                rx.cond(
                    one.has_chats,
                    "Members lose the organisation and keep their own chats, which become private; "
                    "running answers stop. "
                    "Chats of former members are deleted. This can't be undone.",
                    "Members lose the organisation. This can't be undone.",
                ),
                state.delete(one.id),
            ),
            class_name="person-actions",
        ),
        class_name="opened",
    )


def _member(organisation: Item, one: Member) -> rx.Component:
    state = AdminOrganisationsState
    return rx.el.li(
        rx.el.div(
            rx.el.strong(
                rx.cond(one.name, one.name, one.email),
                rx.el.span(" ", one.role, class_name="tag"),
                rx.cond(one.is_disabled, rx.el.span(" ", "Disabled", class_name="tag")),
            ),
            rx.cond(one.name, rx.el.span(one.email)),
            class_name="entry",
        ),
        rx.el.div(
            rx.cond(
                one.can_own,
                confirmed_event(
                    *("Make owner", "Make owner", one.email),
                    "They can do everything in the organisation. It has no owner who can sign in.",
                    state.make_owner(organisation.id, one.id),
                ),
            ),
            confirmed_event(
                *("Remove", "Remove member", one.email),
                "They lose the chats that they have here; these stay in the organisation, and "
                "running answers stop.",
                state.remove(organisation.id, one.id),
            ),
            class_name="person-actions",
        ),
        key=one.id,
        custom_attrs={"data-email": one.email},
    )
