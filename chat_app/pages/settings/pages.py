"""The settings pages: the list of them all."""

from chat_app.pages.settings.account import account, account_data
from chat_app.pages.settings.api_keys import api_keys
from chat_app.pages.settings.chat import chat
from chat_app.pages.settings.confirm import confirm
from chat_app.pages.settings.layout import Menu, MenuPage
from chat_app.pages.settings.security import security
from chat_app.states import account as states
from chat_app.states.chat_defaults import ChatDefaultsState

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
    MenuPage("/settings/data", "Data", account_data, picture="data", about="Export and deletion"),
    MenuPage("/settings/confirm", "Confirm it's you", confirm, loads=(states.ConfirmState.load,)),
)
"""All of them, in the order of the menu. A new page is a function that makes its sections, and an
entry here; each of its `loads` needs a row in `states/policy.py`."""

MENU = Menu("Settings", "/settings", PAGES)
