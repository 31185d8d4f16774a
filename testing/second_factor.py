"""A user with an authenticator app (TOTP)."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pyotp.totp import TOTP

from chat_app.auth.principal import Principal
from testing.auth_services import Stage


@dataclass
class Holder:
    """A person whose second factor is on."""

    stage: Stage
    principal: Principal
    secret: str
    backup: Sequence[str]

    @property
    def user_id(self) -> UUID:
        return self.principal.user_id

    def code(self, steps: int = 0) -> str:
        """What the authenticator shows now, or some steps of 30 seconds from now."""
        return TOTP(self.secret).at(self.stage.time(), counter_offset=steps)

    def wrong(self) -> str:
        """Six digits that it does not show."""
        shown = {self.code(step) for step in (-1, 0, 1)}
        return next(code for code in map("{:06}".format, range(9)) if code not in shown)

    async def challenge(self) -> str:
        """A sign-in of theirs that waits for the code."""
        return await self.stage.tokens.create(
            "second_factor",
            lifetime=self.stage.time.hour,
            user_id=self.user_id,
            data={"method": "password", "provider": "", "remember": False, "claims": {}},
        )


async def holder(stage: Stage, email: str = "ada@example.org") -> Holder:
    """A user who has just enabled it; the code that confirmed it is used up."""
    return await turned_on(stage, await stage.person(email))


async def turned_on(stage: Stage, user_id: UUID) -> Holder:
    """A person, after they turned it on and half a minute has passed."""
    principal = await stage.principal_of(await stage.sign_in(user_id))
    secret = await stage.two_factor.begin(principal)
    code = TOTP(secret).at(stage.time())
    backup = await stage.two_factor.confirm(principal, code)
    stage.time.passes(seconds=30)
    return Holder(stage, principal, secret, backup)
