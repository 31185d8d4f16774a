"""`/admin/sign-up`: who may create an account."""

import reflex as rx

from chat_app.auth.sign_in.policy import SignUpMode
from chat_app.components.auth.fields import labelled, submit_button
from chat_app.components.ui.feedback import notice, outcome
from chat_app.pages.settings.sections import section, when_loaded
from chat_app.states.admin.sign_up import SignUpPolicyState

_CHOICES: dict[SignUpMode, tuple[str, str]] = {
    "open": ("Everyone", "Anyone who can open this page."),
    "domains": ("Only emails of some domains", "Each email is verified first."),
    "invited": (
        "Only invited users",
        "With the email that an organisation has invited. It is verified first.",
    ),
    "closed": ("Nobody", "Only users that an admin adds under People."),
}
_DOMAINS_HINT = "sign-up-domains-hint"


def sign_up() -> rx.Component:
    """The choice, and what the settings say about it."""
    state = SignUpPolicyState
    return section(
        "Who can create an account",
        notice(state),
        when_loaded(state, *_frame(), _form()),
        lead="For new accounts only: users who have one can always sign in. Admins can add users "
        "in any case.",
    )


def _frame() -> list[rx.Component]:
    """What the settings of the server say, each in one sentence."""
    state = SignUpPolicyState
    return [
        rx.cond(
            state.fixed != "",
            _note(
                "The server has ",
                rx.el.code("SIGN_UP=", state.fixed),
                ", so this can't be changed here. With ",
                rx.el.code("SIGN_UP=auto"),
                " it can.",
            ),
        ),
        rx.cond(
            state.allowed != "",
            _note(
                "Only emails of ",
                state.allowed,
                " can sign in at all (",
                rx.el.code("AUTH_ALLOWED_DOMAINS"),
                ").",
            ),
        ),
        rx.cond(
            state.admitted.length() > 0,
            _note(
                "Users of ",
                state.admitted.join(", "),
                " can create an account in any case: the settings of the server say so.",
            ),
        ),
        rx.cond(
            state.unverified != "",
            _note(
                *("No mail server is set up (", rx.el.code("SMTP_URL"), "). "),
                state.unverified,
            ),
        ),
    ]


def _note(*words: str | rx.Var[str] | rx.Component) -> rx.Component:
    return rx.el.p(*words, class_name="section-lead")


def _form() -> rx.Component:
    state = SignUpPolicyState
    return rx.el.form(
        rx.el.fieldset(
            rx.el.fieldset(
                rx.el.legend("Who can create an account", class_name="sr-only"),
                *(_choice(mode, *texts) for mode, texts in _CHOICES.items()),
                class_name="choices",
            ),
            labelled(
                "Domains",
                rx.el.textarea(
                    name="domains",
                    class_name="field",
                    rows=3,
                    max_length=4_000,
                    spell_check=False,
                    auto_capitalize="none",
                    placeholder="example.org",
                    default_value=state.domains,
                    aria_describedby=_DOMAINS_HINT,
                ),
                rx.el.span("One a line.", id=_DOMAINS_HINT, class_name="hint"),
                class_name="labelled only-domains",
            ),
            rx.cond(state.fixed == "", submit_button("Save")),
            disabled=state.fixed != "",
        ),
        outcome(state),
        on_submit=state.save,
        class_name="account-form sign-up-policy",
    )


def _choice(mode: SignUpMode, label: str, meaning: str) -> rx.Component:
    return rx.el.label(
        rx.el.input(
            type="radio",
            name="mode",
            value=mode,
            required=True,
            default_checked=SignUpPolicyState.mode == mode,
        ),
        rx.el.span(rx.el.strong(label), " ", rx.el.span(meaning)),
        class_name="choice",
    )
