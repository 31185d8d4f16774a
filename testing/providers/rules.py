"""Rules of providers, their public sources, and the refusal of a request that breaks one."""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Request = dict[str, Any]
Check = Callable[[Request], None]

DATA_URL = re.compile(r"data:([a-z]+/[a-z0-9.+-]+);base64,(.*)", re.DOTALL)
IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Rule:
    """What a provider refuses.

    Args:
        name: Short, unique among all providers, such as `openai: tool results`.
        source: The URL where the provider says so, or where its refusal is reported.
    """

    name: str
    source: str


RULES: dict[str, Rule] = {}
"""Every rule by its name."""


def rule(name: str, source: str) -> Rule:
    """Declare a rule."""
    assert name not in RULES, name
    RULES[name] = Rule(name, source)
    return RULES[name]


class Refused(Exception):
    """A request breaks a rule.

    Args:
        rule: The rule.
        message: The provider's words.
        status: The HTTP status.
        param: The part of the request, where the provider names it.
        code: The provider's code, where it has one.
    """

    def __init__(
        self, rule: Rule, message: str, *, status: int = 400, param: str = "", code: str = ""
    ) -> None:
        super().__init__(f"{rule.name}: {message}")
        self.rule = rule
        self.message = message
        self.status = status
        self.param = param
        self.code = code


def texts_in(value: object) -> Iterator[str]:
    """Every string in a JSON value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from texts_in(key)
            yield from texts_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts_in(inner)


def has_lone_surrogate(request: Request) -> bool:
    """Whether a text of a request is no Unicode: strict JSON parsers refuse the body."""
    return any(_SURROGATE.search(text) for text in texts_in(request))


def is_base64(text: str) -> bool:
    """Whether a text is not empty and base64 throughout."""
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False


def image_problem(url: str) -> str:
    """Why the URL of an image is unusable; empty if it is not."""
    if found := DATA_URL.fullmatch(url):
        if found[1] not in IMAGE_TYPES:
            return "type"
        return "" if is_base64(found[2]) else "base64"
    return "" if re.fullmatch(r"https?://[^\s/]+(/\S*)?", url) else "url"


def digest(*facts: object) -> str:
    """A short fingerprint of JSON values: what stands for a signature or encrypted content."""
    text = json.dumps(facts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def is_json_object(text: str) -> bool:
    """Whether a text is a JSON object."""
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
