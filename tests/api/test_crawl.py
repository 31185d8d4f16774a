"""Every route, anonymous and signed in, over TLS: the headers and cookies of its responses."""

import re
from collections.abc import AsyncIterator, Iterable

import httpx
import pytest
from starlette.routing import Route

from chat_app.api.routes import http_app, routes
from chat_app.db.tables import User
from chat_app.gateway import Gateway, cookies
from chat_app.gateway.paths import API_DOCS
from chat_app.services import services
from testing.auth_services import issue_session
from testing.database import DatabaseUnderTest
from testing.reflex_tabs import Harness, open_harness
from testing.route_cases import CASES

HOME = "https://chat.localhost"
EMAIL, PASSWORD = "ada@example.com", "correct horse battery staple"
FIXED = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
    "strict-transport-security": "max-age=31536000",
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
}
ROUTES = sorted(
    (method, route.path)
    for route in routes
    if isinstance(route, Route)
    if route.path != API_DOCS  # a page, with the policy of pages
    for method in route.methods or ()
)
FORMS = sorted(
    path
    for method, path in ROUTES
    if path.startswith("/api/auth/") and CASES["GET" if method == "HEAD" else method, path].form
)


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[Harness]:
    async with open_harness(
        database.folder, **database.settings, app_url=HOME, sign_up="open"
    ) as harness:
        yield harness


def browser(harness: Harness) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Gateway(http_app(), services=services))
    return httpx.AsyncClient(transport=transport, base_url=HOME, headers={"Origin": HOME})


async def ask(tab: httpx.AsyncClient, method: str, path: str, **more: str) -> httpx.Response:
    case = CASES["GET" if method == "HEAD" else method, path]
    path = path.replace("{id}", "0" * 8).replace("{provider}", "acme")
    if case.body is not None:
        return await tab.request(method, path, json=case.body)
    return await tab.request(method, path, data={**case.form, **more} or None)


def wrong_with(response: httpx.Response) -> list[str]:
    """What an answer lacks."""
    found = [name for name, value in FIXED.items() if response.headers.get_list(name) != [value]]
    if "no-store" not in response.headers.get("cache-control", ""):
        found.append("cache-control")
    if "origin" not in response.headers.get("vary", "").lower():
        found.append("vary")
    if "server" in response.headers:
        found.append("server")
    return found + [one for one in response.headers.get_list("set-cookie") if not is_strict(one)]


def is_strict(set_cookie: str) -> bool:
    """Whether a cookie belongs to this host, travels encrypted, and is out of scripts' reach."""
    pair, *attributes = set_cookie.split("; ")
    ages = [one for one in attributes if one.startswith("Max-Age=")]
    rest = sorted(set(attributes) - set(ages))
    named = re.match(r"^__Host-chat_[a-z0-9_]+=[A-Za-z0-9_.-]*$", pair) is not None
    return named and rest == ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"] and len(ages) <= 1


async def crawl(tab: httpx.AsyncClient, asked: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    wrong: dict[str, list[str]] = {}
    for method, path in asked:
        response = await ask(tab, method, path)
        assert response.status_code < 500, (method, path)
        if found := wrong_with(response):
            wrong[f"{method} {path}"] = found
    return wrong


async def test_every_anonymous_response_has_its_headers(harness: Harness) -> None:
    async with browser(harness) as tab:
        assert await crawl(tab, ROUTES) == {}
        elsewhere = [("GET", "/api/nothing"), ("PUT", "/api/auth/session"), ("GET", "/api/auth/")]
        for method, path in elsewhere:
            assert wrong_with(await tab.request(method, path)) == [], path


async def test_every_signed_in_response_has_its_headers(harness: Harness) -> None:
    settings = harness.live.settings
    wrong: dict[str, list[str]] = {}
    for number, one in enumerate(ROUTES):
        person = User(email=f"{number}@example.com", name="Ada")
        async with harness.live.db.system("auth", write=True) as session:
            session.add(person)
        issued = await issue_session(harness.live, person.id, user_agent="test")
        async with browser(harness) as tab:
            tab.headers["Cookie"] = f"{cookies.full_name(settings, cookies.SESSION)}={issued.token}"
            assert (await tab.get("/api/auth/session")).json() is not None
            wrong |= await crawl(tab, [one])
    assert wrong == {}


async def test_the_cookies_of_sign_in_and_sign_out_are_strict(harness: Harness) -> None:
    await harness.live.accounts.add(EMAIL, PASSWORD, "Ada")
    form = {"email": EMAIL, "password": PASSWORD}
    async with browser(harness) as tab:
        for response in (
            await tab.get("/api/auth/csrf"),
            await tab.post("/api/auth/callback/credentials", data=form),
            await tab.post("/api/auth/callback/credentials", data={**form, "remember": "on"}),
            await tab.post("/api/auth/signout"),
        ):
            assert response.headers.get_list("set-cookie")
            assert wrong_with(response) == []


@pytest.mark.parametrize("path", FORMS)
async def test_a_form_made_for_another_browser_is_refused_everywhere(
    harness: Harness, path: str
) -> None:
    async with browser(harness) as tab:
        response = await ask(tab, "POST", path, csrfToken="0" * 64)
        asked = httpx.URL(response.headers["location"]).params if response.is_redirect else {}
        assert asked.get("error") == "MissingCSRF" or response.status_code == 403, response.text
        name = cookies.full_name(harness.live.settings, cookies.SESSION)
        assert name not in tab.cookies
