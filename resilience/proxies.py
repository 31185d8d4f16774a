"""The real nginx and Caddy in front of the program, with the configurations of docs/deployment."""

import asyncio
import os
import re
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.typing import Origin

from resilience.program import TargetProgram, running_program, temporary_folder
from resilience.report import Result, Scenario
from testing.certificates import contexts
from testing.program import ROOT, free_port
from testing.socket_client import handshake_url

DEPLOYMENT = ROOT / "docs" / "deployment"
WARNING = "drops the WebSocket upgrade"
WITHIN_SECONDS = 10


@dataclass(frozen=True)
class Ports:
    """Where a proxy listens, and where the program does."""

    tls: int
    plain: int
    program: int


def nginx(folder: Path, ports: Ports) -> list[str]:
    """The command that runs nginx with the example, moved to this machine's ports."""
    _certificate(folder)
    text = (DEPLOYMENT / "nginx.conf").read_text()
    for old, new in (
        ("server 127.0.0.1:3000", f"server 127.0.0.1:{ports.program}"),
        ("listen [::]:80;", ""),
        ("listen [::]:443 ssl http2;", ""),
        ("listen 80;", f"listen 127.0.0.1:{ports.plain};"),
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{ports.tls} ssl http2;"),
        ("/etc/letsencrypt/live/chat.example", str(folder)),
        ("https://chat.example", f"https://localhost:{ports.tls}"),
        ("chat.example", "localhost"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    (folder / "site.conf").write_text(text)
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"{_user()}daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log {folder}/access.log; {temporary} include {folder}/site.conf; }}\n"
    )
    return ["nginx", "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"]


def _user() -> str:
    """The directive that lets nginx's workers write large bodies to the folder of this process."""
    return "user root; " if os.geteuid() == 0 else ""


def caddy(folder: Path, ports: Ports) -> list[str]:
    """The command that runs Caddy with the example, moved to this machine's ports."""
    text = (DEPLOYMENT / "Caddyfile").read_text()
    for old, new in (
        ("chat.example {", f"https://localhost:{ports.tls} {{\n\ttls internal"),
        ("127.0.0.1:3000", f"127.0.0.1:{ports.program}"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    options = (
        f"{{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n"
        f"\tstorage file_system {folder}/storage\n\thttp_port {ports.plain}\n"
        f"\thttps_port {ports.tls}\n}}\n"
    )
    (folder / "Caddyfile").write_text(options + text)
    return ["caddy", "run", "--adapter", "caddyfile", "--config", f"{folder}/Caddyfile"]


PROXIES: dict[str, Callable[[Path, Ports], list[str]]] = {"nginx": nginx, "caddy": caddy}


def _certificate(folder: Path) -> None:
    """A self-signed certificate for `localhost`."""
    contexts(folder)
    for name in ("fullchain.pem", "privkey.pem"):  # the file has both
        shutil.copyfile(folder / "mail.pem", folder / name)


@asynccontextmanager
async def behind(
    name: str, folder: Path, change: Callable[[str], str] = lambda text: text
) -> AsyncIterator[tuple[TargetProgram, str]]:
    """The program behind a proxy: the program, and the URL that people use.

    Args:
        name: One of `PROXIES`.
        folder: For the files of both.
        change: Changes the configuration of the proxy.
    """
    tls, plain = free_port(), free_port()
    url = f"https://localhost:{tls}"
    given = {"APP_URL": url, "TRUSTED_PROXY_HOPS": "1", "CHAT_MODEL": "fake:20x50"}
    async with running_program(folder, given) as program:
        # Caddy's sockets and nginx's files have short names only in a short folder.
        with tempfile.TemporaryDirectory(prefix="chat-proxy-") as at:
            command = PROXIES[name](Path(at), Ports(tls, plain, program.port))
            proxy = await asyncio.to_thread(_started, command, Path(at), folder, change)
            try:
                await _until_answering(url, proxy)
                yield program, url
            finally:
                proxy.terminate()
                await asyncio.to_thread(proxy.wait, 30)


def _started(
    command: list[str], at: Path, folder: Path, change: Callable[[str], str]
) -> subprocess.Popen[bytes]:
    for file in at.glob("*"):
        if file.name in ("site.conf", "Caddyfile"):
            file.write_text(change(file.read_text()))
    with (folder / "proxy.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=at)


def _client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=url, headers={"Origin": url}, verify=False, timeout=30, trust_env=False
    )


async def _until_answering(url: str, proxy: subprocess.Popen[bytes]) -> None:
    async with _client(url) as client:
        for _ in range(300):
            assert proxy.poll() is None, "the proxy has ended"
            try:
                if (await client.get("/healthz")).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.1)
    raise AssertionError("the proxy does not answer")


async def proxied() -> Result:
    """People use the program through each proxy; then each drops the upgrade."""
    names = [name for name in PROXIES if shutil.which(name)]
    if not names:
        return Result("proxies", 1, 1, f"install one of these: {', '.join(PROXIES)}")
    wrong: list[str] = []
    tried = 0
    for name in names:
        with temporary_folder() as folder:
            async with behind(name, folder) as (program, url):
                for check in CHECKS:
                    tried += 1
                    wrong += [f"{name}, {text}" for text in await _outcome(check, program, url)]
        with temporary_folder() as folder:
            async with behind(name, folder, DROPPING[name]) as (program, url):
                tried += 1
                wrong += [f"{name}, {text}" for text in await _outcome(_is_named, program, url)]
    figures = "; ".join(wrong)[:300] or f"through {' and '.join(names)}"
    if len(names) < len(PROXIES):
        figures += f"; not installed: {', '.join(sorted(PROXIES.keys() - set(names)))}"
    return Result("proxies", tried, len(wrong), figures)


def _without_upgrade(text: str) -> str:
    lines = [line for line in text.splitlines() if "proxy_set_header Upgrade" not in line]
    return "\n".join(lines).replace("$chat_connection;", "'';")


def _without_websockets(text: str) -> str:
    return text.replace(
        "\theader_up X-Request-ID", "\theader_up -Upgrade\n\t\theader_up X-Request-ID"
    )


DROPPING: dict[str, Callable[[str], str]] = {
    "nginx": _without_upgrade,
    "caddy": _without_websockets,
}
"""Changes an example into what people forget."""

Check = Callable[[TargetProgram, str], Awaitable[None]]


async def _outcome(check: Check, program: TargetProgram, url: str) -> list[str]:
    try:
        await check(program, url)
    except (AssertionError, OSError, httpx.HTTPError, InvalidStatus) as error:
        return [f"{check.__name__.strip('_')}: {type(error).__name__} {error}"]
    return []


@asynccontextmanager
async def _signed_in(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with _client(url) as client:
        form = {"email": f"{uuid4().hex}@example.com", "password": "a long enough pass phrase 7"}
        response = await client.post("/api/auth/signup", data=form)
        assert response.headers["location"] == f"{url}/", response.headers
        assert "__Host-chat_session" in client.cookies
        yield client


def _handshake(client: httpx.AsyncClient, url: str) -> connect:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    return connect(
        handshake_url(url, str(uuid4())),
        ssl=context,
        origin=Origin(url),
        additional_headers={"Cookie": cookie},
        proxy=None,
    )


async def _pages(_program: TargetProgram, url: str) -> None:
    """Pages, compressed scripts, and the way in."""
    async with _client(url) as client:
        home = await client.get("/")
        assert (home.status_code, home.headers["location"]) == (303, "/signin"), home.headers
        page = await client.get("/signin/")
        assert "max-age" in page.headers["strict-transport-security"]
        script = re.search(r'"(/assets/[^"]+\.js)"', page.text)
        assert script is not None
        sent = await client.get(script[1], headers={"Accept-Encoding": "gzip"})
        assert sent.headers["content-encoding"] == "gzip"
        assert "immutable" in sent.headers["cache-control"]


async def _answers(_program: TargetProgram, url: str) -> None:
    """An answer arrives word by word, not when it is whole."""
    async with _signed_in(url) as client:
        said = {"id": "one", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}
        pieces = []
        async with client.stream("POST", "/api/chat", json={"messages": [said]}) as response:
            assert response.status_code == 200
            pieces = [piece async for piece in response.aiter_raw()]
        assert b"[DONE]" in b"".join(pieces)
        assert len(pieces) > 5, f"{len(pieces)} pieces"


async def _sockets(_program: TargetProgram, url: str) -> None:
    """A socket opens, and the page learns of no missing one."""
    async with _signed_in(url) as client, _handshake(client, url) as socket:
        assert str(await socket.recv()).startswith("0{")
        assert (await client.get("/api/socket")).json() == {"socket": "arrived"}


async def _sizes(_program: TargetProgram, url: str) -> None:
    """A body of the largest size reaches the program, and its refusal the client."""
    async with _signed_in(url) as client:
        large = await client.post("/api/chat", json={"messages": [], "more": "x" * 3_900_000})
        assert large.status_code in (400, 422), large.status_code
        larger = await client.post("/api/chat", json={"messages": [], "more": "x" * 4_100_000})
        assert larger.status_code == 413, f"{larger.status_code} {larger.text[:200]}"


async def _addresses(program: TargetProgram, url: str) -> None:
    """The log has the client's own address and the proxy's request id."""
    async with _client(url) as client:
        forged = {"X-Forwarded-For": "203.0.113.9", "X-Request-ID": "forged"}
        form = {"email": "a@example.com", "password": "wrong"}
        response = await client.post("/api/auth/callback/credentials", data=form, headers=forged)
        request_id = response.headers["x-request-id"]
    (line,) = (text for text in _log_lines(program) if "security sign_in_failed" in text)
    assert "client=127.0.0.1" in line, line
    assert f"request_id={request_id}" in line, line
    assert "forged" not in line, line


async def _is_named(program: TargetProgram, url: str) -> None:
    """A proxy that drops the upgrade is named in the log, and to the page."""
    async with _signed_in(url) as client:
        with suppress(InvalidStatus, InvalidHandshake):
            async with _handshake(client, url):
                raise AssertionError("the socket opened")
        for _ in range(10 * WITHIN_SECONDS):
            if any(WARNING in line for line in _log_lines(program)):
                break
            await asyncio.sleep(0.1)
        else:
            raise AssertionError("the log does not name it")
        assert (await client.get("/api/socket?again")).json() == {"socket": "missing"}


CHECKS: tuple[Check, ...] = (_pages, _answers, _sockets, _sizes, _addresses)


def _log_lines(program: TargetProgram) -> list[str]:
    return program.log.read_text(errors="replace").splitlines()


SCENARIOS: dict[str, Scenario] = {"proxies": proxied}
