"""Which models a user may call: those of this process that the rules switch on for them.

Every way to a model asks here, with the user and the organisation of the chat. A model that is off
looks like one that does not exist.
"""

from dataclasses import dataclass, field, replace
from typing import Protocol
from uuid import UUID

from chat_app.auth.principal import Principal
from chat_app.core.errors import InvalidInput, StorableError
from chat_app.db.tables import PRIVATE
from chat_app.llm.base import Model
from chat_app.llm.registry import Models, UnknownModel
from chat_app.orgs.model_rules import RuleSet


class NoModelAllowed(StorableError):
    """Every model is off for the user."""

    code = "no_model_allowed"
    status = 403

    def __init__(self) -> None:
        super().__init__("no_model_allowed")


class RuleSource(Protocol):
    """Reads the rules."""

    async def current(self) -> RuleSet:
        """Every rule."""
        ...


@dataclass(frozen=True, slots=True)
class AllowedModels:
    """The models that a user may call in the chats of an organisation, by the rules of one moment.

    Args:
        models: Every model.
        rules: Every rule.
        principal: The user.
        org_id: The organisation of the chat; `PRIVATE` for none.
    """

    models: Models = field(repr=False)
    rules: RuleSet = field(repr=False)
    principal: Principal
    org_id: UUID = PRIVATE

    def within(self, org_id: UUID) -> "AllowedModels":
        """Those in the chats of another organisation."""
        return replace(self, org_id=org_id)

    def allows(self, model: Model) -> bool:
        """Whether the user may call a model."""
        return self.rules.allows(self.principal, model.id, self.org_id)

    def all(self) -> tuple[Model, ...]:
        """Every model that the user can choose."""
        return tuple(model for model in self.models.all() if self.allows(model))

    def anywhere(self) -> tuple[Model, ...]:
        """Every model that the user can choose in a private chat, or in an organisation."""
        return tuple(model for model in self.models.all() if self._allows_anywhere(model))

    def get(self, model_id: str) -> Model:
        """The model with this id.

        Raises:
            UnknownModel: There is none, or it is off.
        """
        model = self.models.get(model_id)
        if not self.allows(model):
            raise UnknownModel(model_id)
        return model

    def has(self, model_id: str) -> bool:
        """Whether there is a model with this id that the user may call."""
        try:
            self.get(model_id)
        except InvalidInput:
            return False
        return True

    def get_anywhere(self, model_id: str) -> Model:
        """The model with this id, which need not be on in every organisation of the user.

        Raises:
            UnknownModel: There is none, or it is off in all of them.
        """
        model = self.models.get(model_id)
        if not self._allows_anywhere(model):
            raise UnknownModel(model_id)
        return model

    def _allows_anywhere(self, model: Model) -> bool:
        places = PRIVATE, *self.principal.memberships
        return any(self.within(org_id).allows(model) for org_id in places)

    def default(self) -> Model:
        """The model that answers if the user chose none: the operator's, or the first one.

        Raises:
            NoModelAllowed: All are off.
            ProviderError: There is no model at all.
        """
        chosen = self.models.default()
        if self.allows(chosen):
            return chosen
        for model in self.all():
            return model
        raise NoModelAllowed

    def get_or_default(self, model_id: str) -> Model:
        """The model with this id; the default one if that is no longer offered, or empty.

        Raises:
            NoModelAllowed: All are off.
            ProviderError: There is no model at all.
        """
        return self.get(model_id) if model_id and self.has(model_id) else self.default()


@dataclass(frozen=True, slots=True)
class ModelAccess:
    """Finds the models that users may call.

    Args:
        models: Every model.
        rules: For whom each is on.
    """

    models: Models
    rules: RuleSource

    async def of(self, principal: Principal, org_id: UUID = PRIVATE) -> AllowedModels:
        """The models of a user.

        Args:
            principal: The user.
            org_id: The organisation of the chat; `PRIVATE` for none.

        Raises:
            DatabaseError: The rules can't be read.
        """
        return AllowedModels(self.models, await self.rules.current(), principal, org_id)
