"""Which models are on for whom: the rules, how they decide, and their cache.

A model is on until a rule says otherwise. Of the rules that fit, the most specific one decides:
first that of the user's role in the organisation of the chat, then that of the organisation, then
that of the user's role in the installation, then that of the installation. A rule for groups would
stand before all of these.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from types import MappingProxyType
from typing import Literal
from uuid import UUID

from sqlmodel import col, select

from chat_app import audit
from chat_app.auth.account.roles import require_admin
from chat_app.auth.principal import Principal
from chat_app.auth.sessions.cache import CACHE_SECONDS
from chat_app.core.errors import InvalidInput, NotFound
from chat_app.core.signal_cache import SignalCache
from chat_app.core.signals import MODEL_RULES, Bus, Signal
from chat_app.db.engine import Database
from chat_app.db.tables import PRIVATE, ModelRule, Organisation
from chat_app.orgs.roles import ROLES

INSTALLATION = PRIVATE
"""The `org_id` of the rules of the installation; those alone decide in private chats."""
EVERYONE = ""
"""The role of a rule for every role."""
SITE_ROLES = ("admin",)
"""The roles in the installation that a rule can be for."""

Choice = Literal["", "on", "off"]
"""What a rule says; empty for no rule."""

_NO_CODE = re.compile(r"[^\w.:/ +\-]", re.ASCII)
_MAX_CODE = 100  # characters of a detail of the audit log


RuleKey = tuple[str, UUID, str]
"""The model, the organisation and the role of a rule."""


def is_allowed(
    rules: Mapping[RuleKey, bool], model: str, *, org_id: UUID, role: str, site_role: str
) -> bool:
    """Whether a user may call a model.

    Args:
        rules: Every rule, and whether it switches its model on.
        model: The id of the model.
        org_id: The organisation of the chat; `INSTALLATION` for none.
        role: The user's role in that organisation.
        site_role: The user's role in the installation; empty for none.
    """
    fitting: list[tuple[UUID, str]] = []
    if org_id != INSTALLATION:
        fitting += [(org_id, role), (org_id, EVERYONE)]
    fitting += [(INSTALLATION, site_role), (INSTALLATION, EVERYONE)]
    found = (rules.get((model, *one)) for one in fitting)
    return next((allowed for allowed in found if allowed is not None), True)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Every rule as it was at one moment.

    Args:
        rules: Whether each switches its model on.
    """

    rules: Mapping[RuleKey, bool] = field(default_factory=lambda: MappingProxyType({}))

    def allows(self, principal: Principal, model: str, org_id: UUID) -> bool:
        """Whether a user may call a model in the chats of an organisation; `PRIVATE` for none."""
        role = principal.memberships.get(org_id, "")
        return is_allowed(
            self.rules, model, org_id=org_id, role=role, site_role=principal.site_role
        )

    def choice(self, model: str, org_id: UUID, role: str) -> Choice:
        """What the rule for exactly this says."""
        allowed = self.rules.get((model, org_id, role))
        return "" if allowed is None else "on" if allowed else "off"


class ModelRules:
    """Reads and changes the rules. They are cached, so that a send costs no query.

    A change drops the cache at once; what another server changes counts after `CACHE_SECONDS`.

    Args:
        db: Stores them.
        bus: Receives a signal after every change.
        now: A monotonic clock, in seconds.
    """

    def __init__(self, db: Database, bus: Bus, now: Callable[[], float] = monotonic) -> None:
        self._db = db
        self._bus = bus
        self._cache = SignalCache(bus, MODEL_RULES, self._read, seconds=CACHE_SECONDS, now=now)

    async def current(self) -> RuleSet:
        """Every rule, at most `CACHE_SECONDS` old.

        Raises:
            DatabaseError: They can't be read.
        """
        return await self._cache.get()

    async def change(
        self, admin: Principal, model: str, *, org_id: UUID, role: str, choice: Choice
    ) -> None:
        """Switch a model on or off for a role, or leave it to the less specific rules.

        Args:
            admin: A site admin.
            model: The id of the model.
            org_id: The organisation, or `INSTALLATION`.
            role: A role there, or `EVERYONE`.
            choice: What the rule says.

        Raises:
            Forbidden: The user is no admin any more.
            InvalidInput: There is no such role there.
            NotFound: There is no such organisation.
        """
        roles = SITE_ROLES if org_id == INSTALLATION else ROLES
        if role not in (EVERYONE, *roles):
            raise InvalidInput("There is no such role.")
        key = model, org_id, role
        async with self._db.system("administration", write=True, read_committed=True) as session:
            await require_admin(session, admin)
            if org_id != INSTALLATION:  # which is not deleted before this is committed
                locked = select(Organisation.id).where(col(Organisation.id) == org_id)
                found = await session.exec(locked.with_for_update(read=True, key_share=True))
                if found.first() is None:
                    raise NotFound
            row = await session.get(ModelRule, key)  # no other admin changes it now
            before = "" if row is None else "on" if row.allowed else "off"
            if before == choice:
                return
            if choice == "":
                await session.delete(row)
            elif row is None:
                values = {"model": model, "org_id": org_id, "role": role}
                session.add(ModelRule(**values, allowed=choice == "on"))
            else:
                row.allowed = choice == "on"
            is_for_all = org_id == INSTALLATION
            subject = None if is_for_all else audit.Subject("organisation", org_id)
            await audit.append(
                session,
                "model_rule_changed",
                actor=admin,
                subject=subject,
                organisation=None if is_for_all else org_id,
                details={
                    "model": _NO_CODE.sub("_", model)[:_MAX_CODE],
                    "role": role or "everyone",
                    "value": choice or "default",
                },
            )
            session.publish(self._bus, MODEL_RULES, Signal("model_rules"))

    async def _read(self) -> RuleSet:
        columns = ModelRule.model, ModelRule.org_id, ModelRule.role, ModelRule.allowed
        async with self._db.system("model rules") as session:
            rows = (await session.exec(select(*columns))).all()
        return RuleSet({(model, org_id, role): allowed for model, org_id, role, allowed in rows})
