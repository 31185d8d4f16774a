"""`/api/organisations`: organisations, their members, and invitations to them.

They take a session and no API key. An organisation to which the user does not belong is missing.
"""

from typing import Annotated
from uuid import UUID

from pydantic import Field
from starlette.requests import Request

from chat_app.api.requests import Body, id_of, require_step_up
from chat_app.api.responses import ResponseModel, Timestamp, client_of
from chat_app.api.routing import Routes
from chat_app.auth.principal import Principal, Role
from chat_app.core.errors import InvalidInput
from chat_app.services import services

MAX_BYTES = 4_000
"""The largest request."""

routes = Routes()


class NewOrganisation(Body):
    """A new organisation."""

    name: str


class OrganisationChange(Body):
    """What can be changed of an organisation."""

    name: str = ""
    allowsAdminReading: bool = False
    """Whether admins may read a member's chats in it, with a reason. Owners change it."""


class NewRole(Body):
    """The role of a member."""

    role: str
    """`owner`, `admin` or `member`."""


class NewInvitation(Body):
    """Who is invited, and as what."""

    email: str
    role: str = "member"
    """`owner`, `admin` or `member`."""


class InvitationToken(Body):
    """The token of an invitation."""

    token: str
    """What follows `invitation.` in the link."""


class OrganisationOut(ResponseModel):
    """An organisation of the user."""

    id: UUID
    name: str
    role: Role
    """The user's role in it."""
    allows_admin_reading: bool
    created_at: Timestamp


class OrganisationsOut(ResponseModel):
    """The organisations of the user, by name."""

    organisations: list[OrganisationOut]


class MemberOut(ResponseModel):
    """A member of an organisation."""

    user_id: UUID
    email: str
    name: str
    role: Role
    joined_at: Timestamp
    is_self: bool
    """Whether it is the user who asks."""


class MembersOut(ResponseModel):
    """The members of an organisation, the first ones first."""

    members: list[MemberOut]


class InvitationOut(ResponseModel):
    """An invitation that was not accepted yet."""

    id: UUID
    email: str
    role: Role
    invited_by: UUID | None
    """The member who sent it; null if their account is gone."""
    created_at: Timestamp
    expires_at: Timestamp
    expired: Annotated[bool, Field(validation_alias="is_expired")]
    """Whether its link works no longer; it can be sent again."""


class InvitationsOut(ResponseModel):
    """The invitations of an organisation, the newest first."""

    invitations: list[InvitationOut]


class SentInvitationOut(ResponseModel):
    """An invitation that was sent."""

    id: UUID
    link: str | None
    """Where no mail server is set up, the link to hand over; it is not shown again."""


class ReceivedInvitationOut(ResponseModel):
    """An invitation that the user can accept or decline."""

    id: UUID
    organisation: str
    """Its name."""
    role: Role
    invited_by: str | None
    """The email of the member who sent it; null if their account is gone."""
    expires_at: Timestamp


class ReceivedInvitationsOut(ResponseModel):
    """The open invitations of the user's verified email, the newest first."""

    invitations: list[ReceivedInvitationOut]


class JoinedOrganisation(ResponseModel):
    """The id of the organisation."""

    id: UUID


@routes.signed_in("GET", "/api/organisations", response=OrganisationsOut)
async def list_organisations(_request: Request, principal: Principal) -> OrganisationsOut:
    """The organisations of the user."""
    found = await services().organisations.of(principal)
    return OrganisationsOut.model_validate({"organisations": found}, from_attributes=True)


@routes.signed_in(
    *("POST", "/api/organisations"),
    body=NewOrganisation,
    max_bytes=MAX_BYTES,
    response=OrganisationOut,
    status=201,
    errors=(409,),
)
async def create(_request: Request, principal: Principal, body: NewOrganisation) -> OrganisationOut:
    """Create an organisation, of which the user is the owner."""
    made = await services().organisations.create(principal, body.name)
    return OrganisationOut.model_validate(made, from_attributes=True)


@routes.signed_in("GET", "/api/organisations/{id}", response=OrganisationOut)
async def fetch(request: Request, principal: Principal) -> OrganisationOut:
    """One organisation."""
    found = await services().organisations.get(principal, _org_id(request))
    return OrganisationOut.model_validate(found, from_attributes=True)


@routes.signed_in(
    *("PATCH", "/api/organisations/{id}"),
    body=OrganisationChange,
    max_bytes=MAX_BYTES,
    errors=(403,),
)
async def change(request: Request, principal: Principal, body: OrganisationChange) -> None:
    """Change the name, or whether admins may read chats.

    To let them, the user must have authenticated lately, else 403 `step_up_required`.
    """
    fields = body.model_fields_set
    if not fields:
        raise InvalidInput("There is nothing to change.")
    if body.allowsAdminReading:
        require_step_up(request)
    await services().organisations.change(
        principal,
        _org_id(request),
        name=body.name if "name" in fields else None,
        allows_admin_reading=body.allowsAdminReading if "allowsAdminReading" in fields else None,
    )


@routes.fresh("DELETE", "/api/organisations/{id}", errors=(403, 404, 409))
async def delete(request: Request, principal: Principal) -> None:
    """Delete an organisation that has no other member."""
    await services().organisations.delete(principal, _org_id(request))


@routes.signed_in("POST", "/api/organisations/{id}/leave", errors=(409,))
async def leave(request: Request, principal: Principal) -> None:
    """Leave an organisation; the last owner can't."""
    await services().members.leave(principal, _org_id(request))


@routes.signed_in("GET", "/api/organisations/{id}/members", response=MembersOut)
async def list_members(request: Request, principal: Principal) -> MembersOut:
    """The members of an organisation."""
    found = await services().members.of(principal, _org_id(request))
    return MembersOut.model_validate({"members": found}, from_attributes=True)


@routes.fresh(
    *("PATCH", "/api/organisations/{id}/members/{member}"),
    body=NewRole,
    max_bytes=MAX_BYTES,
    errors=(403, 409),
)
async def change_role(request: Request, principal: Principal, body: NewRole) -> None:
    """Change the role of a member."""
    await services().members.change_role(
        principal, _org_id(request), id_of(request.path_params["member"]), body.role
    )


@routes.fresh("DELETE", "/api/organisations/{id}/members/{member}", errors=(403, 409))
async def remove(request: Request, principal: Principal) -> None:
    """Remove a member; their running answers in the organisation end."""
    member_id = id_of(request.path_params["member"])
    await services().members.remove(principal, _org_id(request), member_id)


@routes.signed_in("GET", "/api/organisations/{id}/invitations", response=InvitationsOut)
async def list_invitations(request: Request, principal: Principal) -> InvitationsOut:
    """The invitations of an organisation that were not accepted yet."""
    found = await services().invitations.open(principal, _org_id(request))
    return InvitationsOut.model_validate({"invitations": found}, from_attributes=True)


@routes.signed_in(
    *("POST", "/api/organisations/{id}/invitations"),
    body=NewInvitation,
    max_bytes=MAX_BYTES,
    response=SentInvitationOut,
    status=201,
    errors=(403, 409, 503),
)
async def invite(request: Request, principal: Principal, body: NewInvitation) -> SentInvitationOut:
    """Send an invitation by email."""
    sent = await services().invitations.invite(
        principal,
        _org_id(request),
        email=body.email,
        role=body.role,
        client_ip=client_of(request),
    )
    return SentInvitationOut.model_validate(sent, from_attributes=True)


@routes.signed_in(
    *("POST", "/api/organisations/{id}/invitations/{invitation}/resend"),
    response=SentInvitationOut,
    errors=(403, 503),
)
async def resend(request: Request, principal: Principal) -> SentInvitationOut:
    """Send an invitation again, with a new link."""
    sent = await services().invitations.resend(
        principal, _org_id(request), _invitation_id(request), client_ip=client_of(request)
    )
    return SentInvitationOut.model_validate(sent, from_attributes=True)


@routes.signed_in("DELETE", "/api/organisations/{id}/invitations/{invitation}", errors=(403,))
async def revoke(request: Request, principal: Principal) -> None:
    """Revoke an invitation."""
    await services().invitations.revoke(principal, _org_id(request), _invitation_id(request))


@routes.signed_in("GET", "/api/invitations", response=ReceivedInvitationsOut)
async def list_received(_request: Request, principal: Principal) -> ReceivedInvitationsOut:
    """The invitations that wait for the user's answer: those of their verified email."""
    found = await services().received_invitations.of(principal)
    return ReceivedInvitationsOut.model_validate({"invitations": found}, from_attributes=True)


@routes.signed_in(
    *("POST", "/api/invitations/{id}/accept"),
    response=JoinedOrganisation,
    errors=(403, 404, 409),
)
async def accept_received(request: Request, principal: Principal) -> JoinedOrganisation:
    """Join the organisation of an invitation of the user's verified email, without its link.

    New tabs of the user begin in it.
    """
    invitation_id = id_of(request.path_params["id"])
    joined = await services().received_invitations.accept(principal, invitation_id)
    return JoinedOrganisation(id=joined)


@routes.signed_in("POST", "/api/invitations/{id}/decline", errors=(403, 404))
async def decline(request: Request, principal: Principal) -> None:
    """Revoke an invitation of the user's verified email."""
    await services().received_invitations.decline(principal, id_of(request.path_params["id"]))


@routes.signed_in(
    *("POST", "/api/invitations/accept"),
    body=InvitationToken,
    max_bytes=MAX_BYTES,
    response=JoinedOrganisation,
    errors=(403, 409),
)
async def accept(
    _request: Request, principal: Principal, body: InvitationToken
) -> JoinedOrganisation:
    """Join the organisation of an invitation that was sent to the user's verified email.

    New tabs of the user begin in it.
    """
    joined = await services().invitations.accept(principal, body.token)
    return JoinedOrganisation(id=joined)


def _org_id(request: Request) -> UUID:
    return id_of(request.path_params["id"])


def _invitation_id(request: Request) -> UUID:
    return id_of(request.path_params["invitation"])
