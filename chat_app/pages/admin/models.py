"""`/admin/models`: for whom each model is on, and the health of their providers."""

import reflex as rx

from chat_app.components.auth.fields import labelled
from chat_app.components.ui.feedback import notice, outcome
from chat_app.llm.health import FAILURES
from chat_app.pages.settings.sections import (
    entries,
    event_button,
    search_input,
    section,
    when_loaded,
    which,
)
from chat_app.states.admin.models import (
    FoundOrganisationItem,
    ModelHealthState,
    ModelRulesItem,
    ModelRulesState,
    RoleRuleItem,
)


def models() -> rx.Component:
    """The switches of every model, and how its last calls went."""
    return rx.fragment(
        notice(ModelRulesState),
        section(
            "Availability",
            _place(),
            when_loaded(ModelRulesState, _rules()),
            outcome(ModelRulesState, "sr-only"),
            lead="A model is on until you switch it off. The most specific choice counts: a role "
            "before everyone, an organisation before the installation. Running answers go on.",
        ),
        section(
            "Providers' health",
            entries(ModelHealthState, lambda _: rx.fragment(), if_empty="There are no models."),
            rx.el.button(
                "Refresh",
                type="button",
                class_name="small-button",
                on_click=ModelHealthState.load,
            ),
            lead=f"From users' calls. After {FAILURES} failures in a row a model is paused, and "
            "its alternatives answer.",
        ),
    )


def _place() -> rx.Component:
    """Where the shown choices count, and a search for another place."""
    state = ModelRulesState
    return rx.fragment(
        rx.cond(
            state.org_id != "",
            rx.el.div(
                rx.el.p("In the chats of ", rx.el.strong(state.org_name)),
                rx.el.button(
                    "Show the installation",
                    type="button",
                    class_name="small-button",
                    on_click=state.show_organisation(""),
                ),
                class_name="action-row",
            ),
            rx.el.p("In the whole installation", class_name="section-lead"),
        ),
        search_input(
            *("Choose an organisation by name", "Organisation", state),
            value=state.text,
        ),
        rx.cond(
            state.text != "",
            rx.el.div(
                rx.cond(
                    state.found.length() > 0,
                    rx.el.ul(rx.foreach(state.found, _found), class_name="entries"),
                    rx.el.p("No organisation matches.", class_name="section-lead"),
                ),
                role="status",
            ),
        ),
    )


def _found(one: rx.vars.ObjectVar[FoundOrganisationItem]) -> rx.Component:
    return rx.el.li(
        rx.el.div(rx.el.strong(one.name), class_name="entry"),
        event_button("Show", one.name, ModelRulesState.show_organisation(one.id)),
        key=one.id,
    )


def _rules() -> rx.Component:
    state = ModelRulesState
    return rx.cond(
        state.items.length() > 0,
        rx.el.ul(rx.foreach(state.items, _model), class_name="entries model-rules"),
        rx.el.p("There are no models.", class_name="section-lead"),
    )


def _model(one: rx.vars.ObjectVar[ModelRulesItem]) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.strong(one.name, " ", rx.cond(one.tag, rx.el.span(one.tag, class_name="tag"))),
            rx.el.span(one.id),
            class_name="entry",
        ),
        rx.el.div(
            rx.foreach(one.roles, lambda role: _role(one, role)),
            class_name="model-roles",
            role="group",
            custom_attrs={"aria-label": one.name},
        ),
        key=one.id,
        custom_attrs={"data-model": one.id},
    )


def _role(
    model: rx.vars.ObjectVar[ModelRulesItem], one: rx.vars.ObjectVar[RoleRuleItem]
) -> rx.Component:
    is_first_of_all = (one.role == "") & (ModelRulesState.org_id == "")
    return labelled(
        rx.fragment(one.name, which(model.name)),
        rx.el.select(
            rx.el.option(one.default, value=""),
            rx.cond(is_first_of_all, rx.fragment(), rx.el.option("On", value="on")),
            rx.el.option("Off", value="off"),
            value=one.choice,
            class_name="field",
            on_change=lambda choice: ModelRulesState.set_rule(
                ModelRulesState.org_id, model.id, one.role, choice
            ),
        ),
        key=one.role,
    )
