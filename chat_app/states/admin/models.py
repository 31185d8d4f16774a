"""The models of the installation: for whom each is on, and how the last calls of each went."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.core.errors import NotFound, message_of
from chat_app.llm.base import Model
from chat_app.llm.health import ModelHealth
from chat_app.orgs.model_rules import EVERYONE, INSTALLATION, SITE_ROLES, Choice, RuleSet
from chat_app.services import services
from chat_app.states import current_principal, notify
from chat_app.states.account import SettingsEntry, SettingsList
from chat_app.states.admin import GONE, AdminState

_TAGS = {"closed": "", "open": "Paused", "half-open": "Retrying"}
_ADVICE_TO_USERS = re.compile(r" (Tell|Ask) your administrator\.$")  # who reads this here
_ROLE_NAMES = {
    EVERYONE: "Everyone",
    "owner": "Owners",
    "admin": "Admins",
    "member": "Members",
}
_OTHER_PLACE = "Nothing was changed: the page shows another place now. Choose again."
_MAX_FOUND = 8


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
        detail = _ADVICE_TO_USERS.sub("", detail)
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


@dataclass(frozen=True)
class RoleRuleItem:
    """What is chosen for a role.

    Args:
        role: The role; empty for everyone.
        name: The role in words.
        choice: `on`, `off`, or empty for what the less specific rules say.
        default: What the empty choice is called.
    """

    role: str
    name: str
    choice: str
    default: str


@dataclass(frozen=True)
class ModelRulesItem:
    """A model, and what is chosen for each role.

    Args:
        id: The model's id.
        name: Its display name; its id if it is no longer offered.
        tag: A word beside the name; may be empty.
        roles: What is chosen.
    """

    id: str
    name: str
    tag: str
    roles: list[RoleRuleItem]


@dataclass(frozen=True)
class FoundOrganisationItem:
    """An organisation whose rules can be shown."""

    id: str
    name: str


def model_rules_items(
    models: Sequence[Model], rules: RuleSet, org_id: UUID
) -> list[ModelRulesItem]:
    """Every model with its rules in one place; also what has a rule and is no longer offered.

    Args:
        models: The models that this process offers.
        rules: Every rule.
        org_id: The organisation, or `INSTALLATION`.
    """
    names = {model.id: model.name for model in models}
    gone = {model for model, place, _ in rules.rules if place == org_id} - names.keys()
    return [
        *(_item(id, name, rules, org_id) for id, name in names.items()),
        *(_item(id, id, rules, org_id, is_gone=True) for id in sorted(gone)),
    ]


def _item(
    id: str, name: str, rules: RuleSet, org_id: UUID, *, is_gone: bool = False
) -> ModelRulesItem:
    in_installation = org_id == INSTALLATION
    roles = SITE_ROLES if in_installation else ("owner", "admin", "member")
    everyone = rules.choice(id, org_id, EVERYONE)
    above = "on" if in_installation else rules.choice(id, INSTALLATION, EVERYONE) or "on"
    default = "On" if in_installation else f"Default ({above})"
    is_off = (everyone or above) == "off"
    of_roles = [
        RoleRuleItem(role, _ROLE_NAMES[role], rules.choice(id, org_id, role), "As everyone")
        for role in roles
    ]
    first = RoleRuleItem(EVERYONE, _ROLE_NAMES[EVERYONE], everyone, default)
    tag = "Not offered" if is_gone else "Off" if is_off else ""
    return ModelRulesItem(id, name, tag, [first, *of_roles])


class ModelRulesState(AdminState, rx.State):
    """For whom each model is on: in the installation, or in one organisation."""

    items: rx.Field[list[ModelRulesItem]] = rx.field(default_factory=list)
    org_id: rx.Field[str] = rx.field("")
    org_name: rx.Field[str] = rx.field("")
    text: rx.Field[str] = rx.field("")
    found: rx.Field[list[FoundOrganisationItem]] = rx.field(default_factory=list)

    async def _read(self, principal: Principal) -> None:
        live = services()
        models = list(live.models.all())
        rules = await live.model_rules.current()
        place = UUID(self.org_id) if self.org_id else INSTALLATION
        self.items = model_rules_items(models, rules, place)

    @rx.event
    async def find(self, text: str):
        """Search for an organisation."""
        self.text, self.found = text, []
        if text.strip():
            page = await services().organisation_administration.find(text)
            self.found = [
                FoundOrganisationItem(str(one.id), one.name)
                for one in page.organisations[:_MAX_FOUND]
            ]

    @rx.event
    async def show_organisation(self, org_id: str):
        """Show the rules of an organisation, or those of the installation."""
        self.notice, self.text, self.found, self.done = "", "", [], ""
        self.org_id, self.org_name = "", ""
        if org_id:
            get = services().organisation_administration.get(UUID(org_id))
            try:
                self.org_name = (await get).name
            except NotFound:
                notify(self, GONE)
            else:
                self.org_id = org_id
        await self._read(current_principal())

    @rx.event
    async def set_rule(self, org_id: str, model_id: str, role: str, choice: str):
        """Switch a model on or off for a role.

        Args:
            org_id: The organisation on the page, or empty for the installation. This state may
                show another place since.
            model_id: The model.
            role: The role; empty for everyone.
            choice: What is chosen.
        """
        self.notice, self.done = "", ""
        principal = current_principal()
        if org_id != self.org_id:
            notify(self, _OTHER_PLACE)
            await self._read(principal)
            return
        known = next((one for one in self.items if one.id == model_id), None)
        if known is None:
            return
        change = services().model_rules.change(
            principal,
            model_id,
            org_id=UUID(org_id) if org_id else INSTALLATION,
            role=role,
            choice=cast(Choice, choice),
        )
        await self._do(change, f"{known.name}: saved")
