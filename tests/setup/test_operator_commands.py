"""What an operator types: users, emails, identity providers, backups; beside a running server."""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from pyotp.totp import TOTP

from chat_app.auth.errors import InvalidCredentials, TooManyAttempts
from chat_app.auth.principal import Principal
from chat_app.auth.sessions.models import IssuedSession
from chat_app.core.control import control_socket
from chat_app.core.signals import CREDENTIALS, Signal, user_topic
from chat_app.db.data_folder import lock_data_folder
from chat_app.db.tables import Totp, User
from chat_app.services import Services
from chat_app.settings import Settings, read_settings
from testing.auth_services import issue_session
from testing.command_line import Said, run_command, words
from testing.mail_server import Mailbox, listening
from testing.oidc_app import CLIENT, SECRET
from testing.oidc_provider import run_oidc
from testing.program import free_port

ADA, BOB = "ada@example.org", "bob@example.org"
PASSWORD = "four correct battery horses"
NEW = "violet kettle harbour thirty eight"
UNHEARD = "The server did not hear this at once; it follows within 15 seconds."
NO_ADMIN = (
    "There is no admin now. To make a user one: chat-app user promote EMAIL\n"
    "Or restart the server, and open the link that it prints."
)
USER_COMMANDS = (
    *("delete", "password", "verify", "reset-2fa", "unlock", "disable", "enable"),
    *("promote", "demote"),
)


@pytest.fixture
def database(tmp_path: Path, migrated: Path) -> Path:
    path = tmp_path / "data" / "chat.db"
    path.parent.mkdir()
    shutil.copyfile(migrated, path)
    return path


@pytest.fixture
async def server(tmp_path: Path, database: Path) -> AsyncIterator[Services]:
    """The services of a server that owns the data folder and listens on its control socket."""
    config = read_settings(_env_file=None, data_dir=database.parent, embedded_model=False)
    with lock_data_folder(config.data_dir):
        live = Services(config)
        async with control_socket(live.outbox.read, config.data_dir):
            yield live
        await live.stop()


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with listening() as one:
        yield one


def _execute(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database)) as file, file:
        for statement in statements:
            file.execute(statement)


def _add(email: str) -> str:
    return (
        'INSERT INTO "user" (id, email, name, created_at, session_epoch) VALUES'
        f" ('{uuid4().hex}', '{email}', 'Ada\x1b[31m', '2026-01-02 00:00:00.000000', 0)"
    )


async def test_what_the_operator_does_is_heard_by_the_running_server_at_once(
    server: Services, tmp_path: Path
) -> None:
    ended: list[Signal] = []
    server.bus.subscribe_callback(CREDENTIALS, ended.append)
    ada = await server.accounts.add(ADA, PASSWORD, "Ada")

    async def signed_in() -> IssuedSession:
        return await issue_session(server, ada, client_ip="")

    async def sign_in(password: str) -> None:
        await server.accounts.sign_in(email=ADA, password=password, client_ip="192.0.2.7")

    async def user(*arguments: str, stdin: str = "") -> Said:
        run = partial(run_command, "user", *arguments, folder=tmp_path, stdin=stdin)
        return await asyncio.to_thread(run)

    session = await signed_in()
    assert await user("disable", ADA) == Said(0, f"{ADA} is disabled; 1 session ended.\n")
    assert [(one.credential_id, one.reason) for one in ended] == [(session.session_id, "disabled")]
    assert await user("enable", ADA) == Said(0, f"{ADA} can sign in again.\n")

    for _ in range(5):
        with suppress(InvalidCredentials):
            await sign_in("wrong")
    with pytest.raises(TooManyAttempts):
        await sign_in(PASSWORD)
    assert await user("unlock", ADA) == Said(0, f"{ADA} is unlocked.\n")
    await sign_in(PASSWORD)

    session = await signed_in()
    changed = await user("password", ADA, "--password-stdin", stdin=f"{NEW}\n")
    assert changed == Said(0, f"{ADA} has a new password; 1 session ended.\n")
    assert ended[-1].credential_id == session.session_id
    await sign_in(NEW)

    heard: list[Signal] = []
    server.bus.subscribe_callback(user_topic(ada), heard.append)
    seeded = await asyncio.to_thread(
        partial(run_command, "seed", ADA, "--threads", "2", "--messages", "2", folder=tmp_path)
    )
    assert (seeded.code, seeded.err) == (0, "")
    assert heard == [Signal("threads")]

    for command in (("restore", "x.db"), ("move", "--to", "postgresql:///chat"), ("migrate",)):
        refused = await asyncio.to_thread(run_command, *command, folder=tmp_path)
        assert refused.code == 1
        assert refused.err.endswith(
            f"is using the data folder {tmp_path / 'data'}; stop it first.\n"
        )

    session = await signed_in()
    unasked = await user("delete", ADA)
    assert unasked.code == 2
    assert "In a script, say with --yes that you mean it." in words(unasked)
    assert await user("delete", ADA, "--yes") == Said(0, f"{ADA} is deleted.\n")
    assert (ended[-1].credential_id, ended[-1].reason) == (session.session_id, "removed")


async def test_an_email_that_is_verified_and_a_second_factor_that_is_reset_are_heard_at_once(
    server: Services, tmp_path: Path
) -> None:
    ada = await server.accounts.add(ADA, PASSWORD, "Ada")
    issued = await issue_session(server, ada, client_ip="")
    who = Principal(ada, issued.session_id)
    secret = await server.two_factor.begin(who)
    await server.two_factor.confirm(who, TOTP(secret).now())
    await asyncio.to_thread(
        _execute, tmp_path / "data" / "chat.db", 'UPDATE "user" SET email_verified_at = NULL'
    )
    heard: list[Signal] = []
    server.bus.subscribe_callback(user_topic(ada), heard.append)

    for command, said in (
        ("verify", f"{ADA} is verified.\n"),
        ("reset-2fa", f"{ADA} can sign in without a second factor.\n"),
    ):
        run = partial(run_command, "user", command, ADA, folder=tmp_path)
        assert await asyncio.to_thread(run) == Said(0, said)
        assert [one.kind for one in heard] == ["user"], command
        heard.clear()
    async with server.db.system("auth") as session:
        user = await session.require(User, ada)
        assert user.email_verified_at is not None
        assert await session.get(Totp, ada) is None


async def test_a_role_that_the_operator_gives_and_takes_counts_at_once(
    server: Services, tmp_path: Path
) -> None:
    ada = await server.accounts.add(ADA, PASSWORD, "Ada")
    issued = await issue_session(server, ada, client_ip="")

    async def role() -> str:
        principal = await server.sessions.principal(issued.session_id)
        assert principal is not None
        return principal.site_role

    assert await role() == ""
    for command, said, now in (
        ("promote --verify", f"{ADA} is an admin.", "admin"),
        ("promote", f"{ADA} was an admin already.", "admin"),
        ("demote --yes", f"{ADA} is no longer an admin.\n{NO_ADMIN}", ""),
        ("demote", f"{ADA} is not an admin.", ""),
        ("promote", f"{ADA} is an admin.", "admin"),
    ):
        run = partial(run_command, "user", *command.split(), ADA, folder=tmp_path)
        assert await asyncio.to_thread(run) == Said(0, f"{said}\n")
        assert await role() == now, command
    for command in ("demote", "disable"):
        run = partial(run_command, "user", command, ADA, folder=tmp_path)
        unasked = await asyncio.to_thread(run)
        assert unasked.code == 2
        assert f"{ADA} is the only admin." in words(unasked)
        assert "In a script, say with --yes that you mean it." in words(unasked)
        assert await role() == "admin"


def test_the_last_admin_is_disabled_or_deleted_after_a_question(
    database: Path, tmp_path: Path
) -> None:
    user = partial(run_command, "user", folder=tmp_path)
    _execute(database, _add(ADA), _add(BOB))
    user("promote", ADA, "--verify")
    user("promote", BOB, "--verify")
    assert user("disable", ADA) == Said(0, f"{ADA} is disabled; 0 sessions ended.\n")
    for command, typed in (("disable", "n\n"), ("delete", "y\nn\n")):
        kept = user(command, BOB, typed=typed)
        assert (kept.code, f"{BOB} is the only admin." in kept.out) == (1, True)
    assert user("disable", BOB, "--yes").out == (
        f"{BOB} is disabled; 0 sessions ended.\n{NO_ADMIN}\n"
    )
    disabled = f"The account is disabled. To let them sign in: chat-app user enable {BOB}"
    assert user("promote", BOB).out == f"{BOB} was an admin already.\n{disabled}\n"
    user("enable", BOB)
    deleted = user("delete", BOB, typed="y\ny\n")
    assert deleted.code == 0
    assert deleted.out.endswith(f"{BOB} is deleted.\n{NO_ADMIN}\n")
    assert user("delete", ADA, "--yes") == Said(0, f"{ADA} is deleted.\n")


def test_a_server_that_does_not_listen_is_said(database: Path, tmp_path: Path) -> None:
    _execute(database, _add(ADA))
    with lock_data_folder(database.parent):
        disabled = run_command("user", "disable", ADA, folder=tmp_path)
        unlocked = run_command("user", "unlock", ADA, folder=tmp_path)
        changed = run_command(
            "user", "password", ADA, "--password-stdin", folder=tmp_path, stdin=f"{NEW}\n"
        )
        assert run_command("user", "list", folder=tmp_path).err == ""
    assert disabled == Said(0, f"{ADA} is disabled; 0 sessions ended.\n", f"{UNHEARD}\n")
    assert unlocked == Said(0, f"{ADA} is unlocked.\n", f"{UNHEARD}\n")
    assert changed.err == f"{UNHEARD}\n"


@pytest.fixture
def on_database_server(database: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Settings of a database server, whose place the file takes; the data folder is another."""
    monkeypatch.setattr(Settings, "sqlalchemy_url", f"sqlite+aiosqlite:///{database}")
    url = "postgresql://ada:hunter2@127.0.0.1/chat"
    return {"DATABASE_URL": url, "DATA_DIR": str(database.parent.parent / "other")}


def test_a_server_with_another_data_folder_may_not_hear(
    database: Path, tmp_path: Path, on_database_server: dict[str, str]
) -> None:
    user = partial(run_command, "user", folder=tmp_path, given=on_database_server)
    assert user("list") == Said(0, "There are no users yet.\n")
    _execute(database, _add(ADA))
    assert user("disable", ADA).err == f"{UNHEARD}\n"
    assert user("unlock", ADA).err == f"{UNHEARD}\n"


def test_a_database_that_servers_may_share_is_migrated_only_on_demand(
    database: Path, tmp_path: Path, on_database_server: dict[str, str]
) -> None:
    _execute(database, "UPDATE alembic_version SET version_num = '0001'")
    done = run_command("user", "list", folder=tmp_path, given=on_database_server)
    assert done.code == 1
    assert done.err.endswith("run: chat-app migrate\n")


def test_users_are_listed_and_verified_and_asked_about(database: Path, tmp_path: Path) -> None:
    user = partial(run_command, "user", folder=tmp_path)
    assert user("list").out == "There are no users yet.\n"
    _execute(database, _add(ADA), _add(BOB))
    assert user("verify", BOB).out == f"{BOB} is verified.\n"
    assert user("verify", BOB).out == f"{BOB} was verified already.\n"
    assert user("reset-2fa", BOB).out == f"{BOB} has no second factor.\n"
    assert user("delete", BOB, typed="n\n").code == 1
    assert user("promote", BOB).out == f"{BOB} is an admin.\n"
    unverified = "The email is not verified: make sure that the account is theirs."
    assert user("promote", ADA).out == f"{ADA} is an admin.\n{unverified}\n"
    assert user("demote", ADA) == Said(0, f"{ADA} is no longer an admin.\n")
    kept = user("demote", BOB, typed="n\n")
    assert (kept.code, f"{BOB} is the only admin." in kept.out) == (1, True)
    mail = {"SMTP_URL": "smtp://127.0.0.1:1", "MAIL_FROM": "chat@example.org"}
    refused = partial(run_command, "user", "promote", ADA, folder=tmp_path, given=mail)()
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.endswith("add --verify.\n")
    assert user("list").out.splitlines() == [
        "EMAIL            NAME      CREATED     LAST SEEN  STATE",
        "ada@example.org  Ada [31m  2026-01-02             unverified",
        "bob@example.org  Ada [31m  2026-01-02             admin",
    ]


def test_every_command_names_an_email_that_no_user_has(database: Path, tmp_path: Path) -> None:
    more = {"password": ["--password-stdin"], "delete": ["--yes"]}
    said = {
        run_command("user", name, ADA, *more.get(name, ()), folder=tmp_path, stdin="x\n")
        for name in USER_COMMANDS
    }
    assert said == {Said(1, "", f"chat-app: No user has the email {ADA}.\n")}


@pytest.mark.parametrize(
    "command",
    [
        *(("user", "list"), ("user", "disable", ADA), ("seed", ADA, "--threads", "1"), ("usage",)),
        *(("audit", "head"), ("audit", "verify"), ("audit", "export")),
        *(("backup",), ("move", "--to", "postgresql:///chat")),
    ],
)
def test_a_database_that_is_not_there_is_not_made(tmp_path: Path, command: tuple[str, ...]) -> None:
    said = run_command(*command, folder=tmp_path)
    where = tmp_path / "data" / "chat.db"
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(f"chat-app: There is no database at {where}.")
    assert not where.parent.exists()


@pytest.mark.parametrize("command", [("user", "list"), ("backup",)])
def test_an_empty_file_is_no_database(tmp_path: Path, command: tuple[str, ...]) -> None:
    file = tmp_path / "data" / "chat.db"
    file.parent.mkdir()
    file.touch()
    words = "is empty. Restore a backup, or start the server for a new database."
    said = run_command(*command, folder=tmp_path)
    assert said == Said(1, "", f"chat-app: The file {file} {words}\n")
    assert list(file.parent.iterdir()) == [file]
    assert file.stat().st_size == 0


@pytest.mark.parametrize("command", [("user", "list"), ("backup",)])
def test_a_data_folder_without_permission_is_one_sentence(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    stat = Path.stat

    def refuse(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path == database:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", refuse)
    message = f"DATA_DIR: {database.parent} cannot be used: Permission denied"
    said = run_command(*command, folder=tmp_path)
    assert said == Said(2, "", f"chat-app: Invalid setting. {message}\n")


@pytest.mark.parametrize("command", ["add", "password"])
def test_a_password_is_asked_for_on_a_terminal_only(
    database: Path, tmp_path: Path, command: str
) -> None:
    said = run_command("user", command, ADA, folder=tmp_path)
    assert (said.code, said.out) == (2, "")
    assert "In a script, give the password with --password-stdin." in said.err


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a person at a terminal was asked for; the answer is a good password."""
    questions: list[str] = []

    def answer(question: str, **_: object) -> str:
        questions.append(question)
        return NEW

    monkeypatch.setattr("typer.prompt", answer)
    return questions


def test_a_password_is_asked_for_only_where_the_email_fits(
    database: Path, tmp_path: Path, asked: list[str]
) -> None:
    user = partial(run_command, "user", folder=tmp_path, typed="\n")
    _execute(database, _add(ADA))
    invalid = "chat-app: Enter a valid email address, such as you@example.org.\n"
    for command, email, said in (
        ("add", "ada", invalid),
        ("add", ADA, f"chat-app: {ADA} has an account already.\n"),
        ("password", "ada", invalid),
        ("password", BOB, f"chat-app: No user has the email {BOB}.\n"),
    ):
        assert user(command, email) == Said(1, "", said)
    assert asked == []
    assert user("password", ADA) == Said(0, f"{ADA} has a new password; 0 sessions ended.\n")
    assert user("add", BOB) == Said(0, f"{BOB} can sign in now.\n")
    assert asked == ["Password", "Password"]


@pytest.mark.parametrize(
    ("email", "password", "said"),
    [
        ("ada", NEW, "Enter a valid email address, such as you@example.org."),
        (ADA, "short", "Use at least 10 characters for the password."),
    ],
)
def test_a_user_who_is_not_added_makes_no_database(
    tmp_path: Path, email: str, password: str, said: str
) -> None:
    add = partial(run_command, "user", "add", "--password-stdin", folder=tmp_path)
    assert add(email, stdin=f"{password}\n") == Said(1, "", f"chat-app: {said}\n")
    assert not (tmp_path / "data").exists()


def test_an_email_that_has_an_account_is_said_to_the_operator(
    database: Path, tmp_path: Path
) -> None:
    add = partial(run_command, "user", "add", ADA, "--password-stdin", folder=tmp_path)
    assert add(stdin=f"{NEW}\n").code == 0
    assert add(stdin=f"{NEW}\n") == Said(1, "", f"chat-app: {ADA} has an account already.\n")


def test_the_version_is_printed(tmp_path: Path) -> None:
    done = run_command("--version", folder=tmp_path)
    assert done.code == 0
    assert done.out.startswith("chat-app 0.")


async def test_a_test_email_is_sent_or_the_server_says_why_not(
    mailbox: Mailbox, tmp_path: Path
) -> None:
    url = {"SMTP_URL": f"smtp://127.0.0.1:{mailbox.port}", "MAIL_FROM": "chat@chat.example"}
    run = partial(run_command, "mail", "test", ADA, folder=tmp_path)
    sent = await asyncio.to_thread(run, given=url)
    assert sent == Said(0, f"The mail server accepted an email to {ADA}.\n")
    assert [one["Subject"] for one in mailbox.to(ADA)] == ["Test email from localhost:3000"]
    mailbox.answers += ["554 5.7.1 relaying denied"]
    words = "The email was not sent. SMTPDataError: 554 5.7.1 relaying denied"
    assert await asyncio.to_thread(run, given=url) == Said(1, "", f"chat-app: {words}\n")
    message = "No mail server is set up. Set SMTP_URL and MAIL_FROM."
    assert await asyncio.to_thread(run) == Said(1, "", f"chat-app: {message}\n")


def test_an_unknown_identity_provider_is_named_with_those_that_exist(tmp_path: Path) -> None:
    given = {"AUTH_GITHUB_ID": "x", "AUTH_GITHUB_SECRET": "y"}
    message = "No identity provider is named acme; configured: github."
    done = run_command("oidc", "test", "acme", folder=tmp_path, given=given)
    assert done == Said(1, "", f"chat-app: {message}\n")


def test_an_identity_provider_that_works_is_tried_step_by_step(tmp_path: Path) -> None:
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    callback = "http://localhost:3000/api/auth/callback/acme"
    given = {
        "AUTH_OIDC_ACME_ISSUER": issuer,
        "AUTH_OIDC_ACME_ID": CLIENT,
        "AUTH_OIDC_ACME_SECRET": SECRET,
    }
    with run_oidc(
        "oidc_provider.mjs",
        port=port,
        clientId=CLIENT,
        clientSecret=SECRET,
        redirectUris=[callback],
        claimsInIdToken=True,
    ):
        done = run_command("oidc", "test", "acme", folder=tmp_path, given=given)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        f"{issuer} was reached, and its metadata can be used.",
        "Its signing keys were read: 1.",
        "The client id and the client secret are accepted.",
        f"Its callback URL, to be registered at the provider: {callback}",
    ]
    refused = run_command("oidc", "test", "acme", folder=tmp_path, given=given)
    assert (refused.code, refused.out) == (1, "")
    assert "ConnectError" in refused.err


def test_a_backup_is_made_and_restored_from_where_the_command_is_called(
    database: Path, tmp_path: Path
) -> None:
    run = partial(run_command, folder=tmp_path)
    _execute(database, _add(ADA))
    assert run("backup").out.startswith(f"Saved {database.parent / 'backups' / 'backup-'}")
    assert run("backup", "saved.db").out.startswith(f"Saved {tmp_path / 'saved.db'} (0.")
    _execute(database, 'DELETE FROM "user"')
    restored = run("restore", "saved.db")
    assert restored.out.startswith("Restored saved.db; users sign in again.\nThe former database")
    assert ADA in run("user", "list").out


@pytest.mark.parametrize("content", [None, "", "these are notes and not a backup " * 100])
def test_a_restore_that_is_refused_changes_nothing(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "saved.db"
    if content is not None:
        file.write_text(content)
    before = {one.name for one in tmp_path.iterdir()}
    assert run_command("restore", "saved.db", folder=tmp_path).code == 1
    assert {one.name for one in tmp_path.iterdir()} == before


@pytest.mark.parametrize("command", [("backup",), ("restore", "saved.db")])
def test_a_backup_of_another_database_is_its_own_programs_work(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    url = {"DATABASE_URL": "postgresql://ada:hunter2@127.0.0.1/chat"}
    done = run_command(*command, folder=tmp_path, given=url)
    assert done.code == 2
    assert done.err.startswith("chat-app: DATABASE_URL is not SQLite; use the database's own pg_")


@pytest.mark.parametrize("command", [("migrate",), ("user", "list")])
def test_a_database_file_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    file = tmp_path / "data" / "chat.db"
    file.mkdir(parents=True)
    message = f"chat-app: The database file {file} can't be used: Is a directory.\n"
    assert run_command(*command, folder=tmp_path) == Said(1, "", message)


def test_a_database_file_without_permission_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("chat_app.db.dialect.make_private_file", refuse)
    file = tmp_path / "data" / "chat.db"
    message = f"chat-app: The database file {file} can't be used: Permission denied.\n"
    assert run_command("migrate", folder=tmp_path) == Said(1, "", message)


def test_a_file_that_is_no_database_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "data" / "chat.db"
    file.parent.mkdir()
    file.write_text("these are notes and not a database " * 100)
    message = f"chat-app: The database file {file} can't be used: file is not a database.\n"
    assert run_command("migrate", folder=tmp_path) == Said(1, "", message)


def test_a_folder_of_backups_that_cannot_be_used_is_one_sentence(
    database: Path, tmp_path: Path
) -> None:
    _execute(database, "UPDATE alembic_version SET version_num = '0001'")
    (database.parent / "backups").touch()
    done = run_command("migrate", folder=tmp_path)
    (line,) = done.err.splitlines()
    assert done.code == 1
    assert line.startswith("chat-app: The database could not be backed up into ")
