"""What the groups of settings share: base class, `ConfigError`, types of values, URL checks.

No URL is resolved or fetched here.
"""

import ipaddress
import json
import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, Literal, TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_T = TypeVar("_T")

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_PRINTABLE = re.compile(r"[!-\[\]-~]+")  # printable ASCII except the backslash
_OURS = "Value error, "
"""What pydantic puts before the message of a validator of ours."""


class SettingsGroup(BaseSettings):
    """The base of a group of settings. The docstring below a field is its description."""

    model_config = SettingsConfigDict(use_attribute_docstrings=True)


class ConfigError(Exception):
    """A setting is invalid; the message is one line that names it."""


_SIMILARITY = 0.7
"""From this similarity on (0 to 1) a known name is suggested for an unknown one."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: `; did you mean SIGN_UP?`, or nothing.

    Args:
        name: The unknown name.
        known: The names that exist.
    """
    close = get_close_matches(name, sorted(known), n=1, cutoff=_SIMILARITY)
    return f"; did you mean {close[0]}?" if close else ""


_SENTENCES = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "decimal_parsing": "must be a number",
    "decimal_type": "must be a number",
    "dict_type": "must be an object in braces",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "has too many digits",
    "int_type": "must be a whole number",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "missing": "is missing",
    "model_type": "must be an object in braces",
    "string_too_short": "must not be empty",
    "string_type": "must be a text",
    "string_unicode": "must be a text in UTF-8",
    "too_short": "must not be empty",
    "tuple_type": "must be a list in brackets",
}
"""What is wrong with a value, by the type of pydantic's error."""


def problem_of(error: ErrorDetails) -> str:
    """What is wrong with a value, in our words and without its name.

    Args:
        error: An error of a `ValidationError`.
    """
    known = _SENTENCES.get(error["type"])
    return known.format_map(error.get("ctx", {})) if known else error["msg"].removeprefix(_OURS)


def error_sentence(error: ErrorDetails) -> str:
    """What is wrong with a setting, in one line that names it and does not repeat its value.

    Args:
        error: An error of a `ValidationError`.
    """
    name, *path = error["loc"] or ("",)
    places = [f"entry {part + 1}" if isinstance(part, int) else part for part in reversed(path)]
    sentence = " ".join([*filter(None, [" of ".join(places)]), problem_of(error)])
    return f"{str(name).upper()}: {sentence}" if name else sentence


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _parse_json(value: object) -> object:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        raise ValueError("must be valid JSON") from None


def matching(pattern: str, message: str) -> AfterValidator:
    """A validator that raises a `ValueError` with `message` unless the whole text matches."""

    def validate(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(message)
        return value

    return AfterValidator(validate)


def without_default_port(origin: str) -> str:
    """An origin as browsers serialize it (RFC 6454 §6.2); in lower case before and after."""
    scheme, _, netloc = origin.partition("://")
    return f"{scheme}://{netloc.removesuffix(_DEFAULT_PORTS.get(scheme, ''))}" if netloc else origin


def _validate_origin(value: str) -> str:
    origin = value.rstrip("/").lower()
    is_origin = re.fullmatch(r"https?://[a-z0-9.\-\[\]:]+", origin) and split_url(origin)
    if value and not is_origin:
        found = "" if "@" in value else f", and not like {value!r}"  # no password in a log
        raise ValueError(f"must look like https://chat.example, without a path or pattern{found}")
    return without_default_port(origin)


def _switch(value: object) -> object:
    words = {"true": "on", "1": "on", "yes": "on", "false": "off", "0": "off", "no": "off"}
    return words.get(str(value).strip().lower(), value)


Switch = Annotated[Literal["auto", "on", "off"], BeforeValidator(_switch)]
"""On, off, or by what else is set; the words of a boolean mean the same."""

CommaList = Annotated[tuple[_T, ...], NoDecode, BeforeValidator(_split)]
"""Values separated by commas, without the spaces around them."""

Json = Annotated[_T, NoDecode, BeforeValidator(_parse_json)]
"""A value written as JSON."""

FunctionPath = Annotated[
    str, matching(r"([A-Za-z_][\w.]*:[A-Za-z_]\w*)?", "must look like package.module:function")
]
"""The name of a function, as `package.module:function`; may be empty."""

Origin = Annotated[str, AfterValidator(_validate_origin)]
"""A scheme, a host and maybe a port, in lower case; may be empty."""


def host_of(url: str) -> str:
    """The host of a URL, or an empty string."""
    return urlsplit(url).hostname or ""


def is_loopback(host: str) -> bool:
    """Whether a host (name or IP address) is always this machine."""
    if is_ip_address(host):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def is_ip_address(host: str) -> bool:
    """Whether a host is an IP address rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


_SHARED_DOMAINS = frozenset(
    {
        *("a.run.app", "amplifyapp.com", "azurestaticapps.net", "azurewebsites.net"),
        *("cloudfront.net", "firebaseapp.com", "fly.dev", "github.io", "gitlab.io"),
        *("herokuapp.com", "hf.space", "netlify.app", "ngrok-free.app", "ngrok.app"),
        *("onrender.com", "pages.dev", "r2.dev", "repl.co", "replit.app", "run.app"),
        *("s3.amazonaws.com", "streamlit.app", "trycloudflare.com", "up.railway.app"),
        *("vercel.app", "web.app", "workers.dev"),
    }
)
"""Domains of hosting services on which each name is a site of its own (publicsuffix.org)."""
_SECOND_LEVELS = frozenset(
    ("ac", "co", "com", "edu", "go", "gob", "gov", "gv", "mil", "ne", "net", "nom", "or", "org")
)
"""What a country puts before its code: `co.uk` is no site."""


def is_same_site(url: str, other: str) -> bool:
    """Whether a browser sends the cookies of one origin with requests from the other.

    A site is a scheme and a registrable domain. Which domains those are, only a browser's list
    knows whole; what this takes for one site in error, the gateway refuses when a browser says so
    (Sec-Fetch-Site).

    Args:
        url: An origin.
        other: Another one. Ports do not count.
    """
    if url.partition("://")[0] != other.partition("://")[0]:
        return False
    host, host2 = host_of(url), host_of(other)
    if host == host2 or is_ip_address(host) or is_ip_address(host2):
        return host == host2
    shared: list[str] = []
    for label, label2 in zip(reversed(host.split(".")), reversed(host2.split(".")), strict=False):
        if label != label2:
            break
        shared.insert(0, label)
    is_country = len(shared) == 2 and len(shared[1]) == 2 and shared[0] in _SECOND_LEVELS
    return len(shared) > 1 and not is_country and ".".join(shared) not in _SHARED_DOMAINS


def split_url(url: str) -> SplitResult | None:
    """The parts of a URL; None when its port is not a number."""
    try:
        parts = urlsplit(url)
        return parts if parts.port != 0 else None
    except ValueError:  # usually a password that is not percent-encoded
        return None


def is_plain_url(url: str) -> bool:
    """Whether all URL parsers find the same host: no user part, no invisible characters."""
    parts = split_url(url)
    has_host = parts is not None and parts.hostname and "@" not in parts.netloc
    return bool(has_host) and _PRINTABLE.fullmatch(url) is not None


def _validate_api_url(url: str) -> str:
    parts = split_url(url)
    is_http = parts is not None and parts.scheme in ("http", "https") and parts.hostname
    base, mark, query = url.partition("?")
    is_version = not mark or re.fullmatch(r"api-version=[\w.-]+", query)
    if url and not (is_http and is_version and not re.search(r"[\s#@]", base)):
        raise ValueError(
            "must look like https://host/v1, without a user, a fragment or another query than"
            " api-version"
        )
    return f"{base.rstrip('/')}{mark}{query}"


def _validate_api_key(key: SecretStr) -> SecretStr:
    value = key.get_secret_value().strip()
    if not re.fullmatch(r"[!-~]*", value):
        raise ValueError("has a character that no API key has; put your key in place of an example")
    return SecretStr(value)


ApiKey = Annotated[SecretStr, AfterValidator(_validate_api_key)]
"""An API key, which is sent in a header: printable ASCII without spaces; may be empty."""

ApiUrl = Annotated[str, AfterValidator(_validate_api_url)]
"""The base URL of an HTTP API, without a trailing slash; may be empty. Its query is at most the
`api-version` of Azure."""
