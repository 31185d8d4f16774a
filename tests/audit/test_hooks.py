"""What writes into the audit log: every change of an account, and never what was typed."""

from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID

import httpx
import pytest
from pyotp.totp import TOTP

from chat_app.api.routes import http_app
from chat_app.audit.append import DELETED_USER
from chat_app.auth.account.delete import delete_account
from chat_app.auth.errors import InvalidCredentials
from chat_app.auth.principal import Principal
from chat_app.auth.sign_in.identity import VerifiedIdentity
from chat_app.db.tables import AuditEvent
from chat_app.gateway import Gateway
from chat_app.services import services
from chat_app.threads.export import export
from testing.audit_log import events_of, identity_of
from testing.auth_api import JSON
from testing.auth_services import issue_session
from testing.database import DatabaseUnderTest
from testing.reflex_tabs import Harness, open_harness

EMAIL, NAME, PASSWORD = "canary-ada@example.com", "Canary Ada", "canary battery horse staple"
NEW_PASSWORD, KEY_NAME = "another canary horse staple", "Canary key"
SUBJECT, CLAIM = "canary-subject", "canary-claim"
CANARY = "canary"


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[Harness]:
    async with open_harness(
        database.folder, **database.settings, limit_sign_in_pair="3/minute"
    ) as one:
        yield one


@pytest.fixture
async def browser(harness: Harness) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(
        Gateway(http_app(), services=services), client=("192.0.2.77", 5)
    )
    home = harness.live.settings.url
    async with httpx.AsyncClient(
        transport=transport, base_url=home, headers={"Origin": home, **JSON}
    ) as one:
        yield one


def _found(events: list[AuditEvent]) -> list[tuple[str, str]]:
    return [(one.action, one.details) for one in events]


async def test_every_change_of_an_account_is_a_row_without_content(harness: Harness) -> None:
    live = harness.live
    user_id = await live.accounts.add(EMAIL, PASSWORD, NAME)
    issued = await issue_session(
        live, user_id, client_ip="192.0.2.7", user_agent=CANARY, claims={"sub": CLAIM}
    )
    ada = Principal(user_id, issued.session_id)
    identity = VerifiedIdentity(
        "oauth", "https://id.example", SUBJECT, email=EMAIL, name=NAME, provider="github"
    )
    await live.linked_accounts.link(ada, identity)
    (account,) = await live.linked_accounts.list(ada)
    await live.linked_accounts.unlink(ada, account.id)
    secret = await live.two_factor.begin(ada)
    await live.two_factor.confirm(ada, TOTP(secret).now())
    await live.two_factor.renew_codes(ada)
    await live.two_factor.turn_off(ada)
    await live.password_changes.set(ada, NEW_PASSWORD, "192.0.2.7")
    key = await live.api_keys.create(ada, name=KEY_NAME, scopes=["chat"], days=7)
    await live.api_keys.revoke(ada, key.id)
    (await export(live.db, ada)).close()
    await live.administration.set_password(user_id, PASSWORD)
    await live.site_roles.promote(user_id)
    await live.site_roles.demote(user_id)
    await live.user_access.disable(user_id)
    await live.user_access.enable(user_id)
    again = await harness.session(user_id)
    await live.sessions.revoke(again, again.credential_id)
    last = await harness.session(user_id)
    identity_of_ada = await identity_of(live.db, user_id)
    await delete_account(live.db, live.sessions, last, EMAIL)

    events = await events_of(live.db)
    found = [(one.action, one.actor.replace(identity_of_ada, "ada")) for one in events]
    assert found == [
        ("user_created", "command line"),
        ("sign_in", "ada"),
        ("login_method_added", "ada"),
        ("login_method_removed", "ada"),
        ("second_factor_on", "ada"),
        ("backup_codes_renewed", "ada"),
        ("second_factor_off", "ada"),
        ("password_changed", "ada"),
        ("api_key_created", "ada"),
        ("api_key_ended", "ada"),
        ("account_exported", "ada"),
        ("chats_exported", "ada"),
        ("session_ended", "system"),
        ("password_reset", "command line"),
        ("user_unlocked", "command line"),
        ("role_changed", "command line"),
        ("role_changed", "command line"),
        ("user_disabled", "command line"),
        ("user_enabled", "command line"),
        ("sign_in", "ada"),
        ("session_ended", "ada"),
        ("sign_in", "ada"),
        ("session_ended", "system"),
        ("user_deleted", "ada"),
    ]
    assert {(one.subject_kind, one.subject) for one in events} == {("user", identity_of_ada)}
    stored = " ".join(repr(one) for one in events).lower()
    for content in (
        CANARY,
        EMAIL,
        NAME,
        "battery",
        secret,
        issued.token,
        str(user_id),
        user_id.hex,
    ):
        assert content.lower() not in stored
    assert events[1].network == "192.0.2.0/24"
    with pytest.raises(Exception, match=r"(?i)not found"):
        await identity_of(live.db, user_id)


async def test_a_failed_sign_in_is_counted_and_a_successful_one_says_from_where(
    harness: Harness, browser: httpx.AsyncClient
) -> None:
    live = harness.live
    user_id = await live.accounts.add(EMAIL, PASSWORD, NAME)
    path = "/api/auth/callback/credentials"
    for typed in ("canary-typed", "canary-typed", PASSWORD):
        response = await browser.post(path, data={"email": EMAIL, "password": typed})
    assert response.status_code == 200
    await live.sealer.finish()
    events = {one.action: one for one in await events_of(live.db)}
    failures = [one for one in await events_of(live.db) if one.action == "sign_in_failed"]
    assert [(one.actor, one.details) for one in failures] == [
        ("anonymous", '{"count":1,"error":"CredentialsSignin"}'),
        ("anonymous", '{"count":1,"error":"CredentialsSignin"}'),
    ]
    assert {one.network for one in failures} == {"192.0.2.0/24"}
    signed_in = events["sign_in"]
    assert signed_in.actor == await identity_of(live.db, user_id)
    assert signed_in.network == "192.0.2.0/24"
    assert signed_in.request_id == response.headers["x-request-id"]
    stored = " ".join(repr(one) for one in events.values())
    assert CANARY not in stored


async def test_an_attacker_adds_few_rows(harness: Harness, browser: httpx.AsyncClient) -> None:
    for _ in range(40):
        await browser.post("/api/auth/callback/credentials", data={"email": EMAIL, "password": "x"})
    await harness.live.sealer.finish()
    found = _found(await events_of(harness.live.db))
    assert len(found) == 4, "the first and the others, of two kinds"
    assert {action for action, _ in found} == {"sign_in_failed", "locked_out"}


async def test_a_failed_change_leaves_no_row(harness: Harness) -> None:
    live = harness.live
    ada = await harness.user(EMAIL)
    before = len(await events_of(live.db))
    with suppress(InvalidCredentials):
        await live.accounts.sign_in(email=EMAIL, password="wrong", client_ip="192.0.2.7")
    with pytest.raises(Exception, match=r"only|last"):
        await live.password_changes.remove(ada)
    assert len(await events_of(live.db)) == before


async def test_rows_of_a_deleted_account_name_no_user_of_the_same_email(harness: Harness) -> None:
    live = harness.live
    ids: list[UUID] = []
    for _ in range(2):
        ada = await harness.user(EMAIL)
        ids.append(UUID(await identity_of(live.db, ada.user_id)))
        await live.administration.delete(ada.user_id)
    assert len(set(ids)) == 2
    assert DELETED_USER not in {one.subject for one in await events_of(live.db)}
