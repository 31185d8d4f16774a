"""The setup link: one admin, whoever is quick; and no user becomes one by signing up first."""

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlmodel import select

from chat_app.auth.account.roles import SiteRoles
from chat_app.auth.account.setup import SetupLinkInvalid, SetupLinks
from chat_app.auth.principal import Principal
from chat_app.auth.sign_in.identity import Browser, VerifiedIdentity
from chat_app.core.errors import NotFound
from chat_app.db.tables import OneTimeToken, User
from testing.audit_log import events_of
from testing.auth_services import FIREFOX, PASSWORD, AuthHarness, auth_harness
from testing.database import DatabaseUnderTest


def links(harness: AuthHarness) -> SetupLinks:
    return SetupLinks(harness.db, harness.bus, harness.tokens, harness.settings)


async def new_token(harness: AuthHarness) -> str:
    notice = await links(harness).notice()
    return urlsplit(notice.split()[-1]).fragment


async def person(harness: AuthHarness, number: int = 0) -> Principal:
    user_id = await harness.person(f"user-{number}@example.org")
    return Principal(user_id, (await harness.sign_in(user_id)).session_id)


async def admins(harness: AuthHarness) -> list[str]:
    async with harness.db.system("auth") as session:
        return list((await session.exec(select(User.email).where(User.role == "admin"))).all())


async def test_of_thirty_uses_at_once_one_makes_an_admin(harness: AuthHarness) -> None:
    token = await new_token(harness)
    people = [await person(harness, number) for number in range(30)]

    async def use(principal: Principal) -> bool:
        try:
            await links(harness).use(principal, token)
        except SetupLinkInvalid:
            return False
        return True

    async with asyncio.timeout(60):
        used = await asyncio.gather(*map(use, people))
    assert used.count(True) == 1
    assert await admins(harness) == [f"user-{used.index(True)}@example.org"]


async def test_thirty_sign_ups_at_once_by_three_methods_make_no_admin(
    database: DatabaseUnderTest,
) -> None:
    given: dict[str, Any] = {"sign_up": "open", "limit_sign_up_address": "1000/hour"}
    async with auth_harness(database, **given) as harness:
        await new_token(harness)
        browser = Browser("192.0.2.7", FIREFOX)

        async def sign_up(number: int) -> None:
            email = f"user-{number}@example.org"
            if number % 3 == 0:
                identity = await harness.accounts.sign_up(
                    email=email,
                    password=PASSWORD,
                    name="",
                    client_ip="192.0.2.7",
                    check=harness.sign_in_service.check,
                )
            elif number % 3 == 1:
                identity = VerifiedIdentity(
                    "email", "email", email, email=email, email_verified=True
                )
            else:
                identity = VerifiedIdentity(
                    "oauth", "https://id.example", str(number), email=email, email_verified=True
                )
            await harness.sign_in_service.sign_in(identity, browser)

        async with asyncio.timeout(60):
            await asyncio.gather(*map(sign_up, range(30)))
        async with harness.db.system("auth") as session:
            assert len((await session.exec(select(User.id))).all()) == 30
        assert await admins(harness) == []


async def test_a_start_without_an_admin_makes_a_new_link_and_the_older_ones_die(
    harness: AuthHarness,
) -> None:
    ada, first = await person(harness), await new_token(harness)
    second = await new_token(harness)
    async with harness.db.system("auth") as session:
        rows = (await session.exec(select(OneTimeToken))).all()
    assert [row.purpose for row in rows] == ["setup"]
    assert second not in repr(rows)  # a hash is stored
    for token in (first, "", "x" * 300):
        with pytest.raises(SetupLinkInvalid):
            await links(harness).use(ada, token)
    await links(harness).use(ada, second)
    assert await links(harness).notice() == ""
    used, changed = (await events_of(harness.db))[-2:]
    assert (used.action, changed.action) == ("setup_link_used", "role_changed")
    assert used.actor == used.subject == changed.subject


async def test_a_link_is_over_after_an_hour(harness: AuthHarness) -> None:
    ada, token = await person(harness), await new_token(harness)
    harness.time.now += timedelta(hours=1)
    with pytest.raises(SetupLinkInvalid):
        await links(harness).use(ada, token)
    assert await admins(harness) == []


async def test_a_link_is_over_once_the_command_line_has_made_an_admin(
    harness: AuthHarness,
) -> None:
    ada, token = await person(harness), await new_token(harness)
    bob = await person(harness, 1)
    await SiteRoles(harness.db, harness.bus).promote(bob.user_id)
    with pytest.raises(SetupLinkInvalid):
        await links(harness).use(ada, token)
    assert await admins(harness) == ["user-1@example.org"]


async def test_a_public_installation_has_no_link(database: DatabaseUnderTest) -> None:
    async with auth_harness(database, app_url="https://chat.example") as harness:
        notice = await links(harness).notice()
        assert "chat-app user promote EMAIL" in notice
        assert "http" not in notice
        async with harness.db.system("auth") as session:
            assert (await session.exec(select(OneTimeToken))).all() == []
        ada = await person(harness)
        token = await harness.tokens.create("setup", lifetime=timedelta(hours=1))
        with pytest.raises(NotFound):
            await links(harness).use(ada, token)
        assert await admins(harness) == []
