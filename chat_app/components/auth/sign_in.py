"""Forms that sign in and out, the page layout around them, and the protection of other pages."""

import functools
from collections.abc import Callable
from typing import Any, Self

import reflex as rx

from chat_app.auth.errors import error_messages
from chat_app.components import script
from chat_app.components.auth.fields import PROBLEM_ID
from chat_app.components.ui.icons import brand, page_link
from chat_app.reflex_ext.app import is_disconnected
from chat_app.reflex_ext.build import api_url, baked_settings
from chat_app.states.account import IdentityProviderItem, IdentityProvidersState
from chat_app.states.auth import AuthState

_HAIKU = ("Rain taps on the glass,", "a slow conversation with", "no one and the leaves.")

Page = Callable[[], rx.Component]


class ErrorCodeComponent(rx.Component):
    """A component that shows what an `?error=` code means, with the messages it needs for that."""

    messages: rx.Var[dict[str, str]]

    @classmethod
    def create(cls, *children: Any, **props: Any) -> Self:
        """Make the component, with the message of each code."""
        messages = error_messages(baked_settings().password_min_length)
        return super().create(*children, messages=messages, **props)


class AuthForm(ErrorCodeComponent):
    """A native form post that keeps what was typed when it is refused.

    Args:
        children: The fields and the button.
        action: The route that it is posted to.
        problem_id: The id of the element with the error; fields are described by it.
    """

    library = script("auth/sign_in")
    tag = "AuthForm"

    action: rx.Var[str]
    problem_id: rx.Var[str] = rx.Var.create(PROBLEM_ID)


class IdentityProviderForm(ErrorCodeComponent):
    """A form that goes to an identity provider.

    Args:
        children: The button.
        action: The route that starts the OAuth flow.
    """

    library = script("auth/sign_in")
    tag = "IdentityProviderForm"

    action: rx.Var[str]


class SignOutForm(rx.Component):
    """A native form post that signs out; the other tabs are told.

    Args:
        children: The button.
        action: The route that it is posted to.
        comes_back: Whether the next sign-in goes to the `callbackUrl` of this page.
    """

    library = script("auth/forms")
    tag = "SignOutForm"

    action: rx.Var[str]
    comes_back: rx.Var[bool]


class SessionWatch(rx.Component):
    """Blanks the page, and loads it again, when the browser's session may have changed.

    Args:
        children: Everything that the page shows of a user.
        route: Where a visible page asks every five minutes for the session, which renews the
            cookie.
    """

    library = script("auth/session")
    tag = "SessionWatch"

    route: rx.Var[str]


class SocketWatch(rx.Component):
    """Says that a proxy drops the upgrade of the page's socket.

    Args:
        is_connected: Whether the page has its socket.
        route: Where a page without one asks the server whether its sockets arrive.
    """

    library = script("auth/session")
    tag = "SocketWatch"

    is_connected: rx.Var[bool]
    route: rx.Var[str]


class AnonymousOnly(rx.Component):
    """A page for signed-out users; one with a session is led on.

    Args:
        children: The page.
        route: Where the page asks for the session.
    """

    library = script("auth/sign_in")
    tag = "AnonymousOnly"

    route: rx.Var[str]


class IfQuery(rx.Component):
    """One of two children, by a parameter in the query of the page's URL.

    Args:
        children: The first is shown without the parameter, and before that is known; the second
            with it.
        parameter: For example `sent`.
    """

    library = script("auth/email_links")
    tag = "IfQuery"

    parameter: rx.Var[str]


class EmailLink(ErrorCodeComponent):
    """What the link of an email leads to: it shows what it will do, and does it at a click.

    Args:
        children: A field for the new password, or for the one that was chosen in another browser.
        lookup: The route that tells what a token is for.
        actions: The route of each purpose.
        purpose: The purpose of a token that does not begin with it.
        session: The route that says who is signed in.
        sign_out: The route that signs out, for a link that needs another user.
        problem_id: The id of the element with the error.
    """

    library = script("auth/email_links")
    tag = "EmailLink"

    lookup: rx.Var[str]
    actions: rx.Var[dict[str, str]]
    purpose: rx.Var[str]
    session: rx.Var[str]
    sign_out: rx.Var[str]
    problem_id: rx.Var[str] = rx.Var.create(PROBLEM_ID)


class SetupLink(rx.Component):
    """What the setup link leads to: it asks who shall be admin, and makes them one at a click.

    Args:
        action: The route that takes the token.
        session: The route that says who is signed in.
        path: The URL's of this page, to come back to.
        problem_id: The id of the element with the error.
    """

    library = script("auth/setup_link")
    tag = "SetupLink"

    action: rx.Var[str]
    session: rx.Var[str]
    path: rx.Var[str]
    problem_id: rx.Var[str] = rx.Var.create(PROBLEM_ID)


setup_link = SetupLink.create
anonymous_only = AnonymousOnly.create
auth_form = AuthForm.create
sign_out_form = SignOutForm.create
email_link = EmailLink.create


def require_auth(page: Page, *, waiting: Page) -> Page:
    """A page that shows nothing of a user before the server has said who is signed in.

    The gateway redirects anonymous users to the sign-in page before this page is sent; this is for
    a tab whose session ends while it is open. It needs `AuthState.on_auth_change` first in the
    `on_load` of the page.

    Args:
        page: What is shown to a signed-in user.
        waiting: What is shown until then. It is part of the built file, so it names no user.
    """

    @functools.wraps(page)  # Reflex writes a page's scripts into a file of its function's module
    def protected() -> rx.Component:
        is_signed_in = AuthState.phase == "authenticated"
        return rx.fragment(
            SocketWatch.create(
                is_connected=is_signed_in & ~is_disconnected, route=api_url("/api/socket")
            ),
            SessionWatch.create(
                rx.cond(is_signed_in, page(), waiting()), route=api_url("/api/auth/session")
            ),
        )

    return protected


def require_admin(page: Page, *, waiting: Page, otherwise: Page) -> Page:
    """A page for admins; every other user sees what a URL shows that leads nowhere.

    The gateway sends the page to admins only; this is for a tab whose user loses the role.

    Args:
        page: What is shown to an admin.
        waiting: See `require_auth`.
        otherwise: The page that is not there.
    """

    @functools.wraps(page)
    def of_admin() -> rx.Component:
        return rx.cond(AuthState.is_admin, page(), otherwise())

    return require_auth(of_admin, waiting=waiting)


def if_query(parameter: str, then: rx.Component, otherwise: rx.Component) -> rx.Component:
    """One component when the query of the URL has a parameter, else another."""
    return IfQuery.create(otherwise, then, parameter=parameter)


def identity_provider_buttons() -> rx.Component:
    """A button for each identity provider, below another login method; nothing without one."""
    offered = IdentityProvidersState.offered

    def button(provider: rx.vars.ObjectVar[IdentityProviderItem]) -> rx.Component:
        return IdentityProviderForm.create(
            rx.el.button(f"Continue with {provider.label}", type="submit", class_name="provider"),
            action=f"{api_url('/api/auth/signin/')}{provider.id}",
        )

    return rx.cond(
        offered.length() > 0,
        rx.el.div(
            rx.el.p(rx.el.span("or"), class_name="or"),
            rx.foreach(offered, button),
            class_name="providers",
        ),
    )


def auth_sheet(
    *content: rx.Component,
    title: str | rx.Var[str],
    lead: str | rx.Var[str],
    otherwise: rx.Component,
) -> rx.Component:
    """The layout of the sign-in and sign-up pages.

    Args:
        content: What the page is for: a form, or nothing where there is nothing to do.
        title: Its heading.
        lead: The sentence below.
        otherwise: Links to the other pages, made by `otherwise`.
    """
    return rx.el.main(
        rx.el.section(
            brand(),
            rx.el.div(
                rx.el.h1(title),
                rx.el.p(lead, class_name="lead"),
                *content,
                otherwise,
                class_name="auth-body",
            ),
            class_name="auth-sheet",
        ),
        _preview(),
        class_name="auth",
    )


def otherwise(question: str | rx.Var[str], label: str, path: str) -> rx.Component:
    """A question, and a link for users whose answer is yes."""
    return rx.el.p(question, " ", page_link(label, to=path), class_name="otherwise")


def _preview() -> rx.Component:
    """A decoration: a short conversation."""
    return rx.el.aside(
        rx.el.div(
            rx.el.p("Write a haiku about rain", class_name="preview-question"),
            rx.el.p(*(rx.el.span(line) for line in _HAIKU), class_name="preview-answer"),
            class_name="preview-chat",
        ),
        class_name="preview",
        aria_hidden="true",
    )
