"""What an OpenID provider says about itself (OpenID Connect Discovery 1.0), and what we take of it.

authlib hands whatever stands there to its client as options, so only what we know by name and have
looked at gets that far.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from chat_app.auth.providers.hosts import is_public_name
from chat_app.auth.providers.wire import UnfitAnswer, plain_client
from chat_app.settings.addresses import host_of, is_loopback, is_plain_url

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""How an id token may be signed: with a key that the provider alone has, so never `none` or HS*."""

_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_PATH = "/.well-known/openid-configuration"


async def discover(issuer: str) -> dict[str, Any]:
    """Ask a provider for its metadata.

    Args:
        issuer: The issuer as the operator configured it.

    Raises:
        UnfitAnswer: What it says cannot be taken.
        httpx2.HTTPError, ValueError: It cannot be reached, or does not answer with JSON.
    """
    async with plain_client() as client:
        answer = await client.get(issuer.rstrip("/") + _PATH)
    answer.raise_for_status()
    return fit(answer.json(), issuer)


def fit(said: object, issuer: str) -> dict[str, Any]:
    """The part of a provider's metadata that we use.

    Args:
        said: Its metadata, as it came.
        issuer: Who it must be about.

    Raises:
        UnfitAnswer: It is about somebody else (OpenID Connect Discovery 1.0 §4.3), names no usable
            address, or signs with nothing that we take.
    """
    if not isinstance(said, dict) or said.get("issuer") != issuer:
        raise UnfitAnswer("is about another issuer")
    metadata: dict[str, Any] = {"issuer": issuer}
    for name in _ENDPOINTS:
        metadata[name] = _address(said, name, issuer)
    if "userinfo_endpoint" in said:
        metadata["userinfo_endpoint"] = _address(said, "userinfo_endpoint", issuer)
    metadata["id_token_signing_alg_values_supported"] = _algorithms(said)
    metadata["token_endpoint_auth_method"] = _authentication(said)
    promised = said.get("authorization_response_iss_parameter_supported")
    metadata["authorization_response_iss_parameter_supported"] = promised is True
    return metadata


def _address(said: Mapping[str, Any], name: str, issuer: str) -> str:
    url = said.get(name)
    if isinstance(url, str) and is_plain_url(url):
        scheme, host = urlsplit(url).scheme, host_of(url)
        # Whoever configured a provider of this machine may have its parts on this machine.
        is_here = is_loopback(host) and issuer.startswith("http://")
        may_be_there = is_here or host == host_of(issuer) or is_public_name(host)
        if (scheme == "https" and may_be_there) or (scheme == "http" and is_here):
            return url
    raise UnfitAnswer(f"has no usable {name}")


def _algorithms(said: Mapping[str, Any]) -> list[str]:
    # Discovery 1.0 §3 requires the list; RS256 is what everybody must be able to do.
    offered = said.get("id_token_signing_alg_values_supported", ["RS256"])
    taken = [one for one in ALGORITHMS if isinstance(offered, list) and one in offered]
    if not taken:
        raise UnfitAnswer("names no way of signing that is taken")
    return taken


def _authentication(said: Mapping[str, Any]) -> str:
    # RFC 8414 §2: Basic is what counts where nothing is said.
    offered = said.get("token_endpoint_auth_methods_supported")
    known = offered if isinstance(offered, list) else []
    only_posts = "client_secret_post" in known and "client_secret_basic" not in known
    return "client_secret_post" if only_posts else "client_secret_basic"
