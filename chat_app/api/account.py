"""`/api/account`: a user's profile, password, sessions, export and deletion."""

from functools import partial
from uuid import UUID

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from chat_app.api.errors import NO_STORE
from chat_app.api.requests import Body, id_of, read_body
from chat_app.api.responses import (
    SIGN_IN_PAGE,
    NextPage,
    ResponseModel,
    Timestamp,
    clear_session_cookie,
    client_of,
    forget_known_browser,
    home_of,
    json_response,
    no_content,
    remember_known_browser,
    set_session_cookie,
)
from chat_app.api.routing import Routes
from chat_app.auth.account.delete import delete_account
from chat_app.auth.account.export import picture_of
from chat_app.auth.account.picture import PICTURE_MAX_BYTES
from chat_app.auth.principal import Principal
from chat_app.core.errors import NotFound
from chat_app.services import services
from chat_app.threads.export import export as export_threads

MAX_BYTES = 8_000
"""The largest request, except a picture."""

routes = Routes()


class Profile(Body):
    """What a user can change of their profile."""

    name: str


class NewPassword(Body):
    """A new password."""

    password: str


class DeletionConfirmation(Body):
    """The account's email address, typed to confirm its deletion."""

    confirm: str


class OpenSession(ResponseModel):
    """A live session."""

    id: UUID
    device: str
    """The browser and the system, as far as they are known."""
    network: str
    """The network that the session was started from."""
    method: str
    """The login method."""
    created_at: Timestamp
    last_seen_at: Timestamp
    expires_at: Timestamp
    current: bool
    """Whether it is the session of this request."""


class OpenSessions(ResponseModel):
    """The live sessions of a user, the last used first."""

    sessions: list[OpenSession]


@routes.signed_in("PATCH", "/api/account", body=Profile, max_bytes=MAX_BYTES)
async def change(request: Request, principal: Principal, body: Profile) -> None:
    """Change the user's name."""
    await services().profiles.rename(principal, body.name)


@routes.signed_in("GET", "/api/account/picture", media_type="image/*", errors=(404,))
async def picture(request: Request, principal: Principal) -> Response:
    """The user's picture."""
    found = await picture_of(services().db, principal)
    if found is None:
        raise NotFound
    return Response(found[1], media_type=found[0], headers=NO_STORE)


@routes.signed_in("PUT", "/api/account/picture", takes="image/*", errors=(413, 422))
async def set_picture(request: Request, principal: Principal) -> None:
    """Store the body as the user's picture."""
    message = f"A picture can be at most {PICTURE_MAX_BYTES // 1000} kB."
    content = await read_body(request, PICTURE_MAX_BYTES, message)
    await services().profiles.set_picture(principal, content)


@routes.signed_in("DELETE", "/api/account/picture")
async def remove_picture(request: Request, principal: Principal) -> None:
    """Remove the user's picture."""
    await services().profiles.remove_picture(principal)


@routes.fresh("POST", "/api/account/password", body=NewPassword, max_bytes=MAX_BYTES)
async def set_password(request: Request, principal: Principal, body: NewPassword) -> Response:
    """Change the password. Other sessions are revoked; this one gets a new token."""
    changes = services().password_changes
    issued = await changes.set(principal, body.password, client_of(request))
    response = no_content()
    set_session_cookie(response, issued)
    await remember_known_browser(request, response, principal.user_id)
    return response


@routes.fresh("DELETE", "/api/account/password", errors=(404, 409))
async def remove_password(request: Request, principal: Principal) -> None:
    """Remove the password."""
    await services().password_changes.remove(principal)


@routes.signed_in("GET", "/api/account/sessions", response=OpenSessions)
async def list_sessions(request: Request, principal: Principal) -> OpenSessions:
    """The user's live sessions, the last used first."""
    sessions = [
        OpenSession(
            id=session.id,
            device=session.device,
            network=session.network,
            method=session.method,
            created_at=session.created_at,
            last_seen_at=session.last_seen_at,
            expires_at=session.expires_at,
            current=session.is_current,
        )
        for session in await services().sessions.list(principal)
    ]
    return OpenSessions(sessions=sessions)


@routes.signed_in("DELETE", "/api/account/sessions/{id}", response=NextPage, no_content=True)
async def revoke(request: Request, principal: Principal) -> Response | None:
    """Revoke one of the user's sessions, with its sockets and running answers."""
    session_id = id_of(request.path_params["id"])
    await services().sessions.revoke(principal, session_id, "revoked")
    return _signed_out(request) if session_id == principal.credential_id else None


@routes.signed_in("POST", "/api/account/sessions/revoke-others")
async def revoke_others(request: Request, principal: Principal) -> None:
    """Revoke every session of the user except the request's."""
    await services().sessions.revoke_user(
        principal.user_id, reason="revoked", keep=principal.credential_id
    )


@routes.signed_in("POST", "/api/account/sessions/revoke-all", response=NextPage)
async def revoke_all(request: Request, principal: Principal) -> Response:
    """Revoke every session of the user."""
    await services().sessions.revoke_user(principal.user_id, reason="revoked")
    return _signed_out(request)


@routes.fresh("GET", "/api/account/export", media_type="application/zip")
async def export(request: Request, principal: Principal) -> Response:
    """Everything that is stored of the user, as a zip."""
    archive = await export_threads(services().db, principal)

    headers = NO_STORE | {"Content-Disposition": 'attachment; filename="chat-export.zip"'}
    return StreamingResponse(
        iter(partial(archive.read, 65_536), b""),
        media_type="application/zip",
        headers=headers,
        background=BackgroundTask(archive.close),
    )


@routes.fresh(
    "DELETE",
    "/api/account",
    body=DeletionConfirmation,
    max_bytes=MAX_BYTES,
    response=NextPage,
    errors=(409,),
)
async def remove(request: Request, principal: Principal, body: DeletionConfirmation) -> Response:
    """Delete the user, what they own, and the organisations that have no other member."""
    await delete_account(services().db, services().sessions, principal, body.confirm)
    response = _signed_out(request)
    forget_known_browser(request, response, principal.user_id)
    return response


def _signed_out(request: Request) -> Response:
    """Where to go now that the request's session is over; its cookie is deleted."""
    response = json_response(NextPage(url=f"{home_of(request)}{SIGN_IN_PAGE}"))
    clear_session_cookie(response)
    return response
