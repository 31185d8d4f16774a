"""Whether a user has an account shows neither in the answer nor in the work."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from chat_app.db.tables import Account
from testing.database import DatabaseUnderTest
from testing.email_flows import ADA, BOB, HERE, EmailHarness, email_harness
from testing.mail_server import flush

Ask = Callable[[EmailHarness, str], Awaitable[Any]]
SETTINGS: list[dict[str, Any]] = [
    {},
    {"sign_up": "closed"},
    {"auth_unverified_accounts": "refuse"},
    {"auth_allowed_domains": "example.org", "sign_up": "closed"},
]


async def link(harness: EmailHarness, email: str) -> None:
    await harness.auth.magic_links.send(email, HERE)


async def reset(harness: EmailHarness, email: str) -> None:
    await harness.auth.password_changes.send_reset(email, HERE)


async def sign_up(harness: EmailHarness, email: str) -> None:
    await harness.auth.email_sign_ups.begin(
        email=email, password="another-Lemon-44-chair", name="", client_ip=HERE
    )


async def change(harness: EmailHarness, email: str) -> None:
    eve = await harness.auth.person("eve@evil.example")
    await harness.auth.email_changes.send_change(await harness.principal(eve), email, HERE)


async def work_of(harness: EmailHarness, ask: Ask, email: str) -> dict[str, Any]:
    """What one request makes the program do."""
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement.split()[0])

    before, hasher = await harness.counts(), harness.auth.hasher
    hashed, verified = hasher.hashed, hasher.verified
    event.listen(Engine, "before_cursor_execute", note)
    try:
        raised = await outcome(ask(harness, email))
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    after = await harness.counts()
    return {
        "raised": raised,
        "rows": [one - other for one, other in zip(after[3:], before[3:], strict=True)],
        "hashed": (hasher.hashed - hashed, hasher.verified - verified),
        "writes": [one for one in statements if one not in ("SELECT", "PRAGMA")],
        "reads": statements.count("SELECT"),
    }


async def outcome(asking: Awaitable[Any]) -> str:
    try:
        await asking
    except Exception as error:
        return repr(error)
    return "nothing"


KINDS = ("nobody", "somebody", "somebody by email", "unproved", "disabled")


async def there_is(harness: EmailHarness, kind: str) -> None:
    """Put a user of a kind behind the address."""
    if kind == "nobody":
        return
    user_id = await harness.person(ADA, is_verified=kind != "unproved")
    if kind == "disabled":
        await harness.auth.disable(user_id)
    if kind == "somebody by email":
        async with harness.auth.db.system("auth", write=True) as session:
            session.add(Account(user_id=user_id, issuer="email", subject=ADA))


@pytest.mark.parametrize("given", SETTINGS)
@pytest.mark.parametrize("ask", [link, reset, sign_up, change])
async def test_the_same_work_is_done_for_every_user(
    database: DatabaseUnderTest, ask: Ask, given: dict[str, Any]
) -> None:
    seen: list[dict[str, Any]] = []
    for kind in KINDS:
        async with email_harness(database.emptied(), **given) as harness:
            await there_is(harness, kind)
            seen.append(await work_of(harness, ask, ADA))
    assert seen[1:] == seen[:1] * (len(KINDS) - 1)
    assert seen[0]["raised"] != "nothing" or seen[0]["rows"] == [1, 1]


async def test_the_letter_alone_tells_them_apart(harness: EmailHarness) -> None:
    await harness.person()
    for email in (ADA, BOB):
        await reset(harness, email)
    await flush(harness.auth.mailer)
    known, unknown = harness.mailbox.emails
    assert (known["To"], unknown["To"]) == (ADA, BOB)
    assert known["Subject"] != unknown["Subject"]
