"""What pages and components use of Reflex beside `rx`: URLs of the API, color mode, links."""

from reflex.style import color_mode, set_color_mode
from reflex.utils.exec import is_prod_mode
from reflex_base.config import get_config
from reflex_base.style import LiteralColorMode
from reflex_components_core.core.banner import has_connection_errors
from reflex_components_core.react_router.dom import ReactRouterLink

__all__ = ["LiteralColorMode", "ReactRouterLink", "color_mode", "set_color_mode"]

is_offline = has_connection_errors
"""Whether the websocket is disconnected; Reflex reconnects by itself."""


def api_url(path: str) -> str:
    """The URL of an HTTP route, as a page has to name it.

    In production pages and routes share one origin; in development they are on two ports.

    Args:
        path: Begins with a slash.
    """
    return path if is_prod_mode() else f"{(get_config().api_url or '').rstrip('/')}{path}"
