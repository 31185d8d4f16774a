"""REFLEX_… environment variables that would override the settings; the start refuses them.

Every `REFLEX_…` variable takes priority over what `rxconfig.py` configures, and two others enable
pages of Reflex's own. Those that decide who reaches what, or where state is stored, are forbidden:
the program has its own setting for each, or needs none.
"""

from collections.abc import Mapping

_ANY_VALUE = frozenset[str]()
_UNLESS_OFF = frozenset({"false", "0", "no", "n"})

FORBIDDEN: dict[str, tuple[str, frozenset[str]]] = {
    "GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN": (
        "with it Reflex serves a page that redirects anywhere; unset it",
        _ANY_VALUE,
    ),
    "REFLEX_ADD_ALL_ROUTES_ENDPOINT": ("it lists all pages to everyone; unset it", _UNLESS_OFF),
    "REFLEX_API_URL": ("set APP_URL instead", _ANY_VALUE),
    "REFLEX_BACKEND_PATH": ("the gateway expects the socket at /_event; unset it", _ANY_VALUE),
    "REFLEX_CORS_ALLOWED_ORIGINS": ("set APP_ORIGINS instead", _ANY_VALUE),
    "REFLEX_DEPLOY_URL": ("set APP_URL instead", _ANY_VALUE),
    "REFLEX_FRONTEND_PATH": ("the gateway expects the pages at /; unset it", _ANY_VALUE),
    "REFLEX_REDIS_URL": ("page state must stay in this process; unset it", _ANY_VALUE),
    "REFLEX_STATE_AUTO_SETTERS": ("clients could write any state variable; unset it", _UNLESS_OFF),
    "REFLEX_STATE_MANAGER_MODE": (
        "page state must not be written to files; unset it",
        frozenset({"memory"}),
    ),
    "REFLEX_TELEMETRY_ENABLED": ("the program sends no telemetry; unset it", _UNLESS_OFF),
    "REFLEX_TRANSPORT": (
        "the origin is checked for websocket only; unset it",
        frozenset({"websocket"}),
    ),
    "REFLEX_TRUSTED_PROXY_HOPS": ("set TRUSTED_PROXY_HOPS instead", _ANY_VALUE),
    "REFLEX_VITE_ALLOWED_HOSTS": ("the page would accept any host; unset it", _UNLESS_OFF),
    "REFLEX_WEB_WORKDIR": ("the page is built in .web; unset it", _ANY_VALUE),
}
"""Variable → why it is forbidden or what to set instead, and the values, in lower case, that are
allowed because they change nothing."""


def forbidden_variable(environment: Mapping[str, str]) -> str | None:
    """A one-line message about the first forbidden variable that is set, or None."""
    for name, (advice, allowed) in FORBIDDEN.items():
        value = environment.get(name, "").strip().lower()
        if value and value not in allowed:
            return f"{name}: {advice}"
    return None
