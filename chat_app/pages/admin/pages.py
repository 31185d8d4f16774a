"""The pages of the administration: the list of them all."""

from chat_app.pages.admin.announcements import announcement_list
from chat_app.pages.admin.audit import audit_log
from chat_app.pages.admin.models import models
from chat_app.pages.admin.organisations import organisations
from chat_app.pages.admin.overview import overview
from chat_app.pages.admin.people import people
from chat_app.pages.admin.sign_up import sign_up
from chat_app.pages.admin.usage import usage
from chat_app.pages.settings.layout import Menu, MenuPage
from chat_app.states.admin.announcements import AnnouncementListState
from chat_app.states.admin.audit import AuditState
from chat_app.states.admin.models import ModelHealthState, ModelRulesState
from chat_app.states.admin.organisations import AdminOrganisationsState
from chat_app.states.admin.overview import OverviewState
from chat_app.states.admin.people import PeopleState
from chat_app.states.admin.sign_up import SignUpPolicyState
from chat_app.states.admin.usage import AdminUsageState

PAGES = (
    MenuPage(
        "/admin/overview",
        "Overview",
        overview,
        loads=(OverviewState.load,),
        picture="admin",
        about="The installation at a glance",
    ),
    MenuPage(
        "/admin/people",
        "People",
        people,
        loads=(PeopleState.load,),
        picture="people",
        about="Users and their roles",
    ),
    MenuPage(
        "/admin/sign-up",
        "Sign-up",
        sign_up,
        loads=(SignUpPolicyState.load,),
        picture="account",
        about="Who can create an account",
    ),
    MenuPage(
        "/admin/announcements",
        "Announcements",
        announcement_list,
        loads=(AnnouncementListState.load,),
        picture="write",
        about="What all users are told",
    ),
    MenuPage(
        "/admin/organisations",
        "Organisations",
        organisations,
        loads=(AdminOrganisationsState.load,),
        picture="organisation",
        about="Who belongs together",
    ),
    MenuPage(
        "/admin/models",
        "Models",
        models,
        loads=(ModelRulesState.load, ModelHealthState.load),
        picture="chat",
        about="Who may use which, and how they answer",
    ),
    MenuPage(
        "/admin/usage",
        "Usage",
        usage,
        loads=(AdminUsageState.load,),
        picture="usage",
        about="Calls of models and their tokens",
    ),
    MenuPage(
        "/admin/audit",
        "Audit log",
        audit_log,
        loads=(AuditState.load,),
        picture="plan",
        about="What was done, and by whom",
    ),
)
"""All of them, in the order of the menu. A new page is a function that makes its sections, and an
entry here. Its state is an `AdminState`; each of its handlers needs a row in `states/policy.py`."""

MENU = Menu("Administration", "/admin", PAGES)
