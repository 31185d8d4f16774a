"""`/settings/organisations/[org_id]` and its audit log: one organisation, as its members see it.

A member reads it; admins and owners change it. The server decides on each request.
"""

from typing import Any

import reflex as rx

from chat_app.auth.account.profile import NAME_MAX_LENGTH
from chat_app.auth.principal import Role
from chat_app.auth.sign_in.email_flows import INVITATION_LIFETIME
from chat_app.components.auth.account import account_form
from chat_app.components.auth.fields import field, labelled, submit_button, text_field
from chat_app.components.auth.organisations import invitation_form, repeat_field
from chat_app.components.ui.icons import icon, page_link
from chat_app.orgs.audit_log import ACTIONS
from chat_app.pages.email_links import by_delivery
from chat_app.pages.settings.audit_sections import events
from chat_app.pages.settings.organisations import PATH, ROUTE
from chat_app.pages.settings.sections import (
    confirmed,
    disclosure,
    match_count,
    pager,
    search_input,
    section,
    when_loaded,
    which,
)
from chat_app.reflex_ext.build import api_url
from chat_app.states.organisation_pages.items import ROLE_TITLES, InvitationItem, MemberItem
from chat_app.states.organisation_pages.page import (
    MembersState,
    OrganisationAuditState,
    OrganisationPageState,
)
from chat_app.states.reading import PATH as READING_PATH

Member = rx.vars.ObjectVar[MemberItem]
Invitation = rx.vars.ObjectVar[InvitationItem]

_DAYS = INVITATION_LIFETIME.days
_INVITE_PROBLEM = "invite-problem"
_MEMBER_GONE = "This user isn't a member any more. Reload the page to see who is."
_INVITATION_GONE = "This invitation isn't open any more. Reload the page to see which are."


def _organisation() -> rx.vars.ObjectVar[Any]:
    return OrganisationPageState.organisation  # pyright: ignore[reportReturnType]


def _route(*parts: Any) -> Any:
    """The HTTP route of the organisation, or of something in it."""
    path = f"{api_url(ROUTE)}/{_organisation().id}"
    for part in parts:
        path = f"{path}/{part}"
    return path


def heading() -> rx.Var[str]:
    """The name of the organisation."""
    name = _organisation().name
    missing = rx.cond(OrganisationPageState.missing, "Organisation not found", "Organisation")
    return rx.cond(name, name, missing)


def organisation() -> rx.Component:
    """What it is, who belongs to it and who is invited; then leaving and deleting it."""
    mine = _organisation()
    return _if_found(
        page_link(icon("back"), "All organisations", to=PATH, class_name="quiet-button start"),
        rx.cond(mine.is_admin, _name()),
        _admin_reading(),
        _members(),
        _invitations(),
        rx.cond(
            mine.is_admin,
            section(
                "Audit log",
                page_link(
                    "Open the audit log", to=f"{PATH}/{mine.id}/audit", class_name="small-button"
                ),
                lead="What was done in this organisation, and by whom.",
            ),
        ),
        _leave(),
        rx.cond(mine.is_owner, _delete()),
    )


def organisation_audit() -> rx.Component:
    """The audit log of the organisation, for its admins and owners."""
    mine = _organisation()
    shown = rx.fragment(
        page_link(icon("back"), mine.name, to=f"{PATH}/{mine.id}", class_name="quiet-button start"),
        events(
            OrganisationAuditState,
            ACTIONS,
            whose="Member's email",
            lead="The events of this organisation alone. Times are in UTC.",
        ),
    )
    return _if_found(rx.cond(mine.is_admin, shown, _only_for_admins()))


def _if_found(*content: rx.Component) -> rx.Component:
    """A page of the organisation in the URL; of a foreign one there is no more than of none."""
    return when_loaded(
        OrganisationPageState,
        rx.cond(OrganisationPageState.missing, _not_found(), rx.fragment(*content)),
    )


def _not_found() -> rx.Component:
    return rx.fragment(
        rx.el.p("There is no such organisation, or you don't belong to it.", class_name="lead"),
        page_link("All organisations", to=PATH, class_name="button"),
    )


def _only_for_admins() -> rx.Component:
    return rx.fragment(
        rx.el.p("Only admins and owners see the audit log.", class_name="lead"),
        page_link("Back", to=f"{PATH}/{_organisation().id}", class_name="button"),
    )


def _name() -> rx.Component:
    mine = _organisation()
    return section(
        "Name",
        account_form(
            text_field(
                "Name of the organisation",
                "name",
                default_value=mine.name,
                required=True,
                auto_complete="off",
                max_length=NAME_MAX_LENGTH,
            ),
            submit_button("Save"),
            action=_route(),
            method="PATCH",
            key=mine.id,
            on_done=OrganisationPageState.load,
            done="Saved.",
        ),
    )


def _admin_reading() -> rx.Component:
    mine = _organisation()
    on = (
        "Admins can read chats of members in this organisation after giving a reason; "
        "you see who did."
    )
    off = rx.cond(
        mine.is_reading_off,
        "Admins can't read your chats: reading is switched off on this server.",
        "Admins can't read your chats.",
    )

    def switch(label: str, value: bool) -> rx.Component:
        return account_form(
            submit_button(label, class_name="small-button"),
            action=_route(),
            method="PATCH",
            values={"allowsAdminReading": value},
            on_done=OrganisationPageState.load,
        )

    return section(
        "Reading chats",
        rx.cond(
            mine.is_owner & ~mine.is_reading_off,
            rx.el.div(
                rx.el.p("Admins may read members' chats with a reason"),
                rx.cond(
                    mine.allows_admin_reading, switch("Turn off", False), switch("Turn on", True)
                ),
                class_name="action-row",
            ),
        ),
        rx.cond(
            mine.is_admin & mine.allows_admin_reading,
            rx.el.div(
                page_link("Read a member's chats…", to=_reading(), class_name="small-button"),
                class_name="action-row",
            ),
        ),
        id="reading",
        lead=rx.el.span(rx.cond(mine.allows_admin_reading, on, off), role="status"),
    )


def _reading() -> Any:
    """The URL of the form that asks to read a member's chats."""
    return f"{READING_PATH}/new/{_organisation().id}"


def _members() -> rx.Component:
    state = MembersState
    return section(
        "Members",
        search_input("Search members", "Email or name", state),
        match_count(state, "member", "members"),
        rx.el.ul(rx.foreach(state.items, _member), class_name="entries", aria_label="Members"),
        pager(state),
        id="members",
    )


def _member(one: Member) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.strong(
                rx.cond(one.name, one.name, one.email),
                rx.cond(one.is_self, rx.el.span(" You", class_name="tag")),
            ),
            rx.cond(one.name, rx.el.span(one.email)),
            rx.el.span(one.role_title, " · ", one.joined),
            class_name="entry",
        ),
        rx.cond(
            _organisation().is_admin & _organisation().allows_admin_reading & ~one.is_self,
            page_link(
                "Read chats…",
                which(one.email),
                to=f"{_reading()}?member={one.id}",
                class_name="small-button",
            ),
        ),
        rx.cond(one.can_change, _manage(one)),
        key=one.id,
        custom_attrs={"data-email": one.email},
    )


def _manage(one: Member) -> rx.Component:
    """What an admin can do to a member, behind a button."""
    return rx.el.details(
        rx.el.summary("Manage", which(one.email), class_name="small-button"),
        rx.el.div(
            _change_role(one), rx.cond(one.can_remove, _remove(one)), class_name="person-actions"
        ),
        class_name="disclosure revoke",
    )


def _change_role(one: Member) -> rx.Component:
    return account_form(
        labelled(
            rx.fragment("Role", which(one.email)),
            rx.el.select(*_roles(), name="role", class_name="field small", default_value=one.role),
        ),
        submit_button("Save role", which(one.email), class_name="small-button"),
        action=_route("members", one.id),
        method="PATCH",
        missing=_MEMBER_GONE,
        key=one.role,
        class_name="role-form",
        on_done=OrganisationPageState.load,
    )


def _remove(one: Member) -> rx.Component:
    return _confirmed(
        *("Remove", "Remove member", one.email),
        "They lose access at once; their running answers here stop. Their chats stay in the "
        "organisation and are there again if they return.",
        action=_route("members", one.id),
        method="DELETE",
        missing=_MEMBER_GONE,
    )


def _roles() -> list[rx.Component]:
    """The roles that the user may give."""

    def option(role: Role) -> rx.Component:
        return rx.el.option(ROLE_TITLES[role], value=role)

    is_owner = _organisation().is_owner
    return [option("member"), option("admin"), rx.cond(is_owner, option("owner"))]


def _invitations() -> rx.Component:
    state = OrganisationPageState
    items = rx.el.ul(
        rx.foreach(state.invitations, _invitation), class_name="entries", aria_label="Invitations"
    )
    empty = rx.el.p("No open invitations.", class_name="section-lead")
    return section(
        "Invitations",
        rx.cond(_organisation().is_admin, disclosure("Invite someone", _invite())),
        rx.cond(state.invitations.length() > 0, items, empty),
        id="invitations",
        lead=by_delivery(
            sent=f"An invitation is an email with a link. It works once, for {_DAYS} days.",
            in_log=_by_hand("No mail server is set up"),
            none=_by_hand("This server can't send email"),
        ),
    )


def _by_hand(why: str) -> str:
    return f"{why}: you get a link to hand over. It works once, for {_DAYS} days."


def _invite() -> rx.Component:
    return invitation_form(
        text_field(
            "Email",
            "email",
            id="invite-email",
            type="email",
            auto_complete="off",
            required=True,
            aria_describedby=_INVITE_PROBLEM,
        ),
        field(
            "Role",
            "invite-role",
            rx.el.select(*_roles(), id="invite-role", name="role", class_name="field"),
        ),
        submit_button("Invite"),
        **_link_texts(),
        action=_route("invitations"),
        problem_id=_INVITE_PROBLEM,
        on_done=OrganisationPageState.load,
    )


def _link_texts() -> dict[str, Any]:
    return {
        "lead": "Give it only to the person you invite: anyone who opens it and has an account "
        f"with this email can join. It works once, for {_DAYS} days. You won't see it again.",
        "done": "Invitation sent.",
    }


def _invitation(one: Invitation) -> rx.Component:
    actions = rx.el.div(
        invitation_form(
            submit_button(
                by_delivery(sent="Send again", in_log="New link", none="New link"),
                which(one.email),
                class_name="small-button",
            ),
            **_link_texts(),
            action=_route("invitations", one.id, "resend"),
            missing=_INVITATION_GONE,
            on_done=OrganisationPageState.load,
        ),
        _confirmed(
            *("Revoke", "Revoke invitation", one.email),
            "Its link stops working. You can invite them again.",
            action=_route("invitations", one.id),
            method="DELETE",
            missing=_INVITATION_GONE,
        ),
        class_name="person-actions",
    )
    return rx.el.li(
        rx.el.div(
            rx.el.strong(
                one.email, rx.cond(one.is_expired, rx.el.span(" Expired", class_name="tag"))
            ),
            rx.el.span(one.detail),
            class_name="entry",
        ),
        rx.cond(one.can_change, actions),
        key=one.id,
        custom_attrs={"data-email": one.email},
    )


def _leave() -> rx.Component:
    mine = _organisation()
    leave = _confirmed(
        *("Leave organisation", "Leave", mine.name),
        "You lose access to your chats here at once; running answers stop. The chats stay in "
        "the organisation and are there again if you return.",
        action=_route("leave"),
        missing="You don't belong to this organisation any more.",
        on_done=rx.redirect(PATH),
    )
    instead = rx.cond(
        OrganisationPageState.is_alone,
        "You are the only member. To leave, delete the organisation.",
        "You are the only owner. To leave, make another member an owner first, or delete the "
        "organisation.",
    )
    return section(
        "Leave",
        rx.cond(mine.is_only_owner, rx.el.p(instead, class_name="section-lead"), leave),
        id="leave",
    )


def _delete() -> rx.Component:
    mine = _organisation()
    alone = disclosure(
        "Delete organisation",
        account_form(
            labelled(
                rx.fragment("Type ", rx.el.strong(mine.name), " to confirm"),
                repeat_field(expected=mine.name, class_name="field", auto_complete="off"),
            ),
            submit_button("Delete for good", class_name="button danger-button"),
            action=_route(),
            method="DELETE",
            on_done=rx.redirect(PATH),
        ),
    )
    with_others = rx.el.p(
        "Remove the other members first; then you can delete it.", class_name="section-lead"
    )
    return section(
        "Delete",
        rx.cond(OrganisationPageState.is_alone, alone, with_others),
        id="delete",
        lead="Your own chats in it become personal. Chats that former members left are deleted.",
    )


def _confirmed(
    label: str, button: str, name: Any, consequence: str, *, on_done: Any = None, **form: Any
) -> rx.Component:
    """An action, which is done when it is confirmed."""
    act = account_form(
        submit_button(button, which(name), class_name="small-button danger"),
        on_done=on_done or OrganisationPageState.load,
        **form,
    )
    return confirmed(label, name, consequence, act)
