"""Rules for models without a database."""

from collections.abc import Mapping
from uuid import uuid4

from chat_app.auth.principal import Principal
from chat_app.llm.registry import Models
from chat_app.orgs.model_rules import RuleKey, RuleSet
from chat_app.runs.model_access import AllowedModels


class FixedRules:
    """Rules that are always the same.

    Args:
        rules: Whether each switches its model on.
    """

    def __init__(self, rules: Mapping[RuleKey, bool] | None = None) -> None:
        self.rules = RuleSet(rules or {})

    async def current(self) -> RuleSet:
        """Every rule."""
        return self.rules


def allowed_models(models: Models, rules: Mapping[RuleKey, bool] | None = None) -> AllowedModels:
    """The models of some user in no organisation; all of them without rules."""
    return AllowedModels(models, RuleSet(rules or {}), Principal(uuid4(), uuid4()))
