"""REFLEX_… environment variables that would override the settings; the start refuses them.

Every `REFLEX_…` variable takes priority over what `rxconfig.py` configures, and two others enable
pages of Reflex's own. Those that decide who reaches what, or where state is stored, are forbidden:
the program has its own setting for each, or needs none.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_OFF = frozenset({"false", "0", "no", "n"})


@dataclass(frozen=True)
class ForbiddenVariable:
    """An environment variable that stops the start.

    Args:
        advice: Why it is forbidden, or what to set instead; one clause for the operator.
        allowed: The values, in lower case, that change nothing.
    """

    advice: str
    allowed: frozenset[str] = frozenset()


FORBIDDEN: dict[str, ForbiddenVariable] = {
    "GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN": ForbiddenVariable(
        "with it Reflex serves a page that redirects anywhere; unset it"
    ),
    "REFLEX_ADD_ALL_ROUTES_ENDPOINT": ForbiddenVariable(
        "it lists all pages to everyone; unset it", _OFF
    ),
    "REFLEX_API_URL": ForbiddenVariable("set APP_URL instead"),
    "REFLEX_BACKEND_PATH": ForbiddenVariable("the gateway expects the socket at /_event; unset it"),
    "REFLEX_CORS_ALLOWED_ORIGINS": ForbiddenVariable("set APP_ORIGINS instead"),
    "REFLEX_DEPLOY_URL": ForbiddenVariable("set APP_URL instead"),
    "REFLEX_FRONTEND_PATH": ForbiddenVariable("the gateway expects the pages at /; unset it"),
    "REFLEX_REDIS_URL": ForbiddenVariable("page state must stay in this process; unset it"),
    "REFLEX_STATE_AUTO_SETTERS": ForbiddenVariable(
        "clients could write any state variable; unset it", _OFF
    ),
    "REFLEX_STATE_MANAGER_MODE": ForbiddenVariable(
        "page state must not be written to files; unset it", frozenset({"memory"})
    ),
    "REFLEX_TELEMETRY_ENABLED": ForbiddenVariable("the program sends no telemetry; unset it", _OFF),
    "REFLEX_TRANSPORT": ForbiddenVariable(
        "the origin is checked for websocket only; unset it", frozenset({"websocket"})
    ),
    "REFLEX_TRUSTED_PROXY_HOPS": ForbiddenVariable("set TRUSTED_PROXY_HOPS instead"),
    "REFLEX_VITE_ALLOWED_HOSTS": ForbiddenVariable(
        "the page would accept any host; unset it", _OFF
    ),
    "REFLEX_WEB_WORKDIR": ForbiddenVariable("the page is built in .web; unset it"),
}


def forbidden_variable(environment: Mapping[str, str]) -> str | None:
    """A one-line message about the first forbidden variable that is set, or None."""
    for name, variable in FORBIDDEN.items():
        value = environment.get(name, "").strip().lower()
        if value and value not in variable.allowed:
            return f"{name}: {variable.advice}"
    return None
