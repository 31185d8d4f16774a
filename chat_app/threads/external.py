"""The values that clients keep with a thread. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from chat_app.core.errors import TooLarge
from chat_app.core.json_values import json_value

MAX_CUSTOM_BYTES = 8_000
"""The largest value that clients keep with a thread, as JSON."""


def checked_custom(custom: Mapping[str, Any]) -> dict[str, Any]:
    """What clients keep with a thread, as JSON that can be stored.

    Raises:
        TooLarge: It is larger than `MAX_CUSTOM_BYTES` as JSON.
    """
    checked = json_value(dict(custom))
    text = json.dumps(checked, ensure_ascii=False)
    if len(text.encode("utf-8", "surrogatepass")) > MAX_CUSTOM_BYTES:
        raise TooLarge(f"`custom` can have at most {MAX_CUSTOM_BYTES // 1000} kB as JSON.")
    return checked
