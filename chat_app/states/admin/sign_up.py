"""The sign-up policy, as a site admin sees and chooses it."""

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.auth.sign_in.policy import SignUpMode
from chat_app.services import services
from chat_app.states import current_principal
from chat_app.states.admin import AdminState

_WITHOUT_MAIL = {
    "smtp": "",
    "log": "Nobody can verify an email without you: the link is in the server log, and you hand it "
    "to the user.",
    "none": "Nobody can verify an email. With domains or invitations, only users of an identity "
    "provider that has verified theirs can create an account.",
}


class SignUpPolicyState(AdminState, rx.State):
    """The policy in force, and the frame that the settings give it."""

    mode: rx.Field[str] = rx.field("")
    domains: rx.Field[str] = rx.field("")
    """Those that an admin has entered, one a line."""
    fixed: rx.Field[str] = rx.field("")
    """The value of `SIGN_UP`, where it fixes the policy."""
    allowed: rx.Field[str] = rx.field("")
    """`AUTH_ALLOWED_DOMAINS`, if it is set."""
    admitted: rx.Field[list[str]] = rx.field(default_factory=list)
    """The identity providers whose users may create an account whatever the policy."""
    unverified: rx.Field[str] = rx.field("")
    """What it means for the verification of emails that there is no mail server."""

    @rx.event
    async def save(self, form: dict[str, str]):
        """Choose the policy; a mistake in the form changes nothing."""
        principal = current_principal()
        mode: SignUpMode = form["mode"]  # pyright: ignore[reportAssignmentType] as its row says
        await self._do(
            services().sign_up_policies.choose(principal, mode, form["domains"]), "Saved."
        )

    async def _read(self, principal: Principal) -> None:
        live = services()
        settings, policy = live.settings, await live.sign_up_policies.current()
        entered = await live.sign_up_policies.typed_domains()
        self.mode, self.done = policy.mode, ""
        self.domains = "\n".join(policy.domains or entered)
        self.fixed = settings.sign_up if policy.is_fixed else ""
        self.allowed = ", ".join(settings.auth_allowed_domains)
        self.admitted = [
            one.label
            for one in settings.identity_providers
            if one.sign_up or (one.require and not policy.is_chosen)
        ]
        self.unverified = _WITHOUT_MAIL[settings.email_delivery]
