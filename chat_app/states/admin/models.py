"""The models of the installation, and how the last calls of each went."""

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.core.errors import message_of
from chat_app.llm.health import ModelHealth
from chat_app.services import services
from chat_app.states.account import SettingsEntry, SettingsList
from chat_app.states.admin import AdminState

_TAGS = {"closed": "", "open": "Paused", "half-open": "Retrying"}
_ADVICE_TO_USERS = " Tell your administrator."  # who reads this here


def model_entry(id: str, name: str, health: ModelHealth) -> SettingsEntry:
    """A model as the list shows it.

    Args:
        id: The model's id.
        name: Its display name.
        health: How its last calls went.
    """
    if not health.error:
        detail = "No recent failures"
    else:
        detail = message_of(health.error, {"model": name, **health.params})
        detail = detail.removesuffix(_ADVICE_TO_USERS)
    if health.seconds:
        detail = f"{detail} Next try in {max(1, round(health.seconds))} s."
    return SettingsEntry(id, name, detail, subtitle=id, tag=_TAGS[health.state])


class ModelHealthState(AdminState, SettingsList, rx.State):
    """Every model that users can choose, with its health."""

    async def _read(self, principal: Principal) -> None:
        models = services().models
        self.items = [
            model_entry(one.id, one.name, models.health.of(one.id)) for one in models.all()
        ]
