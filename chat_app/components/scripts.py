"""The browser side of the components: which scripts there are, and where the build finds them.

They lie in one folder of the build, so that they can import each other and share the frame store.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import reflex as rx

LIBRARIES = ["marked@18.2.1", "dompurify@3.4.18", "highlight.js@11.12.0"]
"""What the scripts import from npm, pinned."""

FOLDER = Path(__file__).parent

NAMES = (
    "account_form",
    "alive",
    "anchor",
    "blocks",
    "code_field",
    "composer",
    "copy",
    "end_of_list",
    "environment",
    "frames",
    "highlight",
    "idle",
    "languages",
    "letters",
    "lexer",
    "links",
    "live_text",
    "markdown",
    "mend",
    "message_text",
    "morph",
    "outbox",
    "passkeys",
    "password_field",
    "plain_text",
    "provider_buttons",
    "roving",
    "scroller",
    "second_factor",
    "session",
    "speech",
    "starters",
    "step_up",
    "title_field",
)


def _place(name: str) -> str:
    return rx.asset(f"{name}.jsx", shared=True).importable_path


# To find out who asks, Reflex reads the whole stack, and that of an import is deep: half a second
# of every start. A new thread has a short one.
with ThreadPoolExecutor(1) as _thread:
    SCRIPTS = dict(zip(NAMES, _thread.map(_place, NAMES), strict=True))
"""Where the build imports each script from."""
