"""The text of `.env.example`: every setting with its meaning and default."""

import inspect
from collections.abc import Iterator

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from chat_app.settings.base import GROUPS


def example() -> str:
    """Every setting that an operator may change, by group.

    A group is named by the first line of its docstring; a field without a description is not
    the operator's.
    """
    lines = [
        "# Every setting, with its default. Copy to .env and change what you need.",
        "# Made by: python -m chat_app.settings > .env.example",
    ]
    for group in GROUPS:
        lines += _lines(group)
    return "\n".join(lines) + "\n"


def _lines(group: type[BaseModel]) -> Iterator[str]:
    heading = inspect.getdoc(group) or ""
    yield from ("", "", f"# --- {heading.splitlines()[0].rstrip('.')} ---")
    for name, field in group.model_fields.items():
        if field.description:
            yield from ("", f"# {field.description}", f"# {name.upper()}={_default(field)}")
    for name, meaning in vars(group).get("by_pattern", {}).items():
        yield from ("", f"# {meaning}", f"# {name}=")


def _default(field: FieldInfo) -> str:
    default = field.default
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    if isinstance(default, bool):
        return str(default).lower()
    return "" if isinstance(default, tuple) else str(default)
