"""The state of the chat page of the settings: what new chats of the user begin with."""

from dataclasses import replace

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.services import services
from chat_app.states import NoticeState, current_principal, try_action
from chat_app.states.account import SettingsState
from chat_app.states.chat import Offer, look_up_models, offered_models
from chat_app.states.model_views import (
    CapsItem,
    ModelItem,
    OptionsItem,
    caps_item,
    options_item,
)


class ChatDefaultsState(NoticeState, SettingsState, rx.State):
    """The model and the options of new chats, and what can be chosen at most.

    Attributes:
        models: The models to choose from.
        model: The id of the chosen one.
        options: The chosen options.
    """

    models: rx.Field[list[ModelItem]] = rx.field(default_factory=list)
    model: rx.Field[str] = rx.field("")
    options: rx.Field[OptionsItem] = rx.field(default_factory=OptionsItem)

    @rx.var(initial_value=CapsItem())
    def caps(self) -> CapsItem:
        """The operator's caps, which may have changed since the page was built."""
        return caps_item(services().settings)

    async def _read(self, principal: Principal) -> None:
        chosen = await services().profiles.chosen_model(principal)
        offer = await _offer(principal)
        self.models = await look_up_models(offer.models)
        self.model = chosen if offer.has(chosen) else offer.default
        self.options = options_item(await services().new_chat_options.get(principal))

    @rx.event
    async def pick_model(self, model_id: str):
        """Choose the model of new chats."""
        principal = current_principal()
        if (await _offer(principal)).has(model_id):
            self.model, self.notice = model_id, ""
            yield
            await try_action(self, services().profiles.choose_model(principal, model_id))


async def _offer(principal: Principal) -> Offer:
    """The models that new chats can begin with, in an organisation or not."""
    private = await offered_models(principal)
    anywhere = (await services().model_access.of(principal)).anywhere()
    more = tuple(model for model in anywhere if not private.has(model.id))
    return replace(private, models=(*private.models, *more))
