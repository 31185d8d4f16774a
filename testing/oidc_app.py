"""The ASGI app behind its gateway, and HTTP clients that follow redirects like a browser."""

import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
from pydantic import SecretStr
from sqlmodel import SQLModel, select

from chat_app import services as installed
from chat_app.api.routes import http_app
from chat_app.db.tables import Account, AuthSession, User
from chat_app.gateway import Gateway, cookies
from chat_app.services import Services
from chat_app.settings.identity_providers import IdentityProvider
from testing.auth_services import FIREFOX, CountingHasher, Time, settings_of
from testing.database import BUSY_SECONDS, create_tables

JSON = {"X-Auth-Return-Redirect": "1"}
CLIENT = "chat"
SECRET = "a-secret-of-the-tests-4b1c"

_FORM = re.compile(r'<form[^>]* action="([^"]+)"')
_HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="(\w+)"')


def github_at(url: str, **given: Any) -> IdentityProvider:
    """The settings of a GitHub somewhere."""
    return IdentityProvider.model_validate(
        {
            "id": "github",
            "kind": "github",
            "label": "GitHub",
            "client_id": CLIENT,
            "client_secret": SecretStr(SECRET),
            "issuer": url,
            "url": url,
            "api_url": url,
            "scope": "read:user user:email",
            **given,
        }
    )


def oidc_at(issuer: str, **given: Any) -> IdentityProvider:
    """The settings of an issuer somewhere."""
    return IdentityProvider.model_validate(
        {
            "id": "acme",
            "kind": "oidc",
            "label": "Acme",
            "client_id": CLIENT,
            "client_secret": SecretStr(SECRET),
            "issuer": issuer,
            "scope": "openid email profile",
            **given,
        }
    )


@dataclass
class InProcessProgram:
    """The whole app in process, as the server would run it, without a port."""

    live: Services
    time: Time
    gateway: Gateway
    browsers: list["BrowserClient"] = field(default_factory=list)

    @property
    def home(self) -> str:
        return self.live.settings.url

    def browser(self, **headers: str) -> "BrowserClient":
        self.browsers.append(BrowserClient(self, headers))
        return self.browsers[-1]

    async def rows(self, table: type[SQLModel]) -> list[Any]:
        async with self.live.db.system("auth") as session:
            return list((await session.exec(select(table))).all())

    async def counts(self) -> tuple[int, int, int]:
        """How many people, accounts and live sessions there are."""
        live = [one for one in await self.rows(AuthSession) if one.revoked_at is None]
        return len(await self.rows(User)), len(await self.rows(Account)), len(live)

    async def user(self, email: str, *, verified: bool = False) -> UUID:
        """Add a user with a password."""
        user_id = await self.live.accounts.add(email, "plum-Otter-teapot-91", "")
        async with self.live.db.system("auth", write=True) as session:
            user = await session.get(User, user_id)
            assert user is not None
            user.email_verified_at = self.time() if verified else None
            session.add(user)
        return user_id


class BrowserClient:
    """A browser: cookies for each host, and redirects followed one by one.

    Attributes:
        home: The origin of the pages.
        api: The origin of the server, which is the same unless another host has the pages.
        http: What it asks with.
        seen: Every address it was at.
    """

    def __init__(self, program: InProcessProgram, headers: dict[str, str]) -> None:
        self.program = program
        self.home = program.home
        self.api = program.live.settings.api_url
        host = urlsplit(self.api).netloc
        inside = httpx.ASGITransport(program.gateway, client=("192.0.2.7", 50_000))
        self.http = httpx.AsyncClient(
            verify=False,
            mounts={f"all://{host.partition(':')[0]}": inside},
            headers={"User-Agent": FIREFOX, **headers},
            trust_env=False,
        )
        self.seen: list[str] = []

    async def post(self, path: str, **fields: str) -> httpx.Response:
        """What a form of ours sends."""
        headers = {"Origin": self.home, **JSON}
        return await self.http.post(f"{self.api}{path}", data=fields, headers=headers)

    async def start(self, provider: str, **fields: str) -> str:
        """Begin to sign in; where the browser is sent."""
        answer = await self.post(f"/api/auth/signin/{provider}", **fields)
        assert answer.status_code == 200, answer.text
        return answer.json()["url"]

    async def walk(self, url: str, login: str = "ada") -> str:
        """Go to an address and on, signing in where that is asked; the page of ours at the end."""
        page = None
        while page is None:
            url = await self._step(url, login)
            page = page_of(url, self.home)
        return page

    async def back_at(self, url: str, login: str = "ada") -> str:
        """The same, but stop before the callback is visited; its address."""
        while f"{self.api}/api/auth/callback/" not in url:
            url = await self._step(url, login)
        return url

    async def _step(self, url: str, login: str) -> str:
        self.seen.append(url)
        answer = await self.http.get(url)
        if form := _FORM.search(answer.text):
            typed = {"login": login, "password": "whatever"}
            hidden = dict(_HIDDEN.findall(answer.text))
            answer = await self.http.post(form[1], data={**typed, **hidden})
        assert answer.is_redirect, f"{url}: {answer.status_code} {answer.text}"
        return str(httpx.URL(url).join(answer.headers["location"]))

    async def sign_in(self, provider: str, login: str = "ada", **fields: str) -> str:
        """The whole way; the page of ours where it ends."""
        return await self.walk(await self.start(provider, **fields), login)

    async def who(self) -> str | None:
        """Who is signed in here."""
        answer = (await self.http.get(f"{self.api}/api/auth/session")).json()
        return answer["user"]["email"] if answer else None

    @property
    def ours(self) -> dict[str, str]:
        """The cookies of ours that it holds."""
        return {
            one.name: str(one.value)
            for one in self.http.cookies.jar
            if one.name.startswith("chat_")
        }

    def hold(self, cookies: Mapping[str, str]) -> None:
        """Put cookies into it, as who stole or planted them would."""
        self.http.cookies.clear()
        for name, value in cookies.items():
            self.http.cookies.set(name, value)

    def cookies(self) -> set[str]:
        """The names of its cookies of started sign-ins."""
        prefix = cookies.full_name(self.program.live.settings, "chat_oauth_")
        return {name for name in self.ours if name.startswith(prefix)}


def page_of(url: str, home: str) -> str | None:
    """The path and query of a page of ours; None for any other address."""
    parts = urlsplit(url)
    if f"{parts.scheme}://{parts.netloc}" != home or parts.path.startswith("/api/"):
        return None
    return parts.path + (f"?{parts.query}" if parts.query else "")


def error_in(page: str) -> str | None:
    """The word in a page's `?error=`, when it is the sign-in page."""
    path, _, query = page.partition("?")
    assert path == "/signin", page
    return httpx.QueryParams(query).get("error")


@contextlib.asynccontextmanager
async def program(
    folder: Path, *providers: IdentityProvider, **given: Any
) -> AsyncIterator[InProcessProgram]:
    """The program with these providers, on a new database."""
    fixed = {"fake_models": True, "embedded_model": False, "identity_providers": providers}
    time = Time()
    settings = settings_of(folder, **{**fixed, **given})
    live = Services(
        settings,
        clock=time,
        sleep=time.sleep,
        hasher=CountingHasher(),
        busy_seconds=BUSY_SECONDS,
    )
    await create_tables(live.db)
    installed.install(live)
    running = InProcessProgram(live, time, Gateway(http_app(), services=installed.services))
    try:
        yield running
    finally:
        for browser in running.browsers:
            await browser.http.aclose()
        installed.install(None)
        live.passwords.close()
        await live.models.close()
        await live.db.close()
