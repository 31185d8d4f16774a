"""A provider says where its parts are; it must not send us about inside our own network."""

import pytest

from chat_app.auth.oauth.oidc import validate_metadata
from chat_app.core.http_out import UnexpectedResponse
from chat_app.settings.identity_providers import identity_providers
from testing.oidc_provider import DISCOVERY_DOCUMENT, ISSUER
from testing.private_hosts import BROKEN, LOOPBACK, NETWORK

INSIDE = (*LOOPBACK, *NETWORK, *BROKEN)
PARTS = ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint")
ACME = {"auth_oidc_acme_id": "ac", "auth_oidc_acme_secret": "ac-secret"}
HERE = ("localhost", "LOCALHOST", "chat.localhost", "127.0.0.1", "127.255.255.254", "[::1]")
SAME = ("[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::1%25lo]")
"""More of this machine; not every version of Python says so of all of them."""
UNREADABLE = (
    "",
    "[",
    "[::1",
    "[::g]",
    "id:x",
    "id:0",
    "id:99999",
    "me@id",
    "a\\b",
    "a\tb",
    "\u0661",
)


def test_there_are_enough_of_them() -> None:
    assert len(set(INSIDE)) == len(INSIDE) > 100


@pytest.mark.parametrize("host", INSIDE, ids=ascii)
def test_a_part_inside_a_network_is_refused(host: str) -> None:
    for part in PARTS:
        for url in (f"https://{host}/x", f"https://{host}:8443/x", f"http://{host}/x"):
            with pytest.raises(UnexpectedResponse):
                validate_metadata({**DISCOVERY_DOCUMENT, part: url}, ISSUER)


@pytest.mark.parametrize("host", HERE)
def test_an_issuer_may_be_plain_on_this_machine(host: str) -> None:
    assert identity_providers({**ACME, "auth_oidc_acme_issuer": f"http://{host}/realm"})


@pytest.mark.parametrize("host", sorted({*INSIDE} - {*HERE, *SAME}), ids=ascii)
def test_a_plain_issuer_anywhere_else_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="AUTH_OIDC_ACME_ISSUER must begin with https"):
        identity_providers({**ACME, "auth_oidc_acme_issuer": f"http://{host}/realm"})


@pytest.mark.parametrize("host", UNREADABLE, ids=ascii)
def test_an_issuer_that_is_no_address_is_refused_and_named(host: str) -> None:
    given = {**ACME, "auth_oidc_acme_issuer": f"https://{host}/realm"}
    with pytest.raises(ValueError, match="AUTH_OIDC_ACME_ISSUER must begin with https"):
        identity_providers(given)


@pytest.mark.parametrize(
    "host",
    ["tokens.acme.example", "oauth2.googleapis.com", "a.b-c.d1.co.uk", "xn--bcher-kva.xn--p1ai"],
)
def test_a_part_under_another_public_name_is_taken(host: str) -> None:
    assert validate_metadata(
        {**DISCOVERY_DOCUMENT, "token_endpoint": f"https://{host}/token"}, ISSUER
    )["token_endpoint"]


@pytest.mark.parametrize("host", ["id.corp", "10.0.0.1", "[fd00::1]", "keycloak.auth.svc.local"])
def test_an_issuer_inside_the_network_has_its_parts_on_its_own_host_alone(host: str) -> None:
    issuer = f"https://{host}"
    inside = {name: f"{issuer}:8443/{name}" for name in PARTS} | {"issuer": issuer}
    assert validate_metadata(inside, issuer)["jwks_uri"] == f"{issuer}:8443/jwks_uri"
    with pytest.raises(UnexpectedResponse):
        validate_metadata({**inside, "jwks_uri": "https://10.0.0.2/jwks"}, issuer)
    with pytest.raises(UnexpectedResponse):
        validate_metadata({**inside, "jwks_uri": f"http://{host}/jwks"}, issuer)
