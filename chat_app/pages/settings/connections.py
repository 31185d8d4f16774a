"""`/settings/connections`: the accounts elsewhere that open this one."""

import reflex as rx

from chat_app.components.account_form import account_form
from chat_app.components.skeleton import section_skeleton
from chat_app.pages.backend import backend
from chat_app.pages.settings.frame import section, settings_page
from chat_app.states.providers import ProviderItem, ProvidersState
from chat_app.states.settings.connections import ConnectionItem, ConnectionsState

_ROUTE = "/api/account/connections/"


def connections() -> rx.Component:
    """The page."""
    return settings_page("Connections", _connected(), _others())


def _connected() -> rx.Component:
    has_some = ConnectionsState.items.length() > 0
    return section(
        "Connected accounts",
        rx.cond(
            ConnectionsState.loaded,
            rx.cond(
                has_some,
                rx.el.ul(rx.foreach(ConnectionsState.items, _row), class_name="entries"),
                rx.el.p("Nothing is connected.", class_name="section-lead"),
            ),
            section_skeleton(),
        ),
        lead="Each of these lets you in, whatever its address is.",
    )


def _row(item: rx.vars.ObjectVar[ConnectionItem]) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.strong(item.label),
            rx.el.span(item.who),
            rx.el.span(item.since),
            class_name="entry",
        ),
        account_form(
            rx.el.button(
                "Disconnect",
                rx.el.span(" ", item.label, " ", item.who, class_name="unseen"),
                type="submit",
                class_name="small-button",
            ),
            action=f"{backend(_ROUTE)}{item.id}",
            method="DELETE",
            on_done=ConnectionsState.load,
        ),
        key=item.id,
    )


def _others() -> rx.Component:
    offered = ProvidersState.offered
    return rx.cond(
        offered.length() > 0,
        section(
            "Connect another",
            rx.el.div(rx.foreach(offered, _offered), class_name="offers"),
            lead="You sign in there once, and are brought back here.",
        ),
    )


def _offered(provider: rx.vars.ObjectVar[ProviderItem]) -> rx.Component:
    return account_form(
        rx.el.button(f"Connect {provider.label}", type="submit", class_name="provider"),
        action=f"{backend(_ROUTE)}{provider.id}",
    )
