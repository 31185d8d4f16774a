"""Origin checks, CSRF, and the security headers of every response."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx
from websockets.exceptions import InvalidStatus

from chat_app.api.problems import MEDIA_TYPE, Problem
from resilience.attacker import WORDS, Caller, question, signed_up
from resilience.report import Result
from testing.program import Program
from testing.socket_client import connect

UNSAFE: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/api/auth/callback/credentials"): {"email": "x@example.com", "password": "y"},
    ("POST", "/api/auth/signup"): {"email": "x@example.com", "password": "y"},
    ("POST", "/api/auth/signout"): {"callbackUrl": "/"},
    ("POST", "/api/chat"): {"messages": [question("forged")]},
    ("POST", "/api/chat/{id}/stop"): {},
    ("POST", "/api/threads"): {"title": "forged"},
    ("PATCH", "/api/threads/{id}"): {"title": "forged"},
    ("DELETE", "/api/threads/{id}"): {},
}
"""Every route that changes something, and what it wants."""

SECOND_HOST = {"APP_ORIGINS": "https://chat.example"}
"""The settings of a program that is also behind a proxy with TLS."""

READING = (
    "/",
    "/signin",
    "/signup",
    "/c/{id}",
    "/nowhere",
    "/style.css",
    "/favicon.ico",
    "/ping",
    "/_health",
    "/_upload",
    "/_event/",
    "/api/health",
    "/api/nowhere",
    "/api/auth/session",
    "/api/auth/csrf",
    "/api/auth/providers",
    "/api/models",
    "/api/threads",
    "/api/threads/{id}",
    "/api/threads/{id}/messages",
    "/api/chat/{id}/stream",
)


def origins(url: str) -> dict[str | None, bool]:
    """Twelve forms of an Origin header, and whether each is ours."""
    port = url.rsplit(":", 1)[1]
    return {
        url: True,
        url.replace("localhost", "LOCALHOST"): True,
        None: False,
        "null": False,
        f"http://localhost:{int(port) + 1}": False,
        f"https://localhost:{port}": False,
        f"http://sub.localhost:{port}": False,
        f"{url}.evil.test": False,
        f"http://evil-localhost:{port}": False,
        f"http://localhost:{port}@evil.test": False,
        f"http://localhost.:{port}": False,
        f"http://127.0.0.1:{port}": False,
        f"{url}, {url}": False,
        f"{url}/": False,
    }


async def origin_table(program: Program) -> Result:
    """Every form on the socket, on reading and on writing."""
    ada = await signed_up(program)
    wrong: list[str] = []
    table = origins(program.url)
    for origin, is_ours in table.items():
        sent = {} if origin is None else {"Origin": origin}
        async with httpx.AsyncClient(
            verify=False, base_url=program.url, headers=sent, timeout=30
        ) as http:
            http.headers["Cookie"] = ada.cookie
            reads = await http.get("/api/threads")
            writes = await http.post("/api/threads", json={})
        verdicts = {
            "socket": await _connects(program, ada, origin),
            "read": reads.status_code == 200,
            "write": writes.status_code == 201,
        }
        wanted = {"socket": is_ours, "read": is_ours or origin is None, "write": is_ours}
        wrong += [f"{kind} {origin}" for kind in wanted if verdicts[kind] != wanted[kind]]
        if not is_ours and "access-control-allow-origin" in {*reads.headers, *writes.headers}:
            wrong.append(f"shared with {origin}")
    made = len((await ada.http.get("/api/threads")).json())
    if made != sum(table.values()):
        wrong.append(f"{made} threads made")
    return Result("origin table", len(table) * 3, len(wrong), "; ".join(wrong)[:200] or "as listed")


async def _connects(program: Program, who: Caller, origin: str | None) -> bool:
    try:
        async with connect(program.url, token=str(uuid4()), cookie=who.cookie, origin=origin):
            return True
    except InvalidStatus:
        return False


def hosts(url: str) -> dict[str, bool]:
    """Forms of a Host header, and whether each is a host of the program with `SECOND_HOST`."""
    return {
        url.removeprefix("http://"): True,
        "chat.example": True,
        "chat.example:443": True,
        "CHAT.example:443": True,
        "chat.example:80": False,
        "chat.example:0443": False,
        "chat.example:443:443": False,
        "chat.example.": False,
        "chat.example.evil.test:443": False,
        "evil.test@chat.example": False,
        "evil.test:443": False,
        "localhost": False,
        "localhost:443": False,
    }


async def host_table(program: Program) -> Result:
    """Every form of a Host header, on a page and on a route; only the program's own are answered.

    Args:
        program: Started with `SECOND_HOST`.
    """
    ada = await signed_up(program)
    wrong: list[str] = []
    table = hosts(program.url)
    for host, is_ours in table.items():
        for path in ("/", "/api/threads"):
            answer = await ada.http.get(path, headers={"Host": host})
            if answer.status_code != (200 if is_ours else 421):
                wrong.append(f"{host} {path}: {answer.status_code}")
    return Result("host table", len(table) * 2, len(wrong), "; ".join(wrong)[:200] or "as listed")


UNKNOWN = (
    "/api",
    "/api/",
    "/api/nowhere",
    "/api/nowhere.css",
    "/api/threads/",
    "/api/auth/nowhere",
    "/v1/models",
    "/mcp",
    "/scim/v2/Users",
    "/metrics",
    "/.well-known/nowhere",
)


async def unknown_paths(program: Program) -> Result:
    """Paths for programs that no route serves: JSON, also for a browser that navigates."""
    ada = await signed_up(program)
    wrong: list[str] = []
    methods = ("GET", "POST", "PATCH")
    for cookie in (ada.cookie, ""):
        for method in methods:
            for path in UNKNOWN:
                sent = {"Origin": program.url, "Accept": "text/html", "Cookie": cookie}
                async with httpx.AsyncClient(
                    verify=False, base_url=program.url, headers=sent, timeout=30
                ) as http:
                    answer = await http.request(method, path)
                is_ours = f"{path}/".startswith("/api/")
                wanted = set(Problem.model_fields) if is_ours else {"error", "message"}
                wanted = {"error"} if path.startswith("/v1/") else wanted
                wanted = {"jsonrpc", "id", "error"} if path == "/mcp" else wanted
                kind = MEDIA_TYPE if is_ours else "application/json"
                is_json = answer.headers["content-type"] == kind
                keys = set(answer.json()) if is_json else set()
                if answer.status_code not in (401, 404, 405) or keys != wanted:
                    wrong.append(f"{method} {path}: {answer.status_code}")
    tried = 2 * len(methods) * len(UNKNOWN)
    return Result("unknown paths", tried, len(wrong), "; ".join(wrong)[:200] or "all JSON")


_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_EVIL = "https://evil.test"
FORGED: dict[str, Mapping[str, str]] = {
    "a form of another site": {**_FORM, "Origin": _EVIL, "Sec-Fetch-Site": "cross-site"},
    "a form of a sandboxed frame": {**_FORM, "Origin": "null", "Sec-Fetch-Site": "cross-site"},
    "text that looks like JSON": {"Content-Type": "text/plain", "Origin": _EVIL},
    "JSON of another site": {"Content-Type": "application/json", "Origin": _EVIL},
    "a form of a neighbour": {
        **_FORM,
        "Origin": "http://localhost:1",
        "Sec-Fetch-Site": "same-site",
    },
    "no Origin but cross-site": {**_FORM, "Sec-Fetch-Site": "cross-site"},
    "no Origin but same-site": {**_FORM, "Sec-Fetch-Site": "same-site"},
    "no Origin at all": _FORM,
    "a Referer for an Origin": {**_FORM, "Referer": "{url}/"},
    "two Origins": {**_FORM, "Origin": "{url}", "origin": _EVIL},
}


async def forged_requests(program: Program) -> Result:
    """Every way in which another site could make a browser send, at every unsafe route."""
    ada = await signed_up(program)
    thread = await ada.ask(WORDS)
    before = await ada.everything()
    accepted: list[str] = []
    async with httpx.AsyncClient(verify=False, base_url=program.url, timeout=30) as http:
        for (method, path), body in UNSAFE.items():
            for form, headers in FORGED.items():
                sent = [
                    (name, value.replace("{url}", program.url)) for name, value in headers.items()
                ]
                sent.append(("Cookie", ada.cookie))
                wanted: dict[str, Any] = (
                    {"json": body} if "json" in str(headers).lower() else {"data": body}
                )
                if "messages" in body:
                    wanted = {"json": body}
                    sent = [pair for pair in sent if pair[0] != "Content-Type"]
                answer = await http.request(
                    method, path.replace("{id}", thread), headers=sent, **wanted
                )
                if answer.status_code != 403 or "set-cookie" in answer.headers:
                    accepted.append(f"{form}: {method} {path} {answer.status_code}")
    lasting = await ada.everything() == before
    return Result(
        "forged requests",
        len(UNSAFE) * len(FORGED) + 1,
        len(accepted) + (not lasting),
        "; ".join(accepted)[:200] or "all 403, nothing changed",
    )


_EVERYWHERE = (
    "x-content-type-options",
    "referrer-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
    "x-frame-options",
    "content-security-policy",
    "cache-control",
    "vary",
)


async def headers_crawl(program: Program) -> Result:
    """Headers, policy and cookies of every route: signed in, anonymous, with a forged cookie."""
    ada = await signed_up(program)
    thread = await ada.ask(WORDS)
    wrong: list[str] = []
    tried = 0
    everyone = {"signed in": ada.cookie, "anonymous": "", "forged": "chat_session=forged"}
    async with httpx.AsyncClient(verify=False, base_url=program.url, timeout=30) as http:
        page = (await http.get("/signin")).text
        assets = set(re.findall(r'(?:src|href)="(/assets/[^"]+)"', page))
        asks = [("GET", path, {}) for path in (*READING, *sorted(assets))]
        asks += [("HEAD", "/", {}), ("OPTIONS", "/api/threads", {}), ("TRACE", "/", {})]
        # Signing out comes last, because it ends the session that the others need.
        asks += sorted(((m, p, b) for (m, p), b in UNSAFE.items()), key=lambda a: "signout" in a[1])
        for who, cookie in everyone.items():
            for method, path, body in asks:
                tried += 1
                sent = {"Cookie": cookie, "Origin": program.url} if cookie else {}
                wanted: dict[str, Any] = (
                    {"json": body} if path in ("/api/chat", "/api/threads") else {"data": body}
                )
                answer = await http.request(
                    method,
                    path.replace("{id}", thread),
                    headers=sent,
                    **(wanted if body else {}),
                )
                wrong += [f"{who} {method} {path}: {what}" for what in _faults(answer)]
                http.cookies.clear()
    return Result("headers crawl", tried, len(wrong), "; ".join(wrong)[:300] or "none missing")


def _faults(answer: httpx.Response) -> list[str]:
    faults = [f"no {name}" for name in _EVERYWHERE if name not in answer.headers]
    policy = answer.headers.get("content-security-policy", "")
    directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    scripts = directives.get("script-src", directives.get("default-src", "*"))
    if re.search(r"unsafe|\*|https?:|data:", scripts):
        faults.append(f"scripts from {scripts}")
    if directives.get("frame-ancestors") != "'none'" or directives.get("base-uri") != "'none'":
        faults.append("framed or based elsewhere")
    for cookie in answer.headers.get_list("set-cookie"):
        faults += [
            f"cookie without {attribute}"
            for attribute in ("HttpOnly", "SameSite=Lax", "Path=/")
            if attribute not in cookie
        ]
        if "Domain" in cookie:
            faults.append("cookie with a domain")
    if answer.status_code >= 500:
        faults.append(f"answered {answer.status_code}")
    return faults
