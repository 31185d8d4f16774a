import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from testing.asgi_server import serve
from testing.fake_github import GitHub
from testing.oidc_app import CLIENT, SECRET
from testing.oidc_provider import run_oidc
from testing.program import free_port

BACK = "http://localhost:3000/api/auth/callback"
BACK_APART = "http://api.chat.localhost/api/auth/callback"


@pytest.fixture
async def github() -> AsyncIterator[GitHub]:
    """A GitHub on loopback."""
    double, port = GitHub(CLIENT, SECRET), free_port()
    double.url = f"http://127.0.0.1:{port}"
    async with serve(double.app, port):
        yield double


@pytest.fixture(scope="session")
def issuer() -> Iterator[str]:
    """A real OpenID provider that puts everything into the id token; who it is."""
    with _provider(claims_in_id_token=True) as url:
        yield url


@pytest.fixture(scope="session")
def reticent_issuer() -> Iterator[str]:
    """One that tells nothing but the subject there, as the standard has it."""
    with _provider(claims_in_id_token=False) as url:
        yield url


@contextlib.contextmanager
def _provider(*, claims_in_id_token: bool) -> Iterator[str]:
    port = free_port()
    with run_oidc(
        "oidc_provider.mjs",
        port=port,
        clientId=CLIENT,
        clientSecret=SECRET,
        redirectUris=[f"{BACK}/acme", f"{BACK_APART}/acme"],
        claimsInIdToken=claims_in_id_token,
    ):
        yield f"http://127.0.0.1:{port}"
