"""Whose account a proof opens. Pure: what is known goes in, a decision comes out.

The key of an account is issuer and subject. An e-mail address never joins two accounts: at most
it decides that somebody is refused, or that an account nobody ever proved is cleared for the
person who proves it.
"""

from dataclasses import dataclass
from uuid import UUID

from chat_app.auth.proof import Proof
from chat_app.auth.refusals import AccessDenied, AccountNotLinked, EmailRequired, SignUpClosed


@dataclass(frozen=True, slots=True)
class KnownUser:
    """A person of ours, as far as the rules look.

    Args:
        user_id: Who.
        email: Their address.
        is_verified: Whether they have proved that it is theirs.
        is_disabled: Whether the operator has shut them out.
    """

    user_id: UUID
    email: str
    is_verified: bool
    is_disabled: bool


@dataclass(frozen=True, slots=True)
class SignInAs:
    """Open this person's account."""

    user: KnownUser


@dataclass(frozen=True, slots=True)
class TakeOver:
    """Clear this account of every way in but this one, and open it."""

    user: KnownUser


@dataclass(frozen=True, slots=True)
class Create:
    """Make a new person."""


Decision = SignInAs | TakeOver | Create


def decide(
    proof: Proof,
    owner: KnownUser | None,
    holder: KnownUser | None,
    *,
    may_create: bool,
    may_take_over: bool,
) -> Decision:
    """Whose account a proof opens.

    Args:
        proof: What was proved.
        owner: Whom the proof's issuer and subject belong to, or whom the proof itself names.
        holder: Who has the proof's e-mail address.
        may_create: Whether this stranger may get an account.
        may_take_over: Whether an account that was never proved may be cleared.

    Raises:
        AccessDenied: The person is disabled.
        EmailRequired: A stranger without an address.
        SignUpClosed: A stranger, and strangers get no account.
        AccountNotLinked: The address is somebody's.
    """
    if owner is not None:
        if owner.is_disabled:
            raise AccessDenied
        return SignInAs(owner)
    if not proof.email:
        raise EmailRequired
    if holder is None:
        if not may_create:
            raise SignUpClosed
        return Create()
    if holder.is_disabled:
        raise AccessDenied
    if holder.is_verified:
        # Whoever reads a mailbox that was proved is its account's person.
        if proof.method == "email":
            return SignInAs(holder)
        raise AccountNotLinked
    if not (proof.email_verified and may_take_over):
        raise AccountNotLinked
    return TakeOver(holder)


def domain_of(email: str) -> str:
    """What stands behind the `@`."""
    return email.rpartition("@")[2]


def has_claim(required: str, proof: Proof) -> bool:
    """Whether a proof's claims hold what `claim:value` asks for; a list must have the value.

    Args:
        required: From a provider's settings; empty asks for nothing.
        proof: What was proved.
    """
    if not required:
        return True
    name, _, value = required.partition(":")
    said = proof.claims.get(name)
    values = said if isinstance(said, list | tuple) else [said]
    return value in [one for one in values if isinstance(one, str)]
