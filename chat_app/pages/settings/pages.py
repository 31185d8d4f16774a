"""The settings pages: the list of them all."""

from chat_app.pages.settings.account import account, account_data
from chat_app.pages.settings.api_keys import api_keys
from chat_app.pages.settings.chat import chat
from chat_app.pages.settings.confirm import confirm
from chat_app.pages.settings.layout import Menu, MenuPage
from chat_app.pages.settings.organisation import heading, organisation, organisation_audit
from chat_app.pages.settings.organisations import PATH as ORGANISATIONS
from chat_app.pages.settings.organisations import organisations
from chat_app.pages.settings.security import security
from chat_app.pages.settings.usage import usage
from chat_app.states import account as states
from chat_app.states.chat_defaults import ChatDefaultsState
from chat_app.states.organisation_pages.page import (
    OrganisationAuditState,
    OrganisationListState,
    OrganisationPageState,
)
from chat_app.states.readers import PastReadingsState
from chat_app.states.usage import OwnUsageState

PAGES = (
    MenuPage(
        "/settings/account", "Account", account, picture="account", about="Picture, name and email"
    ),
    MenuPage(
        "/settings/security",
        "Security",
        security,
        loads=(
            states.PasswordState.load,
            states.TwoFactorState.load,
            states.PasskeysState.load,
            states.LinkedAccountsState.load,
            states.SessionsState.load,
        ),
        picture="security",
        about="Password, passkeys, two-factor and sessions",
    ),
    MenuPage(
        "/settings/chat",
        "Chat",
        chat,
        loads=(ChatDefaultsState.load,),
        picture="chat",
        about="Appearance, model and instructions",
    ),
    MenuPage(
        "/settings/api-keys",
        "API keys",
        api_keys,
        loads=(states.ApiKeysState.load,),
        picture="api_keys",
        about="Access for your programs",
    ),
    MenuPage(
        ORGANISATIONS,
        "Organisations",
        organisations,
        loads=(OrganisationListState.load,),
        picture="organisation",
        about="Groups, members and invitations",
    ),
    MenuPage(
        f"{ORGANISATIONS}/[org_id]",
        "Organisation",
        organisation,
        loads=(OrganisationPageState.load, OrganisationPageState.watch),
        parent=ORGANISATIONS,
        heading=heading,
    ),
    MenuPage(
        f"{ORGANISATIONS}/[org_id]/audit",
        "Audit log",
        organisation_audit,
        loads=(OrganisationPageState.load, OrganisationAuditState.load),
        parent=ORGANISATIONS,
    ),
    MenuPage(
        "/settings/usage",
        "Usage",
        usage,
        loads=(OwnUsageState.load,),
        picture="usage",
        about="Calls of models and their tokens",
    ),
    MenuPage(
        "/settings/data",
        "Data",
        account_data,
        loads=(PastReadingsState.load,),
        picture="data",
        about="Export, who read your chats, and deletion",
    ),
    MenuPage("/settings/confirm", "Confirm it's you", confirm, loads=(states.ConfirmState.load,)),
)
"""All of them, in the order of the menu. A new page is a function that makes its sections, and an
entry here; each of its `loads` needs a row in `states/policy.py`."""

MENU = Menu("Settings", "/settings", PAGES)
