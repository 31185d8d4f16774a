"""Forms of an organisation's page."""

import reflex as rx

from chat_app.components import script


class InvitationForm(rx.Component):
    """A form that sends an invitation; where no email is sent, its link is shown once.

    Args:
        children: The fields and the button.
        action: The route.
        lead: What is said of the link.
        done: The message where the link was emailed.
        missing: What is said where the invitation is not there any more.
        problem_id: The id of the element with the error.
        on_done: The event that follows.
    """

    library = script("auth/organisations")
    tag = "InvitationForm"

    action: rx.Var[str]
    lead: rx.Var[str]
    done: rx.Var[str]
    missing: rx.Var[str]
    problem_id: rx.Var[str]
    on_done: rx.EventHandler[rx.event.no_args_event_spec]


class RepeatField(rx.Component):
    """A field that must repeat a text before its form is sent; the text itself is not sent.

    Args:
        expected: The text.
    """

    library = script("auth/organisations")
    tag = "RepeatField"

    expected: rx.Var[str]


invitation_form = InvitationForm.create
repeat_field = RepeatField.create
