"""What is taken of a provider's metadata, and what is never let near our client."""

from typing import Any

import pytest

from chat_app.auth.oauth.http_client import UnexpectedResponse, plain_client
from chat_app.auth.oauth.oidc import ALGORITHMS, fit
from testing.fake_provider import Answer, Request, serving
from testing.oidc_provider import DISCOVERY_DOCUMENT, ISSUER
from testing.program import free_port

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
    assert fit({**DISCOVERY_DOCUMENT, **hostile}, ISSUER) == {
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
        fit({**DISCOVERY_DOCUMENT, **changes}, ISSUER)


@pytest.mark.parametrize("said", [None, [], "x", 7])
def test_what_is_no_object_is_refused(said: object) -> None:
    with pytest.raises(UnexpectedResponse):
        fit(said, ISSUER)


def test_only_asymmetric_signatures_are_taken() -> None:
    offered = {
        **DISCOVERY_DOCUMENT,
        "id_token_signing_alg_values_supported": ["none", "HS256", *ALGORITHMS],
    }
    taken = fit(offered, ISSUER)["id_token_signing_alg_values_supported"]
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
    assert fit(said, ISSUER)["token_endpoint_auth_method"] == used


def test_a_provider_of_this_machine_may_have_its_parts_here() -> None:
    here = {key: value for key, value in DISCOVERY_DOCUMENT.items() if key.startswith("id_")}
    here |= {"issuer": LOCAL, "jwks_uri": f"{LOCAL}/jwks"}
    here |= {"authorization_endpoint": f"{LOCAL}/auth", "token_endpoint": f"{LOCAL}/token"}
    assert fit(here, LOCAL)["token_endpoint"] == f"{LOCAL}/token"
    with pytest.raises(UnexpectedResponse):
        fit({**here, "token_endpoint": "http://10.0.0.1/token"}, LOCAL)


def answering(head: str, body: bytes = b"") -> Answer:
    async def answer(request: Request) -> None:
        await request.send(f"HTTP/1.1 {head}\r\nconnection: close\r\n\r\n".encode(), body)

    return answer


@pytest.mark.parametrize("status", ["301 M", "302 F", "303 S", "307 T", "308 P", "300 C", "304 N"])
async def test_an_answer_that_points_elsewhere_is_an_error(status: str) -> None:
    elsewhere = f"http://127.0.0.1:{free_port()}/"
    async with serving(answering(f"{status}\r\nlocation: {elsewhere}")) as there:
        async with plain_client() as client:
            with pytest.raises(UnexpectedResponse):
                await client.get(there.origin)
        assert len(there.requests) == 1


@pytest.mark.parametrize(("size", "fits"), [(262_144, True), (262_145, False)])
async def test_a_body_is_read_to_a_quarter_of_a_megabyte(size: int, fits: bool) -> None:
    async with serving(answering("200 OK", b"x" * size)) as there, plain_client() as client:
        if fits:
            assert len((await client.get(there.origin)).content) == size
        else:
            with pytest.raises(UnexpectedResponse):
                await client.get(there.origin)


async def test_what_is_packed_is_not_unpacked() -> None:
    async with serving(answering("200 OK\r\ncontent-encoding: gzip", b"x")) as there:
        async with plain_client() as client:
            with pytest.raises(UnexpectedResponse):
                await client.get(there.origin)
        assert there.requests[0].headers["accept-encoding"] == "identity"


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{free_port()}")
    async with serving(answering("200 OK", b"{}")) as there, plain_client() as client:
        assert (await client.get(there.origin)).json() == {}
