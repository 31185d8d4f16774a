"""Whether the server answers: for whatever starts and watches it."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


async def health(_request: Request) -> Response:
    """Say that the server is there. Nothing about anybody is looked up."""
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


routes = [Route("/api/health", health, methods=["GET"])]
