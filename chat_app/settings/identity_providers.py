"""The identity providers (OAuth, OpenID Connect): GitHub, Google, and any OIDC issuer.

There may be several of each kind, so their variables are not fields but match a pattern:
`AUTH_GITHUB_ID`, `AUTH_GITHUB_WORK_ID`, `AUTH_OIDC_ACME_ISSUER`.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import EnvSettingsSource, NoDecode, PydanticBaseSettingsSource

from chat_app.settings.validation import (
    SettingsGroup,
    did_you_mean,
    host_of,
    is_loopback,
    is_plain_url,
)

Kind = Literal["github", "google", "oidc"]

GOOGLE_ISSUER = "https://accounts.google.com"

_VARIABLE = re.compile(r"^auth_(github|google|oidc)_(.+)$")
_COMMON = ("id", "secret", "label", "scope", "require", "sign_up")
_FIELDS: dict[str, tuple[str, ...]] = {
    "github": (*_COMMON, "url", "api_url"),
    "google": _COMMON,
    "oidc": (*_COMMON, "issuer"),
}
_RESERVED_IDS = frozenset({"credentials", "email", "passkey", "second-factor"})
"""Ids that other login methods use in the routes."""

_LABELS = {"github": "GitHub", "google": "Google", "oidc": "OpenID"}
_SCOPES = {
    "github": "read:user user:email",
    "google": "openid email profile",
    "oidc": "openid email profile",
}


class IdentityProvider(BaseModel):
    """An identity provider: a server that users sign in with.

    Args:
        id: Its name in URL paths, for example `github` or `acme`.
        kind: The protocol.
        label: The text of its button.
        client_id: The OAuth client id of this app at the provider.
        client_secret: The OAuth client secret.
        issuer: The issuer; issuer and subject are the key of an account.
        url: The base URL of GitHub's pages.
        api_url: The base URL of GitHub's API.
        scope: The requested OAuth scopes.
        require: `claim:value` that every user from here must have; empty requires nothing.
        sign_up: Whether new users from here may sign up where sign-up is closed.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    kind: Kind
    label: str
    client_id: str
    client_secret: SecretStr
    issuer: str
    url: str = ""
    api_url: str = ""
    scope: str
    require: str = ""
    sign_up: bool = False

    @property
    def origin(self) -> str:
        """The origin of its authorization page."""
        scheme, _, rest = (self.url or self.issuer).partition("://")
        return f"{scheme}://{rest.partition('/')[0]}"


def identity_providers(environment: Mapping[str, str | None]) -> tuple[IdentityProvider, ...]:
    """Read the identity providers from environment variables.

    The order is GitHub, Google, OIDC, then by name, unless `AUTH_PROVIDERS` lists the ids.

    Args:
        environment: The variables, names in lower case.

    Raises:
        ValueError: A variable is missing, unknown or invalid; the message names it.
    """
    found: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for variable, value in environment.items():
        if value and (match := _VARIABLE.match(variable)):
            kind, rest = match.groups()
            name, field = _split(kind, rest)
            found[kind, name][field] = value.strip()
    kinds = list(_FIELDS)
    keys = sorted(found, key=lambda key: (kinds.index(key[0]), key[1]))
    providers = [_provider(kind, name, found[kind, name]) for kind, name in keys]
    return _in_order(providers, environment.get("auth_providers") or "")


def is_provider_variable(name: str) -> bool:
    """Whether a variable, in upper case, is about an identity provider; it may be a wrong one."""
    return _VARIABLE.match(name.lower()) is not None


def provider_variables(name: str) -> set[str]:
    """The variables that a misspelt one can mean: with each kind and each field in its place.

    Args:
        name: In upper case, for example `AUTH_OICD_ACME_ISSUER`.
    """
    words = name.split("_")
    found: set[str] = set()
    for kind, fields in _FIELDS.items():
        for field in fields:
            chosen = words[2 : len(words) - field.count("_") - 1]
            found.add("_".join(("AUTH", kind.upper(), *chosen, field.upper())))
    return found


def _split(kind: str, rest: str) -> tuple[str, str]:
    for field in sorted(_FIELDS[kind], key=len, reverse=True):
        if rest == field:
            return "", field
        if rest.endswith(f"_{field}"):
            return rest.removesuffix(f"_{field}"), field
    name = f"AUTH_{kind}_{rest}".upper()
    meant = did_you_mean(name, provider_variables(name))
    raise ValueError(f"{name} is not a setting of an identity provider{meant}")


def _provider(kind: str, name: str, values: Mapping[str, str]) -> IdentityProvider:
    prefix = "_".join(("AUTH", kind.upper(), *([name.upper()] if name else [])))
    for field in ("id", "secret", *(("issuer",) if kind == "oidc" else ())):
        if field not in values:
            raise ValueError(f"{prefix}_{field.upper()} is missing")
    for field in {"issuer", "url", "api_url"} & values.keys():
        if not _is_safe(values[field]):
            raise ValueError(f"{prefix}_{field.upper()} must begin with https://, without a query")
    require = values.get("require", "")
    if require and not all(require.partition(":")[::2]):
        raise ValueError(f"{prefix}_REQUIRE must look like groups:staff")
    slug = name.replace("_", "-")
    url = values.get("url", "https://github.com").rstrip("/") if kind == "github" else ""
    issuer = {"github": url, "google": GOOGLE_ISSUER, "oidc": values.get("issuer", "")}[kind]
    return IdentityProvider.model_validate(
        {
            "id": slug or kind if kind == "oidc" else "-".join(filter(None, (kind, slug))),
            "kind": kind,
            "label": values.get("label") or slug.replace("-", " ").title() or _LABELS[kind],
            "client_id": values["id"],
            "client_secret": values["secret"],
            "issuer": issuer,
            "url": url,
            "api_url": _api_url(url, values) if kind == "github" else "",
            "scope": values.get("scope", _SCOPES[kind]),
            "require": require,
            "sign_up": values.get("sign_up", "").lower() in ("true", "1", "yes", "on"),
        }
    )


def _api_url(url: str, values: Mapping[str, str]) -> str:
    # github.com has its API on another host; an Enterprise server has it below its own URL.
    default = "https://api.github.com" if url == "https://github.com" else f"{url}/api/v3"
    return values.get("api_url", default).rstrip("/")


def _is_safe(url: str) -> bool:
    if not is_plain_url(url) or re.search(r"[?#@]", url):
        return False
    local = url.startswith("http://") and is_loopback(host_of(url))
    return local or url.startswith("https://")


def _in_order(providers: list[IdentityProvider], order: str) -> tuple[IdentityProvider, ...]:
    by_id = {provider.id: provider for provider in providers}
    if len(by_id) < len(providers):
        raise ValueError("two identity providers have the same name")
    if reserved := _RESERVED_IDS & set(by_id):
        raise ValueError(f"an identity provider cannot be named {min(reserved)}")
    if not order:
        return tuple(providers)
    ids = [part.strip().lower() for part in order.split(",") if part.strip()]
    if set(ids) != set(by_id) or len(ids) != len(by_id):
        raise ValueError(f"AUTH_PROVIDERS must list each of these once: {', '.join(by_id)}")
    return tuple(by_id[id_] for id_ in ids)


class IdentityProviderSettings(SettingsGroup):
    """Identity providers (GitHub, Google, OpenID Connect)."""

    by_pattern: ClassVar[dict[str, str]] = {
        "AUTH_GITHUB_ID": "OAuth client id at GitHub; set AUTH_GITHUB_SECRET too. The callback URL "
        "is APP_URL/api/auth/callback/github. A second one: AUTH_GITHUB_WORK_ID…",
        "AUTH_GITHUB_URL": "A GitHub Enterprise server; AUTH_GITHUB_API_URL if its API is not at "
        "/api/v3.",
        "AUTH_GOOGLE_ID": "OAuth client id at Google; set AUTH_GOOGLE_SECRET too.",
        "AUTH_OIDC_ACME_ISSUER": "Any OpenID Connect issuer, under a name you choose (here ACME); "
        "set AUTH_OIDC_ACME_ID and AUTH_OIDC_ACME_SECRET too.",
        "AUTH_OIDC_ACME_LABEL": "Optional for every identity provider: the label of its button "
        "(and SCOPE, the OAuth scopes),",
        "AUTH_OIDC_ACME_REQUIRE": "a claim that every user must have (groups:staff),",
        "AUTH_OIDC_ACME_SIGN_UP": "and whether its users may sign up where sign-up is closed "
        "(true).",
        "AUTH_PROVIDERS": "The order of the buttons by id, for example github,acme.",
        "AUTH_URL": "Another name of APP_URL.",
    }
    """The variables that are not fields, with their descriptions for `.env.example`."""

    identity_providers: Annotated[tuple[IdentityProvider, ...], NoDecode] = Field((), repr=False)


def values_by_pattern(*sources: PydanticBaseSettingsSource) -> dict[str, Any]:
    """The identity providers, and `APP_URL` where only its other name `AUTH_URL` is set.

    Args:
        sources: The sources of environment variables, highest priority first.

    Raises:
        ValueError: A provider is incomplete.
    """
    environment: dict[str, str | None] = {}
    for source in reversed(sources):
        if isinstance(source, EnvSettingsSource):
            environment |= source.env_vars
    values: dict[str, Any] = {"identity_providers": identity_providers(environment)}
    url = environment.get("auth_url")
    if url and not environment.get("app_url"):
        # Auth.js allows its own path at the end.
        values["app_url"] = url.rstrip("/").removesuffix("/api/auth")
    return values
