"""Sign-in at an OpenID provider (OIDC) in a real browser."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.async_api import Page

from testing.oidc_app import CLIENT, SECRET
from testing.oidc_provider import run_oidc
from testing.program import Program


def acme_settings(port: int) -> dict[str, str]:
    """The settings of a program that Acme's people sign in to."""
    return {
        "AUTH_OIDC_ACME_ISSUER": f"http://127.0.0.1:{port}",
        "AUTH_OIDC_ACME_ID": CLIENT,
        "AUTH_OIDC_ACME_SECRET": SECRET,
    }


@contextmanager
def run_acme(port: int, program: Program) -> Iterator[None]:
    """Acme, which knows the program."""
    with run_oidc(
        "oidc_provider.mjs",
        port=port,
        clientId=CLIENT,
        clientSecret=SECRET,
        redirectUris=[f"{program.url}/api/auth/callback/acme"],
        claimsInIdToken=True,
    ):
        yield


async def sign_in_at_acme(page: Page) -> None:
    """Say at the provider who one is, and that it may tell."""
    await page.fill("[name=login]", "ada")
    await page.fill("[name=password]", "whatever")
    await page.click("button[type=submit]")
    await page.get_by_role("button", name="Continue").click()
