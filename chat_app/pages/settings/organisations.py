"""`/settings/organisations`: the user's organisations, and invitations to others."""

import reflex as rx

from chat_app.auth.account.profile import NAME_MAX_LENGTH
from chat_app.components.auth.account import account_form
from chat_app.components.auth.fields import submit_button, text_field
from chat_app.components.ui.icons import page_link
from chat_app.pages.settings.sections import form_section, section, when_loaded, which
from chat_app.reflex_ext.build import api_url
from chat_app.states.organisation_pages.items import OwnOrganisationItem, ReceivedItem
from chat_app.states.organisation_pages.page import OrganisationListState

PATH = "/settings/organisations"
ROUTE = "/api/organisations"
"""The HTTP route of organisations."""

_INVITATIONS = "/api/invitations"
_PROBLEM = "new-organisation-problem"
_GONE = "This invitation was revoked, or has expired."


def organisations() -> rx.Component:
    """The invitations that wait for an answer, the organisations, and a form for a new one."""
    state = OrganisationListState
    items = rx.el.ul(rx.foreach(state.items, _organisation), class_name="entries")
    empty = rx.el.p("You don't belong to an organisation yet.", class_name="section-lead")
    return rx.fragment(
        rx.cond(
            state.received.length() > 0,
            section(
                "Invitations",
                rx.el.ul(rx.foreach(state.received, _received), class_name="entries"),
                id="invitations",
                lead="Join only organisations you know. Their members see your name and email.",
            ),
        ),
        section(
            "Your organisations",
            when_loaded(state, rx.cond(state.items.length() > 0, items, empty)),
            lead="An organisation is a group of people who work together here. You keep the chats "
            "of that work in it, apart from your personal ones.",
        ),
        form_section(
            "New organisation",
            text_field(
                "Name",
                "name",
                id="organisation-name",
                required=True,
                auto_complete="off",
                max_length=NAME_MAX_LENGTH,
                aria_describedby=_PROBLEM,
            ),
            submit_button("Create organisation"),
            lead="You will be its owner. Then you can invite others.",
            action=api_url(ROUTE),
            resets=True,
            problem_id=_PROBLEM,
            on_done=state.load,
            done="Organisation created.",
        ),
    )


def _organisation(one: rx.vars.ObjectVar[OwnOrganisationItem]) -> rx.Component:
    return rx.el.li(
        rx.el.div(rx.el.strong(one.name), rx.el.span(one.detail), class_name="entry"),
        page_link(
            "Open",
            which(one.name),
            to=f"{PATH}/{one.id}",
            class_name="small-button",
        ),
        key=one.id,
    )


def _received(one: rx.vars.ObjectVar[ReceivedItem]) -> rx.Component:
    def answer(label: str, verb: str) -> rx.Component:
        return account_form(
            submit_button(label, which(one.organisation), class_name="small-button"),
            action=f"{api_url(_INVITATIONS)}/{one.id}/{verb}",
            missing=_GONE,
            on_done=OrganisationListState.load,
        )

    return rx.el.li(
        rx.el.div(rx.el.strong(one.organisation), rx.el.span(one.detail), class_name="entry"),
        rx.el.div(answer("Accept", "accept"), answer("Decline", "decline"), class_name="buttons"),
        key=one.id,
    )
