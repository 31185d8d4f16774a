"""The form that creates an API key and shows it once."""

import reflex as rx

from chat_app.components import script


class ApiKeyCreate(rx.Component):
    """A form that creates an API key, around its fields `name`, `scope` and `days` and its button.

    The key is shown from the response until the user has copied it.

    Args:
        action: The route.
        owner: The user's id: what was typed before a step-up is filled in for them alone.
        problem_id: The id of the element with the error.
        on_done: The event that follows.
    """

    library = script("auth/api_keys")
    tag = "ApiKeyCreate"

    action: rx.Var[str]
    owner: rx.Var[str]
    problem_id: rx.Var[str]
    on_done: rx.EventHandler[rx.event.no_args_event_spec]


api_key_create = ApiKeyCreate.create
