"""A device in three words, from a User-Agent header."""

import re

USER_AGENT_MAX_LENGTH = 200

# Order matters: each of these also claims to be one of the later ones.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def device(user_agent: str) -> str:
    """For example `Firefox on Linux`; `Unknown device` when nothing is recognised."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    return " on ".join(part for part in (browser, system) if part) or "Unknown device"


def clean(user_agent: str) -> str:
    """A User-Agent fit to be stored: printable ASCII, at most 200 characters."""
    return re.sub(r"[^ -~]", "", user_agent)[:USER_AGENT_MAX_LENGTH]
