"""What the groups of settings share: base class, `ConfigError`, types of values, URL checks.

No URL is resolved or fetched here.
"""

import ipaddress
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_FUNCTION = re.compile(r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
_PRINTABLE = re.compile(r"[!-\[\]-~]+")  # printable ASCII except the backslash
_ORIGIN = re.compile(r"^https?://[a-z0-9.\-\[\]:]+$")


class SettingsGroup(BaseSettings):
    """The base of a group of settings. The docstring below a field is its description."""

    model_config = SettingsConfigDict(use_attribute_docstrings=True)


class ConfigError(Exception):
    """A setting is invalid; the message is one line that names it."""


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _validate_function(value: str) -> str:
    if value and not _FUNCTION.match(value):
        raise ValueError("must look like package.module:function")
    return value


CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Texts separated by commas, without the spaces around them."""

SecretList = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)]
"""The same for secrets."""

FunctionPath = Annotated[str, AfterValidator(_validate_function)]
"""The name of a function, as `package.module:function`; may be empty."""


def host_of(url: str) -> str:
    """The host of a URL, or an empty string."""
    return urlsplit(url).hostname or ""


def is_loopback(host: str) -> bool:
    """Whether a host (name or IP address) is always this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_ip_address(host: str) -> bool:
    """Whether a host is an IP address rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_origin(value: str) -> bool:
    """Whether a lower-case text is an exact origin (scheme, host, port), not a pattern."""
    return _ORIGIN.match(value) is not None


def has_plain_port(url: str) -> bool:
    """Whether the port of a URL is a number, or absent."""
    try:
        return urlsplit(url).port != 0
    except ValueError:  # usually a password that is not percent-encoded
        return False


def is_plain_url(url: str) -> bool:
    """Whether all URL parsers find the same host: no user part, no invisible characters."""
    try:
        parts = urlsplit(url)
        is_valid = parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        return False
    return bool(is_valid) and _PRINTABLE.fullmatch(url) is not None


def api_base_url(url: str) -> str:
    """The base URL of an HTTP API, without a trailing slash.

    Raises:
        ValueError: It is not an HTTP URL, or has a user, a query or a fragment.
    """
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid or "@" in url or re.search(r"[\s?#]", url):
        raise ValueError("must look like https://host/v1, without a user, a query or a fragment")
    return url.rstrip("/")
