"""`/settings/usage`: what the user has used models for. Its parts are those of the admin's page."""

from typing import Any

import reflex as rx

from chat_app.pages.settings.sections import disclosure, figures, section, when_loaded
from chat_app.states.usage import OwnUsageState, UsageBar, UsageFigures, UsageItem
from chat_app.usage.queries import PERIODS

_REPORTED = (
    "The models' providers report the tokens. A call without a report, such as a stopped answer, "
    "counts as a call without tokens. Days are in UTC."
)


def usage() -> rx.Component:
    """The user's own numbers, by day and by model."""
    return usage_sections(
        OwnUsageState,
        lead="Every model call in your chats and by programs with your API keys is counted. "
        "Some that ran when the server crashed are not.",
    )


def usage_sections(state: type[UsageFigures], *more: rx.Component, lead: Any) -> rx.Component:
    """The numbers of a period, and what it is made of.

    Args:
        state: Has the numbers.
        more: Further sections, for a period in which something was used.
        lead: A sentence that says whose they are.
    """
    return rx.fragment(
        section(
            "Overview",
            _periods(state),
            when_loaded(
                state,
                rx.cond(
                    state.is_empty,
                    rx.el.p(
                        "No model was used in these days.", class_name="usage-empty", role="status"
                    ),
                    rx.fragment(
                        figures(
                            ("Calls", state.calls),
                            ("Input tokens", state.input_tokens),
                            ("Output tokens", state.output_tokens),
                        ),
                        rx.cond(state.note, rx.el.p(state.note, class_name="section-lead")),
                    ),
                ),
            ),
            lead=lead,
        ),
        rx.cond(
            state.loaded & ~state.is_empty,
            rx.fragment(
                section(
                    "By day", _chart(state), lead=rx.fragment("Most tokens: ", state.peak, ".")
                ),
                section("By model", usage_table("Model", state.models)),
                section("By purpose", usage_table("Purpose", state.purposes)),
                *more,
            ),
        ),
        section("How it is counted", lead=_REPORTED),
    )


def usage_table(what: str, items: rx.vars.ArrayVar[Any]) -> rx.Component:
    """A table of numbers.

    Args:
        what: What a row is of.
        items: The rows.
    """
    return _table(what, rx.foreach(items, _row))


def _periods(state: type[UsageFigures]) -> rx.Component:
    return rx.el.div(
        *(
            rx.el.button(
                f"{days} days",
                type="button",
                on_click=state.choose(days),
                aria_pressed=state.days == days,
            )
            for days in PERIODS
        ),
        role="group",
        aria_label="Period",
        class_name="segments usage-periods",
    )


def _chart(state: type[UsageFigures]) -> rx.Component:
    """Bars for those who see them, and the same numbers as a table for everyone."""
    return rx.fragment(
        rx.el.div(
            rx.el.div(rx.foreach(state.bars, _bar), class_name="usage-bars"),
            rx.el.div(
                rx.el.span(state.first_day), rx.el.span(state.last_day), class_name="usage-axis"
            ),
            aria_hidden="true",
        ),
        disclosure(
            "Show as a table",
            _table("Day", rx.foreach(state.bars, lambda bar: _row(bar.item))),
        ),
    )


def _bar(bar: rx.vars.ObjectVar[UsageBar]) -> rx.Component:
    return rx.el.span(style={"height": bar.height}, title=bar.title, key=bar.item.id)


def _table(what: str, rows: rx.Component) -> rx.Component:
    return rx.el.table(
        rx.el.thead(
            rx.el.tr(*(rx.el.th(one, scope="col") for one in (what, "Calls", "Input", "Output")))
        ),
        rx.el.tbody(rows),
        class_name="usage-table",
    )


def _row(item: rx.vars.ObjectVar[UsageItem]) -> rx.Component:
    return rx.el.tr(
        rx.el.th(item.name, rx.cond(item.note, rx.el.span(" ", item.note)), scope="row"),
        rx.el.td(item.calls),
        rx.el.td(item.input),
        rx.el.td(item.output),
        key=item.id,
    )
