"""What is taken of a provider's metadata, and what is never let near our client."""

from typing import Any

import pytest

from chat_app.auth.oauth.oidc import ALGORITHMS, private_hosts, validate_metadata
from chat_app.core.http_out import UnexpectedResponse
from testing.oidc_provider import DISCOVERY_DOCUMENT, ISSUER

LOCAL = "http://127.0.0.1:9400"


def test_what_is_needed_is_taken_and_nothing_else() -> None:
    hostile = {
        "verify": False,
        "follow_redirects": True,
        "proxy": "http://evil.example",
        "code_challenge_method": "plain",
        "scope": "everything",
        "jwks": {"keys": []},
        "nonce": "ours",
        "token_endpoint_auth_method": "none",
    }
    assert validate_metadata({**DISCOVERY_DOCUMENT, **hostile}, ISSUER) == {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}/auth",
        "token_endpoint": "https://tokens.acme.example/token",
        "jwks_uri": f"{ISSUER}/jwks",
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_method": "client_secret_basic",
        "authorization_response_iss_parameter_supported": False,
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://evil.example"},
        {"issuer": f"{ISSUER}/"},
        {"issuer": None},
        {"token_endpoint": None},
        {"token_endpoint": "http://id.acme.example/token"},
        {"token_endpoint": "http://127.0.0.1/token"},
        {"token_endpoint": "https://me:secret@id.acme.example/token"},
        {"token_endpoint": ["https://id.acme.example/token"]},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "/auth"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "https://"},
        {"userinfo_endpoint": "ftp://id.acme.example"},
        {"id_token_signing_alg_values_supported": ["none", "HS256", "RS512"]},
        {"id_token_signing_alg_values_supported": []},
        {"id_token_signing_alg_values_supported": "RS256"},
    ],
)
def test_what_cannot_be_used_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UnexpectedResponse):
        validate_metadata({**DISCOVERY_DOCUMENT, **changes}, ISSUER)


@pytest.mark.parametrize("said", [None, [], "x", 7])
def test_what_is_no_object_is_refused(said: object) -> None:
    with pytest.raises(UnexpectedResponse):
        validate_metadata(said, ISSUER)


def test_only_asymmetric_signatures_are_taken() -> None:
    offered = {
        **DISCOVERY_DOCUMENT,
        "id_token_signing_alg_values_supported": ["none", "HS256", *ALGORITHMS],
    }
    taken = validate_metadata(offered, ISSUER)["id_token_signing_alg_values_supported"]
    assert taken == ["RS256", "PS256", "ES256", "EdDSA"]


@pytest.mark.parametrize(
    ("offered", "used"),
    [
        (None, "client_secret_basic"),
        (["client_secret_post"], "client_secret_post"),
        (["client_secret_post", "client_secret_basic"], "client_secret_basic"),
        (["none"], "client_secret_basic"),
    ],
)
def test_the_secret_is_sent_as_the_provider_takes_it(offered: list[str] | None, used: str) -> None:
    said = {**DISCOVERY_DOCUMENT, "token_endpoint_auth_methods_supported": offered}
    assert validate_metadata(said, ISSUER)["token_endpoint_auth_method"] == used


def test_a_provider_of_this_machine_may_have_its_parts_here() -> None:
    here = {key: value for key, value in DISCOVERY_DOCUMENT.items() if key.startswith("id_")}
    here |= {"issuer": LOCAL, "jwks_uri": f"{LOCAL}/jwks"}
    here |= {"authorization_endpoint": f"{LOCAL}/auth", "token_endpoint": f"{LOCAL}/token"}
    assert validate_metadata(here, LOCAL)["token_endpoint"] == f"{LOCAL}/token"
    with pytest.raises(UnexpectedResponse):
        validate_metadata({**here, "token_endpoint": "http://10.0.0.1/token"}, LOCAL)


def test_only_the_issuers_own_host_may_be_private_unless_it_is_on_this_machine() -> None:
    allowed = private_hosts("https://id.corp/realm")
    assert [allowed(host) for host in ("id.corp", "tokens.corp", "127.0.0.1")] == [
        True,
        False,
        False,
    ]
    assert private_hosts(LOCAL)("tokens.example")
