"""A hosting service on loopback, for the real `reflex deploy`: it keeps what is uploaded to it.

It answers what the command asks up to the submission of a deployment, and says then that all is
done (reflex-hosting-cli 0.2, reflex-build-sdk 0.1).
"""

from dataclasses import dataclass, field
from uuid import uuid4

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

PAGES_URL, API_URL = "https://chat.reflex.run", "https://one.fly.dev"
"""What it reserves: hosts on two sites, as Reflex's own service does."""


@dataclass
class HostingService:
    """Records one deployment.

    Args:
        port: Where it is served.

    Attributes:
        archives: What was uploaded: `backend` and `frontend`.
        submitted: The form of the deployment.
    """

    port: int
    archives: dict[str, bytes] = field(default_factory=dict[str, bytes])
    submitted: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def url(self) -> str:
        """Its own URL."""
        return f"http://127.0.0.1:{self.port}"

    def app(self) -> Starlette:
        """The service as an ASGI app."""
        api = "/api/v1"
        return Starlette(
            routes=[
                Route(f"{api}/authenticate/me", self._me, methods=["POST"]),
                Route(f"{api}/apps/search", self._apps),
                Route(f"{api}/deployments/validate_cli", lambda _: JSONResponse(None)),
                Route(f"{api}/apps/reserve", self._urls, methods=["POST"]),
                Route(f"{api}/deployments/reserve", self._targets, methods=["POST"]),
                Route(f"{api}/deployments", self._submit, methods=["POST"]),
                Route(f"{api}/deployments/{{id}}/status", self._status),
                Route(f"{api}/deployments/{{id}}/failure", self._report),
                Route("/archive/{name}", self._upload, methods=["PUT"]),
            ]
        )

    async def _me(self, _: Request) -> Response:
        ids = {"user_id": str(uuid4()), "org_id": str(uuid4())}
        return JSONResponse({**ids, "email": "operator@example.org", "tier": "Pro"})

    async def _apps(self, request: Request) -> Response:
        named = {"id": str(uuid4()), "name": request.query_params["app_name"], "description": ""}
        rest = {"project_id": str(uuid4()), "provider": "fly", "disable_secrets": False}
        return JSONResponse([{**named, **rest}])

    async def _urls(self, _: Request) -> Response:
        return JSONResponse({"hostname": PAGES_URL, "server": API_URL})

    async def _targets(self, _: Request) -> Response:
        targets = {
            name: {"url": f"{self.url}/archive/{name}", "headers": {}}
            for name in ("backend", "frontend")
        }
        return JSONResponse({"deployment_id": str(uuid4()), **targets})

    async def _upload(self, request: Request) -> Response:
        self.archives[request.path_params["name"]] = await request.body()
        return Response()

    async def _submit(self, request: Request) -> Response:
        async with request.form() as form:
            self.submitted = {name: str(value) for name, value in form.items()}
        return JSONResponse(str(uuid4()))

    async def _status(self, _: Request) -> Response:
        return JSONResponse("completed successfully")

    async def _report(self, _: Request) -> Response:
        unset = dict.fromkeys(("code", "fault", "build_log_excerpt"))
        return JSONResponse({**unset, "status": "Running", "reason": "", "guidance": ""})
