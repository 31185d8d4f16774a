"""Where people may sign in from: GitHub, Google, and any issuer that speaks OpenID Connect.

There may be any number of each, so their names cannot be fields. They are read by a pattern:
`AUTH_GITHUB_ID`, `AUTH_GITHUB_WORK_ID`, `AUTH_OIDC_ACME_ISSUER`.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from chat_app.settings.urls import host_of, is_loopback, is_plain_url

Kind = Literal["github", "google", "oidc"]

GOOGLE_ISSUER = "https://accounts.google.com"

_NAME = re.compile(r"^auth_(github|google|oidc)_(.+)$")
_COMMON = ("id", "secret", "label", "scope", "require", "sign_up")
_FIELDS: dict[str, tuple[str, ...]] = {
    "github": (*_COMMON, "url", "api_url"),
    "google": _COMMON,
    "oidc": (*_COMMON, "issuer"),
}
_TAKEN = frozenset({"credentials", "email", "passkey", "second-factor"})
"""Names that other ways in have in the routes."""

_LABELS = {"github": "GitHub", "google": "Google", "oidc": "OpenID"}
_SCOPES = {
    "github": "read:user user:email",
    "google": "openid email profile",
    "oidc": "openid email profile",
}


class IdentityProvider(BaseModel):
    """A server that says who somebody is.

    Args:
        id: Its name in paths, for example `github` or `acme`.
        kind: How it is spoken to.
        label: What the button says.
        client_id: What the provider calls this program.
        client_secret: What proves that it is this program.
        issuer: Who the accounts belong to; with the subject it is the key of an account.
        url: Where GitHub's pages are.
        api_url: Where GitHub's API is.
        scope: What is asked for.
        require: `claim:value` that everybody must have who comes from here; empty asks nothing.
        sign_up: Whether strangers who come from here get an account.
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
        """Where the browser is sent, as an origin."""
        scheme, _, rest = (self.url or self.issuer).partition("://")
        return f"{scheme}://{rest.partition('/')[0]}"


def identity_providers(environment: Mapping[str, str | None]) -> tuple[IdentityProvider, ...]:
    """The providers that an environment describes: GitHub first, then Google, then the others.

    `AUTH_PROVIDERS` names them in another order.

    Args:
        environment: Names in lower case, with their values.

    Raises:
        ValueError: Something is missing or unknown; the text names it.
    """
    found: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for name, value in environment.items():
        if value and (match := _NAME.match(name)):
            kind, rest = match.groups()
            whose, field = _split(kind, rest)
            found[kind, whose][field] = value.strip()
    kinds = list(_FIELDS)
    ordered = sorted(found.items(), key=lambda one: (kinds.index(one[0][0]), one[0][1]))
    made = [_provider(kind, whose, given) for (kind, whose), given in ordered]
    return _in_order(made, environment.get("auth_providers") or "")


def _split(kind: str, rest: str) -> tuple[str, str]:
    for field in sorted(_FIELDS[kind], key=len, reverse=True):
        if rest == field:
            return "", field
        if rest.endswith(f"_{field}"):
            return rest.removesuffix(f"_{field}"), field
    raise ValueError(f"AUTH_{kind.upper()}_{rest.upper()} is no setting of a provider")


def _provider(kind: str, whose: str, given: Mapping[str, str]) -> IdentityProvider:
    prefix = "_".join(("AUTH", kind.upper(), *([whose.upper()] if whose else [])))
    for field in ("id", "secret", *(("issuer",) if kind == "oidc" else ())):
        if field not in given:
            raise ValueError(f"{prefix}_{field.upper()} is missing")
    for field in {"issuer", "url", "api_url"} & given.keys():
        if not _is_safe(given[field]):
            raise ValueError(f"{prefix}_{field.upper()} must begin with https://, without a query")
    require = given.get("require", "")
    if require and not all(require.partition(":")[::2]):
        raise ValueError(f"{prefix}_REQUIRE must look like groups:staff")
    slug = whose.replace("_", "-")
    url = given.get("url", "https://github.com").rstrip("/") if kind == "github" else ""
    issuer = {"github": url, "google": GOOGLE_ISSUER, "oidc": given.get("issuer", "")}[kind]
    return IdentityProvider.model_validate(
        {
            "id": slug or kind if kind == "oidc" else "-".join(filter(None, (kind, slug))),
            "kind": kind,
            "label": given.get("label") or slug.replace("-", " ").title() or _LABELS[kind],
            "client_id": given["id"],
            "client_secret": given["secret"],
            "issuer": issuer,
            "url": url,
            "api_url": _api_url(url, given) if kind == "github" else "",
            "scope": given.get("scope", _SCOPES[kind]),
            "require": require,
            "sign_up": given.get("sign_up", "").lower() in ("true", "1", "yes", "on"),
        }
    )


def _api_url(url: str, given: Mapping[str, str]) -> str:
    # GitHub's own API has a host of its own; an Enterprise server's is below its pages.
    default = "https://api.github.com" if url == "https://github.com" else f"{url}/api/v3"
    return given.get("api_url", default).rstrip("/")


def _is_safe(url: str) -> bool:
    if not is_plain_url(url) or re.search(r"[?#@]", url):
        return False
    local = url.startswith("http://") and is_loopback(host_of(url))
    return local or url.startswith("https://")


def _in_order(made: list[IdentityProvider], named: str) -> tuple[IdentityProvider, ...]:
    known = {provider.id: provider for provider in made}
    if len(known) < len(made):
        raise ValueError("two providers have the same name")
    if taken := _TAKEN & set(known):
        raise ValueError(f"a provider cannot be named {min(taken)}")
    if not named:
        return tuple(made)
    ids = [part.strip().lower() for part in named.split(",") if part.strip()]
    if set(ids) != set(known) or len(ids) != len(known):
        raise ValueError(f"AUTH_PROVIDERS must name each of these once: {', '.join(known)}")
    return tuple(known[one] for one in ids)


class IdentityProviderSource(PydanticBaseSettingsSource):
    """Reads the sign-in providers, and `AUTH_URL` as another name of `APP_URL`.

    Args:
        settings_cls: The settings.
        sources: Where the environment was read, the one that decides first.
    """

    def __init__(
        self, settings_cls: type[BaseSettings], *sources: PydanticBaseSettingsSource
    ) -> None:
        super().__init__(settings_cls)
        self._environment: dict[str, str | None] = {}
        for source in reversed(sources):
            if isinstance(source, EnvSettingsSource):
                self._environment |= source.env_vars

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """No single field is asked for here; the base class wants the method."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The values, by field name.

        Raises:
            ValueError: A provider is half described.
        """
        given: dict[str, Any] = {"identity_providers": identity_providers(self._environment)}
        url = self._environment.get("auth_url")
        if url and not self._environment.get("app_url"):
            # Auth.js lets it end in its own path.
            given["app_url"] = url.rstrip("/").removesuffix("/api/auth")
        return given
