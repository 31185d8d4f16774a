"""The names of settings: unknown and misspelt ones are found, and the meant one is suggested.

In `.env` every name is meant for this program. The process environment belongs to other programs
too, so there only a name close to one of ours is taken for a misspelt one.
"""

import logging
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from dotenv.parser import parse_stream

from chat_app.settings.identity_providers import is_provider_variable, provider_variables
from chat_app.settings.server import FORBIDDEN
from chat_app.settings.validation import did_you_mean

logging.getLogger("dotenv").setLevel(logging.ERROR)  # `malformed_line` says it better

_EDITS = 2
"""A name of the environment so many edits away from a setting is taken for it."""
_SHORT = 5
"""A setting of at most so many characters (`PORT`, `HOST`) is meant one edit away only: two edits
make other words of it (`HOME`, `PGHOST`)."""
_SET_BY_PLATFORMS = re.compile(r".+_PORT(_.*)?|.*_SERVICE_.*")
"""Addresses of neighbours, as Kubernetes, Docker and hosted Reflex set them."""
_OTHER_PROGRAMS = frozenset({"API_URL", "MAILFROM", "OAUTH_URL"})
"""Names close to ours that other programs have: many web apps, cron, OAuth proxies."""


def malformed_line(env_file: Path) -> str | None:
    """A one-line message about the first line of `.env` that gives no name a value, or None.

    Args:
        env_file: The file; it may be missing.
    """
    if not env_file.is_file():
        return None
    with env_file.open(encoding="utf-8") as file:
        for binding in parse_stream(file):
            if binding.error or (binding.key and binding.value is None):
                text = binding.original.string
                blank_lines = text[: len(text) - len(text.lstrip())].count("\n")
                number = binding.original.line + blank_lines
                return f"line {number} of .env must look like NAME=value"
    return None


def unknown_name(names: Iterable[str], known: Collection[str]) -> str | None:
    """A one-line message about the first name of `.env` that is no setting, or None.

    Args:
        names: The names in `.env`, in upper case.
        known: The names of the settings, without those of identity providers.
    """
    for name in names:
        if name in FORBIDDEN:
            return f"{name}: {FORBIDDEN[name][0]}"
        if name not in known and not is_provider_variable(name):
            meant = did_you_mean(name, {*known, *provider_variables(name)})
            return f"{name} in .env is not a setting{meant or '; .env.example lists them all'}"
    return None


def misspelt(environment: Mapping[str, str], known: Collection[str]) -> Iterator[tuple[str, str]]:
    """The variables that are probably meant as a setting which is not set.

    Args:
        environment: The process environment.
        known: The names of the settings, without those of identity providers.

    Yields:
        The variable and the setting.
    """
    given = {name.upper() for name, value in environment.items() if value}
    others = _OTHER_PROGRAMS | FORBIDDEN.keys() | set(known)
    for name in sorted(given - others):
        if is_provider_variable(name) or _SET_BY_PLATFORMS.fullmatch(name):
            continue
        candidates = {*known, *provider_variables(name)} - given
        near = [setting for setting in sorted(candidates) if _is_near(name, setting)]
        for setting in get_close_matches(name, near, n=1, cutoff=0):
            yield name, setting


@cache  # a process that starts the services many times, as the tests do, asks the same each time
def _is_near(name: str, setting: str) -> bool:
    return _is_within(name, setting, 1 if len(setting) <= _SHORT else _EDITS)


def _is_within(one: str, other: str, edits: int) -> bool:
    """Whether at most `edits` edits turn one text into the other.

    An edit adds, removes or replaces a character, or swaps two neighbours.
    """
    if one == other:
        return True
    if not edits or abs(len(one) - len(other)) > edits:
        return False
    end = min(len(one), len(other))
    same = next((at for at in range(end) if one[at] != other[at]), end)
    one, other, rest = one[same:], other[same:], edits - 1
    return (
        _is_within(one[1:], other[1:], rest)
        or _is_within(one[1:], other, rest)
        or _is_within(one, other[1:], rest)
        or (one[:2] == other[1::-1] and _is_within(one[2:], other[2:], rest))
    )
