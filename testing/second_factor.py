"""A user with an authenticator app (TOTP)."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pyotp.totp import TOTP

from chat_app.auth.principal import Principal
from testing.auth_services import AuthHarness


@dataclass
class MfaUser:
    """A person whose second factor is on."""

    harness: AuthHarness
    principal: Principal
    secret: str
    backup: Sequence[str]

    @property
    def user_id(self) -> UUID:
        return self.principal.user_id

    def code(self, steps: int = 0) -> str:
        """What the authenticator shows now, or some steps of 30 seconds from now."""
        return TOTP(self.secret).at(self.harness.time(), counter_offset=steps)

    def wrong(self) -> str:
        """Six digits that it does not show."""
        shown = {self.code(step) for step in (-1, 0, 1)}
        return next(code for code in map("{:06}".format, range(9)) if code not in shown)

    async def challenge(self) -> str:
        """A sign-in of theirs that waits for the code."""
        return await self.harness.tokens.create(
            "second_factor",
            lifetime=self.harness.time.hour,
            user_id=self.user_id,
            data={"method": "password", "provider": "", "remember": False, "claims": {}},
        )


async def mfa_user(harness: AuthHarness, email: str = "ada@example.org") -> MfaUser:
    """A user who has just enabled it; the code that confirmed it is used up."""
    return await enable_mfa(harness, await harness.person(email))


async def enable_mfa(harness: AuthHarness, user_id: UUID) -> MfaUser:
    """A person, after they turned it on and half a minute has passed."""
    principal = await harness.principal_of(await harness.sign_in(user_id))
    secret = await harness.two_factor.begin(principal)
    code = TOTP(secret).at(harness.time())
    backup = await harness.two_factor.confirm(principal, code)
    harness.time.passes(seconds=30)
    return MfaUser(harness, principal, secret, backup)
