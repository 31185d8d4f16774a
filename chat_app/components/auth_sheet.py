"""The frame of the sign-in and sign-up pages."""

import reflex as rx

from chat_app.components.brand import brand
from chat_app.components.buttons import page_link

_HAIKU = ("Rain taps on the glass,", "a slow conversation with", "no one and the leaves.")


def auth_sheet(
    form: rx.Component,
    *,
    title: str | rx.Var[str],
    lead: str | rx.Var[str],
    otherwise: rx.Component,
) -> rx.Component:
    """A form beside a glimpse of what waits behind it.

    Args:
        form: What the page is for.
        title: Its heading.
        lead: The sentence below.
        otherwise: For who came to the wrong page.
    """
    return rx.el.main(
        rx.el.section(
            brand(),
            rx.el.div(
                rx.el.h1(title),
                rx.el.p(lead, class_name="lead"),
                form,
                otherwise,
                class_name="auth-body",
            ),
            class_name="auth-sheet",
        ),
        _glimpse(),
        class_name="auth",
    )


def otherwise(question: str, words: str, path: str) -> rx.Component:
    """A question, and a link for who says yes."""
    return rx.el.p(question, " ", page_link(words, to=path), class_name="otherwise")


def field(
    label: str, name: str, control: rx.Component, *after: rx.Component, optional: bool = False
) -> rx.Component:
    """A labelled control.

    Args:
        label: Its words.
        name: The id of the control.
        control: The control.
        after: What explains it.
        optional: Whether it may stay empty.
    """
    mark = [rx.el.span("optional", class_name="optional")] if optional else []
    return rx.el.div(
        rx.el.label(label, *mark, html_for=name), control, *after, class_name="labelled"
    )


def _glimpse() -> rx.Component:
    """A decoration: a short conversation."""
    return rx.el.aside(
        rx.el.div(
            rx.el.p("Write a haiku about rain", class_name="glimpse-asks"),
            rx.el.p(
                *(rx.el.span(line) for line in _HAIKU),
                class_name="glimpse-answers",
            ),
            class_name="glimpse-talk",
        ),
        class_name="glimpse",
        aria_hidden="true",
    )
