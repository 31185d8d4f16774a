"""Where the program's own HTTP routes are, seen from a page."""

from reflex.utils.exec import is_prod_mode
from reflex_base.config import get_config


def backend(path: str) -> str:
    """The address of a route.

    In production pages and routes share one origin; in development they are on two ports.

    Args:
        path: Begins with a slash.
    """
    return path if is_prod_mode() else f"{(get_config().api_url or '').rstrip('/')}{path}"
