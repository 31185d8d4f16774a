"""The pages around letters: asking for one, and what its link leads to."""

import reflex as rx

from chat_app.auth.refusals import sentences
from chat_app.components.auth_fields import chosen_password_field, email_field
from chat_app.components.auth_sheet import auth_sheet, field, otherwise
from chat_app.components.letters import letter, letter_token, when_in_address
from chat_app.components.password_field import password_field
from chat_app.components.session import PROBLEM_ID, auth_form
from chat_app.pages.backend import backend
from chat_app.settings import settings
from chat_app.states.auth import AuthState


def sign_in_link() -> rx.Component:
    """`/signin/link`: a link to sign in with."""
    return _asks(
        "/api/auth/signin/email",
        title="Sign in by e-mail",
        lead="You get a link that signs you in once, without a password.",
    )


def reset() -> rx.Component:
    """`/reset`: a link to choose a new password with; and afterwards, that it was chosen."""
    done = auth_sheet(
        rx.fragment(),
        title="Your password is changed",
        lead="Every device was signed out.",
        otherwise=otherwise("Use it at once:", "Sign in", "/signin"),
    )
    asks = _asks(
        "/api/auth/reset",
        title="Choose a new password",
        lead="You get a link by e-mail that lets you choose one.",
    )
    return when_in_address("done", done, asks)


def new_password() -> rx.Component:
    """`/reset/new`: what the link of such a letter leads to."""
    return auth_sheet(
        auth_form(
            letter_token("reset_password"),
            chosen_password_field("New password"),
            rx.el.button("Change the password", type="submit", class_name="button wide"),
            action=backend("/api/auth/reset/confirm"),
            sentences=sentences(settings()),
        ),
        title="Choose a new password",
        lead="Every device that is signed in now will be signed out.",
        otherwise=otherwise("Is the link too old?", "Ask for another one", "/reset"),
    )


def confirm() -> rx.Component:
    """`/confirm`: what the link of any other letter leads to."""
    verify = backend("/api/auth/verify")
    purposes = ("sign_up", "verify_email", "change_email")
    return auth_sheet(
        letter(
            field(
                "Password",
                "password",
                password_field(
                    "password", auto_complete="current-password", described_by=PROBLEM_ID
                ),
            ),
            look=backend("/api/auth/letter"),
            actions={"sign_in_link": backend("/api/auth/callback/email")}
            | dict.fromkeys(purposes, verify),
            sentences=sentences(settings()),
        ),
        title="One click left",
        lead="The link in your letter works once.",
        otherwise=otherwise("Is it too old?", "Start again", "/signin"),
    )


def sent(title: str = "Look into your mail") -> rx.Component:
    """Instead of a form: a letter is on its way. The same whether or not there is an account."""
    return auth_sheet(
        rx.cond(
            AuthState.letters == "logged",
            rx.el.p(
                "There is no mail server here: the link is in the log of the server.",
                class_name="hint",
            ),
        ),
        title=title,
        lead="A letter is on its way to the address you gave. Open its link in this browser.",
        otherwise=otherwise("Nothing came?", "Back to signing in", "/signin"),
    )


def _asks(action: str, *, title: str, lead: str) -> rx.Component:
    """A form that asks for a letter, and what follows it."""
    mails = AuthState.letters != "none"
    form = auth_form(
        email_field(auto_focus=True),
        rx.el.button("Send the link", type="submit", class_name="button wide"),
        action=backend(action),
        sentences=sentences(settings()),
    )
    sheet = auth_sheet(
        rx.cond(mails, form),
        title=title,
        lead=rx.cond(mails, lead, "This server sends no letters; ask the people who run it."),
        otherwise=otherwise("Do you know your password?", "Sign in", "/signin"),
    )
    return when_in_address("sent", sent(), sheet)
