"""The pages around emails with a link: requesting one, and what its link leads to.

`/signin/link` (magic link), `/reset` and `/reset/new` (forgotten password), and `/confirm`, which
verifies an email and finishes a sign-up or a sign-in.
"""

from typing import cast

import reflex as rx

from chat_app.components.auth.fields import (
    email_field,
    new_password_field,
    password_field,
    submit_button,
)
from chat_app.components.auth.sign_in import (
    auth_form,
    auth_sheet,
    email_link,
    if_query,
    otherwise,
)
from chat_app.components.ui.icons import page_link
from chat_app.reflex_ext.build import api_url
from chat_app.states.auth import AuthState

CANNOT_SEND = "This server can't send email. Ask your administrator."
IN_LOG = "No mail server is set up. Ask your administrator for the link; it is in the server log."


def by_delivery(
    *, sent: str, in_log: str = IN_LOG, none: str = CANNOT_SEND, unknown: str = ""
) -> rx.Var[str]:
    """A text that says what becomes of an email: never of one that was sent where none can be.

    Args:
        sent: Where emails are sent.
        in_log: Where their links are written to the server log instead.
        none: Where there are none.
        unknown: Until the server has told which of these it is.
    """
    by = ("smtp", sent), ("log", in_log), ("none", none)
    return cast("rx.Var[str]", rx.match(AuthState.email_delivery, *by, unknown))


def magic_link() -> rx.Component:
    """`/signin/link`: requests a link that signs in."""
    return _request_form(
        "/signin/link",
        "/api/auth/signin/email",
        title="Sign in by email",
        lead=by_delivery(
            sent="We'll email you a link that signs you in once, without a password.",
            in_log=f"A link signs you in once, without a password. {IN_LOG}",
        ),
    )


def reset() -> rx.Component:
    """`/reset`: requests a link to choose a new password; and afterwards, that it was chosen."""
    done = auth_sheet(
        page_link("Sign in", to="/signin", class_name="button wide"),
        title="Password changed",
        lead="All your devices have been signed out. Sign in with your new password.",
        otherwise=rx.fragment(),
    )
    form = _request_form(
        "/reset",
        "/api/auth/reset",
        title="Reset your password",
        lead=by_delivery(
            sent="We'll email you a link to choose a new one.",
            in_log=f"You choose a new one through a link. {IN_LOG}",
        ),
    )
    return if_query("done", done, form)


def new_password() -> rx.Component:
    """`/reset/new`: what the link of such an email leads to."""
    return auth_sheet(
        email_link(
            new_password_field("New password"),
            purpose="reset_password",
            lookup=api_url("/api/auth/email-link"),
            actions={"reset_password": api_url("/api/auth/reset/confirm")},
        ),
        title="Choose a new password",
        lead="All devices that are signed in now will be signed out.",
        otherwise=otherwise("Link expired?", "Get a new one", "/reset"),
    )


def confirm() -> rx.Component:
    """`/confirm`: what the link of every other email leads to."""
    verify = api_url("/api/auth/verify")
    purposes = ("sign_up", "verify_email", "change_email")
    return auth_sheet(
        email_link(
            password_field(),
            lookup=api_url("/api/auth/email-link"),
            actions={
                "sign_in_link": api_url("/api/auth/callback/email"),
                "invitation": api_url("/api/invitations/accept"),
            }
            | dict.fromkeys(purposes, verify),
            session=api_url("/api/auth/session"),
            sign_out=api_url("/api/auth/signout"),
        ),
        title="One more click",
        lead="The link works once.",
        otherwise=rx.fragment(),
    )


def sent(form: str, title: str = "Check your inbox") -> rx.Component:
    """Instead of a form: what became of the email. The same whether or not there is an account.

    Args:
        form: The page with the form.
        title: The heading where emails are sent.
    """
    can_repeat = AuthState.email_delivery != "none"
    nothing_came = by_delivery(sent="Nothing came?", in_log="Need another one?", none="")
    return auth_sheet(
        title=by_delivery(
            sent=title, in_log="Open the link", none="No email was sent", unknown="One moment"
        ),
        lead=by_delivery(
            sent="We sent you an email. Open its link in this browser.",
            in_log=f"{IN_LOG} Open it in this browser.",
        ),
        otherwise=rx.fragment(
            rx.cond(can_repeat, otherwise(nothing_came, "Send it again", form)),
            otherwise("", "Back to sign in", "/signin"),
        ),
    )


def _request_form(page: str, action: str, *, title: str, lead: rx.Var[str]) -> rx.Component:
    """The form of a page that requests an email, and what follows it."""
    has_email = AuthState.email_delivery != "none"
    form = auth_form(
        email_field(auto_focus=True),
        submit_button("Send link", class_name="button wide"),
        action=api_url(action),
    )
    sheet = auth_sheet(
        rx.cond(has_email, form),
        title=title,
        lead=lead,
        otherwise=otherwise("Remember your password?", "Sign in", "/signin"),
    )
    return if_query("sent", sent(page), sheet)
