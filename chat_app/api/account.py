"""`/api/account`: a user's profile, password, sessions, linked accounts, export and deletion."""

from pydantic import BaseModel, ConfigDict
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from chat_app.api.errors import NO_STORE
from chat_app.api.oauth import CONNECTIONS_PAGE, remember_transaction
from chat_app.api.requests import fresh, id_of, read_json, signed_in
from chat_app.api.responses import SIGN_IN_PAGE, client_of, home_of, set_cookie
from chat_app.api.threads import timestamp
from chat_app.auth.account.export import picture_of
from chat_app.auth.account.profile import PICTURE_MAX_BYTES as PICTURE_MAX_BYTES
from chat_app.auth.oauth.service import OAuthRequest
from chat_app.auth.principal import Principal
from chat_app.core.errors import NotFound, TooLarge
from chat_app.gateway import cookies
from chat_app.services import services
from chat_app.threads.export import export as exported

MAX_BYTES = 8_000
"""The largest request, but for a picture."""


class Profile(BaseModel):
    """What may be changed of a profile."""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: str


class NewPassword(BaseModel):
    """A password to be used from now on."""

    model_config = ConfigDict(strict=True, extra="forbid")

    password: str


class Goodbye(BaseModel):
    """The deletion of an account: its address, typed."""

    model_config = ConfigDict(strict=True, extra="forbid")

    confirm: str


@signed_in
async def change(request: Request, principal: Principal) -> Response:
    """Change the person's name."""
    wanted = await read_json(request, Profile, most=MAX_BYTES)
    await services().profiles.rename(principal, wanted.name)
    return _done()


@signed_in
async def picture(request: Request, principal: Principal) -> Response:
    """The person's picture."""
    found = await picture_of(services().db, principal)
    if found is None:
        raise NotFound
    return Response(found[1], media_type=found[0], headers=NO_STORE)


@signed_in
async def set_picture(request: Request, principal: Principal) -> Response:
    """Take the body as the person's picture."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > PICTURE_MAX_BYTES:
            raise TooLarge(f"A picture can be at most {PICTURE_MAX_BYTES // 1000} kB.")
    await services().profiles.set_picture(principal, bytes(content))
    return _done()


@signed_in
async def remove_picture(request: Request, principal: Principal) -> Response:
    """Forget the person's picture."""
    await services().profiles.remove_picture(principal)
    return _done()


@fresh
async def set_password(request: Request, principal: Principal) -> Response:
    """Change the password. Other sessions end; this one goes on with a new token."""
    wanted = await read_json(request, NewPassword, most=MAX_BYTES)
    live = services()
    issued = await live.password_changes.set(principal, wanted.password, client_of(request))
    answer = _done()
    name = cookies.session_name(live.settings)
    set_cookie(answer, cookies.write(live.settings, name, issued.token, max_age=issued.max_age))
    return answer


@fresh
async def remove_password(request: Request, principal: Principal) -> Response:
    """Sign in without a password from now on."""
    await services().password_changes.remove(principal)
    return _done()


@signed_in
async def sessions(request: Request, principal: Principal) -> Response:
    """The person's live sessions, the last used first."""
    found = await services().sessions.list(principal)
    listed = [
        {
            "id": str(one.id),
            "device": one.device,
            "network": one.network,
            "method": one.method,
            "createdAt": timestamp(one.created_at),
            "lastSeenAt": timestamp(one.last_seen_at),
            "expiresAt": timestamp(one.expires_at),
            "current": one.is_current,
        }
        for one in found
    ]
    return JSONResponse({"sessions": listed}, headers=NO_STORE)


@signed_in
async def revoke(request: Request, principal: Principal) -> Response:
    """End one of the person's sessions, with its sockets and running answers."""
    session_id = id_of(request.path_params["id"])
    await services().sessions.revoke(principal, session_id, "revoked")
    return _left(request) if session_id == principal.credential_id else _done()


@signed_in
async def revoke_others(request: Request, principal: Principal) -> Response:
    """End every session of the person but the one that asks."""
    await services().sessions.revoke_user(
        principal.user_id, reason="revoked", keep=principal.credential_id
    )
    return _done()


@signed_in
async def revoke_all(request: Request, principal: Principal) -> Response:
    """Sign the person out everywhere, here too."""
    await services().sessions.revoke_user(principal.user_id, reason="revoked")
    return _left(request)


@fresh
async def connect(request: Request, principal: Principal) -> Response:
    """Start linking an account at an identity provider; the response names the URL to go to."""
    live = services()
    page = home_of(request, live.settings) + CONNECTIONS_PAGE
    oauth_request = OAuthRequest(callback_url=page, link_to=principal)
    started = await live.oauth.start(
        request.path_params["provider"], oauth_request, client_of(request)
    )
    response = JSONResponse({"url": started.url}, headers=NO_STORE)
    remember_transaction(request, response, started)
    return response


@fresh
async def disconnect(request: Request, principal: Principal) -> Response:
    """Unlink one of the user's accounts."""
    await services().linked_accounts.unlink(principal, id_of(request.path_params["id"]))
    return Response(status_code=204, headers=NO_STORE)


@fresh
async def export(request: Request, principal: Principal) -> Response:
    """Everything that is kept of the person, as a zip."""
    archive = await exported(services().db, principal)

    async def chunks():
        while chunk := await run_in_threadpool(archive.read, 65_536):
            yield chunk

    headers = NO_STORE | {"Content-Disposition": 'attachment; filename="chat-export.zip"'}
    return StreamingResponse(
        chunks(),
        media_type="application/zip",
        headers=headers,
        background=BackgroundTask(archive.close),
    )


@fresh
async def remove(request: Request, principal: Principal) -> Response:
    """Delete the person with everything that is theirs."""
    wanted = await read_json(request, Goodbye, most=MAX_BYTES)
    await services().account_deletion.remove(principal, wanted.confirm)
    return _left(request)


routes = [
    Route("/api/account", change, methods=["PATCH"]),
    Route("/api/account", remove, methods=["DELETE"]),
    Route("/api/account/picture", picture, methods=["GET"]),
    Route("/api/account/picture", set_picture, methods=["PUT"]),
    Route("/api/account/picture", remove_picture, methods=["DELETE"]),
    Route("/api/account/password", set_password, methods=["POST"]),
    Route("/api/account/password", remove_password, methods=["DELETE"]),
    Route("/api/account/sessions", sessions, methods=["GET"]),
    Route("/api/account/sessions/{id}", revoke, methods=["DELETE"]),
    Route("/api/account/sessions/revoke-others", revoke_others, methods=["POST"]),
    Route("/api/account/sessions/revoke-all", revoke_all, methods=["POST"]),
    Route("/api/account/connections/{provider}", connect, methods=["POST"]),
    Route("/api/account/connections/{id}", disconnect, methods=["DELETE"]),
    Route("/api/account/export", export, methods=["GET"]),
]


def _done() -> Response:
    return Response(status_code=204, headers=NO_STORE)


def _left(request: Request) -> Response:
    """The session of this browser is over: where to go, and no cookie."""
    settings = services().settings
    answer = JSONResponse({"url": f"{home_of(request, settings)}{SIGN_IN_PAGE}"}, headers=NO_STORE)
    set_cookie(answer, cookies.clear(settings, cookies.session_name(settings)))
    return answer
