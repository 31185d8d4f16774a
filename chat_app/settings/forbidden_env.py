"""What Reflex would take from the environment over the operator's head.

Every `REFLEX_…` variable wins over what the program tells Reflex, and two more switch on pages of
its own. Those that decide who reaches what, and where it is kept, are refused: the program has a
setting of its own for each, or a reason for none.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_OFF = frozenset({"false", "0", "no", "n"})


@dataclass(frozen=True)
class ForbiddenVariable:
    """A variable of the environment that is not obeyed.

    Args:
        instead: One clause for the operator: why not, or what to set.
        harmless: The values, in lower case, that change nothing.
    """

    instead: str
    harmless: frozenset[str] = frozenset()


FORBIDDEN: dict[str, ForbiddenVariable] = {
    "GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN": ForbiddenVariable(
        "with it Reflex serves a page that redirects anywhere; unset it"
    ),
    "REFLEX_ADD_ALL_ROUTES_ENDPOINT": ForbiddenVariable(
        "it lists every page to anybody; unset it", _OFF
    ),
    "REFLEX_API_URL": ForbiddenVariable("set APP_URL instead"),
    "REFLEX_BACKEND_PATH": ForbiddenVariable(
        "the guard knows the socket at /_event only; unset it"
    ),
    "REFLEX_CORS_ALLOWED_ORIGINS": ForbiddenVariable("set APP_ORIGINS instead"),
    "REFLEX_DEPLOY_URL": ForbiddenVariable("set APP_URL instead"),
    "REFLEX_FRONTEND_PATH": ForbiddenVariable("the guard knows the pages at / only; unset it"),
    "REFLEX_REDIS_URL": ForbiddenVariable("what people see would leave this process; unset it"),
    "REFLEX_STATE_AUTO_SETTERS": ForbiddenVariable(
        "pages could write any variable; unset it", _OFF
    ),
    "REFLEX_STATE_MANAGER_MODE": ForbiddenVariable(
        "what people see would be kept in files; unset it", frozenset({"memory"})
    ),
    "REFLEX_TELEMETRY_ENABLED": ForbiddenVariable("nothing is told to others; unset it", _OFF),
    "REFLEX_TRANSPORT": ForbiddenVariable(
        "only websocket is looked at for its origin; unset it", frozenset({"websocket"})
    ),
    "REFLEX_TRUSTED_PROXY_HOPS": ForbiddenVariable("set TRUSTED_PROXY_HOPS instead"),
    "REFLEX_VITE_ALLOWED_HOSTS": ForbiddenVariable("any name could reach the page; unset it", _OFF),
}


def forbidden_variable(environment: Mapping[str, str]) -> str | None:
    """One line about the first variable that would overrule the settings, or None.

    Args:
        environment: The variables of a process.
    """
    for name, overrule in FORBIDDEN.items():
        value = environment.get(name, "").strip().lower()
        if value and value not in overrule.harmless:
            return f"{name}: {overrule.instead}"
    return None
