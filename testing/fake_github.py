"""A fake GitHub: the OAuth endpoints and the user API that sign-in uses."""

import base64
import hashlib
import secrets
from typing import Any
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route


class FakeGitHub:
    def __init__(self, client_id: str, client_secret: str) -> None:
        self.client = {"client_id": client_id, "client_secret": client_secret}
        self.user: dict[str, Any] = {"id": 583231, "login": "octocat", "name": "The Octocat"}
        self.emails = [{"email": "octocat@example.org", "primary": True, "verified": True}]
        self.message_template: dict[str, str] = {}  # more of a callback's query, such as iss
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._codes: dict[str, dict[str, str]] = {}
        self._tokens: set[str] = set()
        paths = {"authorize": self.authorize, "access_token": self.access_token}
        routes = [Route(f"/login/oauth/{k}", v, methods=["GET", "POST"]) for k, v in paths.items()]
        self.app = Starlette(routes=[*routes, Route("/{path:path}", self.api)])

    async def authorize(self, request: Request) -> RedirectResponse:
        asked = dict(request.query_params)
        self.asked.append(("authorize", asked))
        code = secrets.token_hex(10)
        self._codes[code] = asked
        back = urlencode({"code": code, "state": asked["state"], **self.message_template})
        return RedirectResponse(f"{asked['redirect_uri']}?{back}")

    async def access_token(self, request: Request) -> JSONResponse:
        said = {key: str(value) for key, value in (await request.form()).items()}
        self.asked.append(("access_token", said))
        begun = self._codes.pop(said.get("code", ""), {})
        digest = hashlib.sha256(said.get("code_verifier", "").encode()).digest()
        right = base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == begun.get(
            "code_challenge"
        )
        if not right or not self.client.items() <= said.items():
            return JSONResponse({"error": "bad_verification_code"})  # GitHub says it with 200
        self._tokens.add(token := f"gho_{secrets.token_hex(18)}")
        return JSONResponse({"access_token": token, "scope": "", "token_type": "bearer"})

    async def api(self, request: Request) -> JSONResponse:
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self._tokens:
            return JSONResponse({"message": "Bad credentials"}, 401)
        return JSONResponse(self.user if request.url.path == "/user" else self.emails)


class GitHub(FakeGitHub):
    """A fake GitHub that listens.

    Attributes:
        url: Where.
    """

    url = ""
