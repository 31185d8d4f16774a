"""What programs say of a thread: the name that they give it, and the values that they keep with it.

Pure.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from chat_app.core.errors import TooLarge
from chat_app.core.json_values import json_value

MAX_CUSTOM_BYTES = 8_000
"""The largest value that programs keep with a thread, as JSON."""

_EXTERNAL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def is_external_id(text: str) -> bool:
    """Whether a program can name a thread so."""
    return _EXTERNAL_ID.fullmatch(text) is not None


def checked_custom(custom: Mapping[str, Any]) -> dict[str, Any]:
    """What programs keep with a thread, as JSON that can be stored.

    Raises:
        TooLarge: It is larger than `MAX_CUSTOM_BYTES` as JSON.
    """
    checked = json_value(dict(custom))
    text = json.dumps(checked, ensure_ascii=False)
    if len(text.encode("utf-8", "surrogatepass")) > MAX_CUSTOM_BYTES:
        raise TooLarge(f"`custom` can have at most {MAX_CUSTOM_BYTES // 1000} kB as JSON.")
    return checked
