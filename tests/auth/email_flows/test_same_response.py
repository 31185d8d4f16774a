"""Whether somebody has an account shows neither in the answer nor in the work."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from chat_app.db.tables import Account
from testing.email_flows import ADA, BOB, HERE, Office, opened
from testing.mail_server import flush

Ask = Callable[[Office, str], Awaitable[Any]]
SETTINGS: list[dict[str, Any]] = [
    {},
    {"sign_up": "closed"},
    {"auth_unverified_accounts": "refuse"},
    {"auth_allowed_domains": "example.org", "sign_up": "closed"},
]


async def link(office: Office, email: str) -> None:
    await office.stage.magic_links.send(email, HERE)


async def reset(office: Office, email: str) -> None:
    await office.stage.password_changes.send_reset(email, HERE)


async def sign_up(office: Office, email: str) -> None:
    await office.stage.email_sign_ups.begin(
        email=email, password="another-Lemon-44-chair", name="", client_ip=HERE
    )


async def change(office: Office, email: str) -> None:
    eve = await office.stage.person("eve@evil.example")
    await office.stage.email_changes.send_change(await office.principal(eve), email, HERE)


async def work_of(office: Office, ask: Ask, email: str) -> dict[str, Any]:
    """What one request makes the program do."""
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement.split()[0])

    before, hasher = await office.counts(), office.stage.hasher
    hashed, verified = hasher.hashed, hasher.verified
    event.listen(Engine, "before_cursor_execute", note)
    try:
        raised = await outcome(ask(office, email))
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    after = await office.counts()
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


KINDS = ("nobody", "somebody", "somebody by letter", "unproved", "disabled")


async def there_is(office: Office, kind: str) -> None:
    """Put somebody of a kind behind the address."""
    if kind == "nobody":
        return
    user_id = await office.person(ADA, is_verified=kind != "unproved")
    if kind == "disabled":
        await office.stage.disable(user_id)
    if kind == "somebody by letter":
        async with office.stage.db.system("auth", write=True) as session:
            session.add(Account(user_id=user_id, issuer="email", subject=ADA))


@pytest.mark.parametrize("given", SETTINGS)
@pytest.mark.parametrize("ask", [link, reset, sign_up, change])
async def test_the_same_work_is_done_for_everybody(
    tmp_path: Path, ask: Ask, given: dict[str, Any]
) -> None:
    seen: list[dict[str, Any]] = []
    for number, kind in enumerate(KINDS):
        async with opened(tmp_path / str(number), **given) as office:
            await there_is(office, kind)
            seen.append(await work_of(office, ask, ADA))
    assert seen[1:] == seen[:1] * (len(KINDS) - 1)
    assert seen[0]["raised"] != "nothing" or seen[0]["rows"] == [1, 1]


async def test_the_letter_alone_tells_them_apart(office: Office) -> None:
    await office.person()
    for email in (ADA, BOB):
        await reset(office, email)
    await flush(office.stage.mailer)
    known, unknown = office.mailbox.letters
    assert (known["To"], unknown["To"]) == (ADA, BOB)
    assert known["Subject"] != unknown["Subject"]
