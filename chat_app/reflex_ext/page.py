"""What pages and components use of Reflex beside `rx`: color mode, links, connection state."""

from reflex.style import color_mode, set_color_mode
from reflex_base.style import LiteralColorMode
from reflex_components_core.core.banner import has_connection_errors
from reflex_components_core.react_router.dom import ReactRouterLink

__all__ = ["LiteralColorMode", "ReactRouterLink", "color_mode", "set_color_mode"]

is_offline = has_connection_errors
"""Whether the websocket is disconnected; Reflex reconnects by itself."""
