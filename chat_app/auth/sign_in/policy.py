"""The sign-up policy: who may create an account.

The settings are the operator's frame. `SIGN_UP=open` and `SIGN_UP=closed` fix the policy; `auto`
leaves it to the site admins, and until one has chosen, to the address of the installation. A policy
decides about new accounts only: a user who exists is never touched by it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from sqlmodel import col, select

from chat_app import audit
from chat_app.auth.account.memberships import open_invitation
from chat_app.auth.account.roles import require_admin
from chat_app.auth.errors import AuthError, SignUpClosed, SignUpRefused
from chat_app.auth.principal import Principal
from chat_app.auth.sign_in.identity import VerifiedIdentity, domain_of
from chat_app.core.clock import Clock
from chat_app.core.errors import Conflict, InvalidInput
from chat_app.core.signal_cache import SignalCache
from chat_app.core.signals import SIGN_UP_POLICY, Bus, Signal
from chat_app.db.engine import Database
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import Invitation, SignUpChoice
from chat_app.settings import Settings
from chat_app.settings.identity_providers import IdentityProvider
from chat_app.settings.sign_in import validate_domain

SignUpMode = Literal["open", "domains", "invited", "closed"]
"""Who may create an account: everyone (`SIGN_UP=open`), who has an email of some domains, who is
invited to an organisation, or nobody but those whom an admin adds (`SIGN_UP=closed`)."""

MAX_DOMAINS = 50
"""How many domains a policy names at most."""
CACHE_TIME = timedelta(seconds=5)
"""How long a policy is cached, for what only informs; a write reads it again."""


class SignUpFixed(Conflict):
    """The operator's settings say who may create an account."""

    code = "sign_up_fixed"

    def __init__(self) -> None:
        super().__init__("SIGN_UP in the settings of the server says who may create an account.")


@dataclass(frozen=True, slots=True)
class SignUpPolicy:
    """Who may create an account.

    Args:
        mode: Who may.
        domains: Those of the emails that may, where the mode is `domains`.
        is_fixed: Whether the settings fix it, so that no admin can change it.
        is_chosen: Whether an admin chose it. A claim that every user of an identity provider must
            have (`…_REQUIRE`) lets new users in only where none did.
    """

    mode: SignUpMode
    domains: tuple[str, ...] = ()
    is_fixed: bool = False
    is_chosen: bool = False

    @property
    def needs_verified_email(self) -> bool:
        """Whether it asks who the email belongs to, so that only a verified one counts."""
        return self.mode in ("domains", "invited")

    @property
    def refusal(self) -> AuthError:
        """The error for an identity that may not create an account."""
        is_for_others = self.is_chosen and self.needs_verified_email
        return SignUpRefused() if is_for_others else SignUpClosed()


def policy_of(
    settings: Settings, mode: SignUpMode | None = None, domains: Iterable[str] = ()
) -> SignUpPolicy:
    """The policy in force.

    Args:
        settings: The operator's frame.
        mode: What an admin chose; None for nothing yet.
        domains: The domains that the admin chose. `AUTH_ALLOWED_DOMAINS` may have been narrowed
            since.
    """
    allowed, is_fixed = settings.auth_allowed_domains, settings.sign_up != "auto"
    if mode is not None and not is_fixed:
        within = tuple(one for one in domains if not allowed or one in allowed)
        return SignUpPolicy(mode, within if mode == "domains" else (), is_chosen=True)
    if settings.sign_up_is_open:
        return SignUpPolicy("open", is_fixed=is_fixed)
    if allowed:  # whoever has such an email may sign up where sign-up is closed
        return SignUpPolicy("domains", allowed, is_fixed=is_fixed)
    return SignUpPolicy("closed", is_fixed=is_fixed)


def may_create(
    policy: SignUpPolicy,
    identity: VerifiedIdentity,
    *,
    provider: IdentityProvider | None,
    is_invited: bool,
) -> bool:
    """Whether an identity may create an account, as far as the policy decides.

    Args:
        policy: The policy in force.
        identity: The verified identity.
        provider: Its identity provider, if it has one. `…_SIGN_UP` is the operator's word for its
            users, whatever the policy.
        is_invited: Whether its email has an open invitation.
    """
    if policy.mode == "open":
        return True
    if provider is not None and (
        provider.sign_up or (bool(provider.require) and not policy.is_chosen)
    ):
        return True
    if policy.mode == "domains":
        # what is in `AUTH_ALLOWED_DOMAINS` is checked at each sign-in, with an error of its own
        is_listed = domain_of(identity.email) in policy.domains or not policy.is_chosen
        return identity.email_verified and is_listed
    return policy.mode == "invited" and identity.email_verified and is_invited


def parse_domains(text: str) -> list[str]:
    """The domains that an admin has typed, each once.

    Args:
        text: Separated by spaces, commas or lines.

    Raises:
        InvalidInput: One of them is no domain, or only a name without a dot, or there are too many.
    """
    domains = list[str]()
    for word in re.split(r"[\s,;]+", text.strip()):
        if not word:
            continue
        try:
            domain = validate_domain(word)
        except ValueError:
            domain = ""
        if "." not in domain:
            raise InvalidInput(
                f'"{word[:100]}" is not a domain. Enter domains such as example.org.'
            )
        if domain not in domains:
            domains.append(domain)
    if len(domains) > MAX_DOMAINS:
        raise InvalidInput(f"Enter at most {MAX_DOMAINS} domains.")
    return domains


@dataclass(slots=True)
class SignUpPolicies:
    """Reads the policy, applies it to identities, and lets an admin choose it.

    Args:
        db: Stores what an admin chose, and the invitations.
        bus: Receives a signal after every change.
        settings: The operator's frame.
        clock: The time.
    """

    db: Database
    bus: Bus
    settings: Settings
    clock: Clock
    _cache: SignalCache[SignUpPolicy] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._cache = SignalCache(
            *(self.bus, SIGN_UP_POLICY, self._read_now),
            seconds=CACHE_TIME.total_seconds(),
            now=lambda: self.clock().timestamp(),
        )

    async def prepare(self) -> None:
        """Add the row of the policy where there is none, so that a sign-up can lock it."""
        async with self.db.system("auth") as session:
            if await session.get(SignUpChoice, SignUpChoice.ONLY) is not None:
                return
        async with self.db.system("auth", write=True) as session:
            session.add(SignUpChoice())

    async def current(self) -> SignUpPolicy:
        """The policy as it was at most `CACHE_TIME` ago. A sign-up is decided by `require`."""
        return await self._cache.get()

    async def needs_verified_email(self) -> bool:
        """Whether a password's email is verified before there is an account."""
        policy = await self.current()
        return self.settings.sign_up_requires_verification or policy.needs_verified_email

    async def require(
        self, session: SystemSession, identity: VerifiedIdentity, *, lock: bool = False
    ) -> None:
        """Refuse an identity that may not create an account.

        Args:
            session: A transaction. One that adds the user locks the policy: of a change and a
                sign-up at once, one comes first.
            identity: The verified identity.
            lock: Whether the transaction adds the user.

        Raises:
            SignUpClosed: Nobody may.
            SignUpRefused: Others may.
        """
        policy = await self._read(session, lock=lock)
        is_invited = policy.mode == "invited" and await self._is_invited(session, identity.email)
        providers = (one for one in self.settings.identity_providers if one.id == identity.provider)
        if not may_create(policy, identity, provider=next(providers, None), is_invited=is_invited):
            raise policy.refusal

    async def choose(self, admin: Principal, mode: SignUpMode, domains: str) -> None:
        """Choose the policy.

        Args:
            admin: Who chooses.
            mode: Who may create an account.
            domains: As typed; those that were chosen before are kept with another mode.

        Raises:
            SignUpFixed: The settings say who may.
            InvalidInput: A domain is none, or is outside of `AUTH_ALLOWED_DOMAINS`, or there is
                none for the mode `domains`.
            Forbidden: The user is no admin any more.
        """
        if policy_of(self.settings).is_fixed:
            raise SignUpFixed
        chosen = parse_domains(domains) if mode == "domains" else []
        allowed = self.settings.auth_allowed_domains
        if outside := [one for one in chosen if allowed and one not in allowed]:
            raise InvalidInput(
                f"{outside[0]} is not among AUTH_ALLOWED_DOMAINS, which the settings of the server "
                "allow."
            )
        if mode == "domains" and not chosen:
            raise InvalidInput("Enter at least one domain, such as example.org.")
        async with self.db.system("administration", write=True) as session:
            await require_admin(session, admin)
            row = await session.get(SignUpChoice, SignUpChoice.ONLY, with_for_update=True)
            if row is None:
                session.add(row := SignUpChoice())
            row.mode = mode
            details: audit.Details = {"setting": "sign_up", "value": mode}
            if mode == "domains":
                row.domains = chosen
                details["count"] = len(chosen)
            await audit.append(
                session, "sign_up_policy_changed", actor=admin, details=details, clock=self.clock
            )
            session.publish(self.bus, SIGN_UP_POLICY, Signal("sign_up_policy"))

    async def typed_domains(self) -> tuple[str, ...]:
        """The domains that an admin has entered, also where another mode was chosen since."""
        async with self.db.system("administration") as session:
            row = await session.get(SignUpChoice, SignUpChoice.ONLY)
        return () if row is None else tuple(row.domains)

    async def _read_now(self) -> SignUpPolicy:
        async with self.db.system("auth") as session:
            return await self._read(session)

    async def _read(self, session: SystemSession, *, lock: bool = False) -> SignUpPolicy:
        query = select(SignUpChoice).where(col(SignUpChoice.id) == SignUpChoice.ONLY)
        found = await session.exec(query.with_for_update(read=True) if lock else query)
        row = found.first()
        mode: SignUpMode
        for mode in ("open", "domains", "invited", "closed"):
            if row is not None and row.mode == mode:
                return policy_of(self.settings, mode, row.domains)
        return policy_of(self.settings)

    async def _is_invited(self, session: SystemSession, email: str) -> bool:
        found = await session.exec(
            select(Invitation.id)
            .where(col(Invitation.email) == email, *open_invitation(self.clock()))
            .limit(1)
        )
        return found.first() is not None
