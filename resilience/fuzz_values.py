"""Fuzz values: invalid arguments, the same for the same seed."""

import math
from collections.abc import Sequence
from random import Random
from typing import Any
from uuid import UUID

LONG = "x" * 300_000
_ATOMS: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    2**63,
    10**400,
    -(10**400),
    0.5,
    math.nan,
    math.inf,
    -math.inf,
    "",
    " ",
    "\0",
    "\ud800",
    "a\udfffb",
    "\u202e\u200b\ufeff",
    "\r\n\x1b[31m",
    "../../etc/passwd",
    "/etc/passwd",
    "America",
    "Etc/",
    "' OR 1=1 --",
    "%' UNION SELECT * FROM users --",
    "{{7*7}}${7*7}",
    "__proto__",
    "__class__",
    "00000000-0000-0000-0000-000000000000",
    "0" * 300,
    LONG,
    b"bytes",
    [],
    {},
)


def junk(random: Random, depth: int = 3) -> Any:
    """A value of any kind.

    Args:
        random: Where chance comes from.
        depth: How deep it may nest.
    """
    kind = random.randrange(10) if depth else 0
    if kind < 7:
        return random.choice(_ATOMS)
    if kind == 7:
        return [junk(random, depth - 1) for _ in range(random.randrange(4))]
    if kind == 8:
        return {str(junk(random, 0)): junk(random, depth - 1) for _ in range(random.randrange(4))}
    return nested(random.choice((50, 400)))


def nested(depth: int) -> Any:
    """A list in a list in a list."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def near(random: Random, value: Any) -> Any:
    """A good argument, or one that is a little off."""
    if random.random() < 0.4:
        return value
    if isinstance(value, dict):
        return {**value, random.choice([*value, "extra"]): near(random, "x")}
    if isinstance(value, int):
        return random.choice((value - 1, -value, value * 10**9, float(value), str(value), True))
    text = str(value)
    return random.choice(
        (
            text.upper(),
            text[:-1],
            text + random.choice("x \n\0\ud800'"),
            text * 50,
            UUID(int=random.getrandbits(128)).hex,
            str(UUID(int=random.getrandbits(128))),
            "{" + text + "}",
            "urn:uuid:" + text,
            "",
        )
    )


def payload(random: Random, good: dict[str, Any]) -> dict[str, Any]:
    """A handler's arguments: some good, some near, some junk, some too few, some too many."""
    made: dict[str, Any] = {}
    for name, value in good.items():
        chance = random.random()
        if chance < 0.1:
            continue
        made[name] = near(random, value) if chance < 0.6 else junk(random)
    if random.random() < 0.25:
        extra: Sequence[str] = ("self", "state", "extra", "__class__", "\ud800", "", "var_name")
        made[random.choice(extra)] = junk(random)
    return made
