"""The pages of the administration: the list of them all."""

from chat_app.pages.admin.audit import audit_log
from chat_app.pages.admin.models import models
from chat_app.pages.admin.overview import overview
from chat_app.pages.admin.people import people
from chat_app.pages.settings.layout import Menu, MenuPage
from chat_app.states.admin.audit import AuditState
from chat_app.states.admin.models import ModelHealthState
from chat_app.states.admin.overview import OverviewState
from chat_app.states.admin.people import PeopleState

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
        "/admin/models",
        "Models",
        models,
        loads=(ModelHealthState.load,),
        picture="chat",
        about="How providers answer",
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
