"""`/api/account`: a user's profile, password, sessions, linked accounts, export and deletion."""

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from chat_app.api.errors import NO_STORE
from chat_app.api.oauth import LINKED_ACCOUNTS_PAGE, remember_transaction
from chat_app.api.requests import Body, fresh, id_of, read_body, read_json, signed_in
from chat_app.api.responses import (
    SIGN_IN_PAGE,
    clear_session_cookie,
    client_of,
    home_of,
    json_response,
    no_content,
    set_session_cookie,
    timestamp,
)
from chat_app.auth.account.export import picture_of
from chat_app.auth.account.profile import PICTURE_MAX_BYTES as PICTURE_MAX_BYTES
from chat_app.auth.oauth.service import OAuthRequest
from chat_app.auth.principal import Principal
from chat_app.core.errors import NotFound
from chat_app.services import services
from chat_app.threads.export import export as export_threads

MAX_BYTES = 8_000
"""The largest request, except a picture."""


class Profile(Body):
    """What a user can change of their profile."""

    name: str


class NewPassword(Body):
    """A new password."""

    password: str


class DeletionConfirmation(Body):
    """The account's email address, typed to confirm its deletion."""

    confirm: str


@signed_in
async def change(request: Request, principal: Principal) -> Response:
    """Change the user's name."""
    body = await read_json(request, Profile, max_bytes=MAX_BYTES)
    await services().profiles.rename(principal, body.name)
    return no_content()


@signed_in
async def picture(request: Request, principal: Principal) -> Response:
    """The user's picture."""
    found = await picture_of(services().db, principal)
    if found is None:
        raise NotFound
    return Response(found[1], media_type=found[0], headers=NO_STORE)


@signed_in
async def set_picture(request: Request, principal: Principal) -> Response:
    """Store the body as the user's picture."""
    message = f"A picture can be at most {PICTURE_MAX_BYTES // 1000} kB."
    content = await read_body(request, PICTURE_MAX_BYTES, message)
    await services().profiles.set_picture(principal, content)
    return no_content()


@signed_in
async def remove_picture(request: Request, principal: Principal) -> Response:
    """Remove the user's picture."""
    await services().profiles.remove_picture(principal)
    return no_content()


@fresh
async def set_password(request: Request, principal: Principal) -> Response:
    """Change the password. Other sessions are revoked; this one gets a new token."""
    body = await read_json(request, NewPassword, max_bytes=MAX_BYTES)
    changes = services().password_changes
    issued = await changes.set(principal, body.password, client_of(request))
    response = no_content()
    set_session_cookie(response, issued)
    return response


@fresh
async def remove_password(request: Request, principal: Principal) -> Response:
    """Remove the password."""
    await services().password_changes.remove(principal)
    return no_content()


@signed_in
async def sessions(request: Request, principal: Principal) -> Response:
    """The user's live sessions, the last used first."""
    body = [
        {
            "id": str(session.id),
            "device": session.device,
            "network": session.network,
            "method": session.method,
            "createdAt": timestamp(session.created_at),
            "lastSeenAt": timestamp(session.last_seen_at),
            "expiresAt": timestamp(session.expires_at),
            "current": session.is_current,
        }
        for session in await services().sessions.list(principal)
    ]
    return json_response({"sessions": body})


@signed_in
async def revoke(request: Request, principal: Principal) -> Response:
    """Revoke one of the user's sessions, with its sockets and running answers."""
    session_id = id_of(request.path_params["id"])
    await services().sessions.revoke(principal, session_id, "revoked")
    return _signed_out(request) if session_id == principal.credential_id else no_content()


@signed_in
async def revoke_others(request: Request, principal: Principal) -> Response:
    """Revoke every session of the user except the request's."""
    await services().sessions.revoke_user(
        principal.user_id, reason="revoked", keep=principal.credential_id
    )
    return no_content()


@signed_in
async def revoke_all(request: Request, principal: Principal) -> Response:
    """Revoke every session of the user."""
    await services().sessions.revoke_user(principal.user_id, reason="revoked")
    return _signed_out(request)


@fresh
async def link_account(request: Request, principal: Principal) -> Response:
    """Start linking an account at an identity provider; the response names the URL to go to."""
    oauth_request = OAuthRequest(
        callback_url=home_of(request) + LINKED_ACCOUNTS_PAGE, link_to=principal
    )
    provider = request.path_params["provider"]
    started = await services().oauth.start(provider, oauth_request, client_of(request))
    response = json_response({"url": started.url})
    remember_transaction(request, response, started)
    return response


@fresh
async def unlink_account(request: Request, principal: Principal) -> Response:
    """Unlink one of the user's accounts."""
    await services().linked_accounts.unlink(principal, id_of(request.path_params["id"]))
    return no_content()


@fresh
async def export(request: Request, principal: Principal) -> Response:
    """Everything that is stored of the user, as a zip."""
    archive = await export_threads(services().db, principal)

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
    """Delete the user with everything they own."""
    body = await read_json(request, DeletionConfirmation, max_bytes=MAX_BYTES)
    await services().account_deletion.remove(principal, body.confirm)
    return _signed_out(request)


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
    Route("/api/account/connections/{provider}", link_account, methods=["POST"]),
    Route("/api/account/connections/{id}", unlink_account, methods=["DELETE"]),
    Route("/api/account/export", export, methods=["GET"]),
]


def _signed_out(request: Request) -> Response:
    """Where to go now that the request's session is over; its cookie is deleted."""
    response = json_response({"url": f"{home_of(request)}{SIGN_IN_PAGE}"})
    clear_session_cookie(response)
    return response
