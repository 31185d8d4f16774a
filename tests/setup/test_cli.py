import asyncio
import contextlib
import fcntl
import gc
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import cast

import pytest
import uvloop

from chat_app import cli
from chat_app.services import Services
from chat_app.settings import read_settings
from testing.auth_services import issue_session
from testing.command_line import run_command, words

ROOT = Path(__file__).parents[2]
HEAVY = {"reflex", "sqlalchemy", "openai", "granian", "alembic", "xllamacpp", "sqlmodel"}
PASSWORD = "four correct battery horses\n"


class CommandLine:
    """The command `chat-app` in this process, with a data folder of its own."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def __call__(
        self, *arguments: str, stdin: str = "", **env: str
    ) -> subprocess.CompletedProcess[str]:
        said = run_command(*arguments, folder=self.data.parent, given=env, stdin=stdin)
        return subprocess.CompletedProcess(arguments, cast(int, said.code), said.out, said.err)

    def count(self, table: str) -> int:
        with closing(sqlite3.connect(self.data / "chat.db")) as database:
            return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


@pytest.fixture
def chat_app(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path / "data")


def test_help_loads_nothing_heavy() -> None:
    show = "import sys, chat_app.cli; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", show], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not HEAVY & set(done.stdout.split())


def test_garbage_is_collected_once_the_server_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    collects: list[bool] = []
    monkeypatch.setattr(cli, "_load_server", lambda _: collects.append(gc.isenabled()))
    monkeypatch.setattr(uvloop, "run", lambda _: collects.append(gc.isenabled()))
    try:
        cli.run()
    finally:
        gc.enable()
    assert collects == [False, True]


def test_help_names_every_command(chat_app: CommandLine) -> None:
    output = chat_app("--help").stdout
    names = (
        "run",
        "dev",
        "migrate",
        "user",
        "mail",
        "oidc",
        "backup",
        "restore",
        "move",
        "seed",
        "models",
    )
    assert all(name in output for name in names)


def test_a_user_is_added_and_their_account_filled(chat_app: CommandLine) -> None:
    added = chat_app(
        "user", "add", "ada@example.org", "--name", "Ada", "--password-stdin", stdin=PASSWORD
    )
    assert (added.returncode, added.stdout) == (0, "ada@example.org can sign in now.\n")
    filled = chat_app("seed", "ada@example.org", "--threads", "30", "--messages", "100")
    assert filled.returncode == 0
    assert filled.stdout.startswith(
        "Added 30 chats to ada@example.org.\nAdded a chat with 100 messages: /c/"
    )
    assert (chat_app.count("user"), chat_app.count("thread")) == (1, 31)
    assert chat_app.count("message") == 160


def test_the_operators_hooks_are_imported_from_the_project_folder(
    chat_app: CommandLine, tmp_path: Path
) -> None:
    chat_app("migrate")  # a migration would add the folder to the path itself
    done = subprocess.run(
        # like the installed command: neither the folder nor the project is on the path
        [sys.executable, "-P", "-m", "chat_app.cli", "user", "disable", "ada@example.org"],
        cwd=tmp_path,
        env={
            "PATH": "/usr/bin:/bin",
            "DATA_DIR": str(chat_app.data),
            "AUTH_SESSION_HOOK": "testing.session_hooks:with_roles",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stderr == "chat-app: No user has the email ada@example.org.\n"


@pytest.mark.parametrize(("count", "words"), [(1, "1 session ended"), (2, "2 sessions ended")])
async def test_the_ended_sessions_of_a_disabled_user_are_counted(
    chat_app: CommandLine, count: int, words: str
) -> None:
    await asyncio.to_thread(chat_app, "migrate")
    live = Services(read_settings(data_dir=chat_app.data, embedded_model=False))
    await live.start()
    try:
        user_id = await live.accounts.add("ada@example.org", PASSWORD.strip(), "")
        for _ in range(count):
            await issue_session(live, user_id, user_agent="test")
    finally:
        await live.stop()
    disabled = await asyncio.to_thread(chat_app, "user", "disable", "ada@example.org")
    assert disabled.stdout == f"ada@example.org is disabled; {words}.\n"


def test_a_user_is_disabled_and_enabled_again(chat_app: CommandLine) -> None:
    chat_app("user", "add", "ada@example.org", "--password-stdin", stdin=PASSWORD)
    disabled = chat_app("user", "disable", "ada@example.org")
    assert (disabled.returncode, disabled.stdout) == (
        0,
        "ada@example.org is disabled; 0 sessions ended.\n",
    )
    with closing(sqlite3.connect(chat_app.data / "chat.db")) as database, database:
        assert database.execute("SELECT disabled_at FROM user").fetchone()[0] is not None
        enabled = chat_app("user", "enable", "ada@example.org")
        assert (enabled.returncode, enabled.stdout) == (0, "ada@example.org can sign in again.\n")
        assert database.execute("SELECT disabled_at FROM user").fetchone()[0] is None


@pytest.mark.parametrize(
    "arguments", [("user", "disable"), ("user", "enable"), ("seed", "--threads", "1")]
)
def test_an_unknown_email_is_named(chat_app: CommandLine, arguments: tuple[str, ...]) -> None:
    chat_app("migrate")
    unknown = chat_app(*arguments, "bob@example.org")
    message = "chat-app: No user has the email bob@example.org.\n"
    assert (unknown.returncode, unknown.stderr) == (1, message)


@pytest.mark.parametrize("command", ["run", "migrate", "backup", "usage"])
def test_a_data_folder_that_is_a_file_is_one_line(chat_app: CommandLine, command: str) -> None:
    chat_app.data.touch()
    refused = chat_app(command)
    message = f"chat-app: Invalid setting. DATA_DIR: {chat_app.data} is not a folder\n"
    assert (refused.returncode, refused.stderr) == (2, message)


def test_a_user_is_added_while_the_server_owns_the_folder(chat_app: CommandLine) -> None:
    assert chat_app("migrate").returncode == 0
    with (chat_app.data / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = chat_app("migrate")
        added = chat_app("user", "add", "ada@example.org", "--password-stdin", stdin=PASSWORD)
    assert refused.returncode == 1
    assert refused.stderr.startswith("chat-app: ")
    assert added.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        (("user", "add", "ada@example.org", "--password-stdin"), "short\n"),
        (("user", "add", "not an email", "--password-stdin"), PASSWORD),
        (("seed", "unknown@example.org", "--threads", "1"), ""),
    ],
)
def test_an_error_is_printed_in_one_line(
    chat_app: CommandLine, arguments: tuple[str, ...], stdin: str
) -> None:
    done = chat_app(*arguments, stdin=stdin)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert line.startswith("chat-app: ")


@pytest.mark.parametrize(
    "arguments", [("migrate",), ("run",), ("user", "add", "a@example.org", "--password-stdin")]
)
def test_an_unreachable_database_is_reported_in_one_line_without_its_password(
    chat_app: CommandLine, arguments: tuple[str, ...]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"postgresql://ada:hunter2@127.0.0.1:{port}/chat"
    done = chat_app(*arguments, stdin=PASSWORD, DATABASE_URL=url, PORT=str(port))
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert line.startswith("chat-app: The database")
    assert "DATABASE_URL" in line
    assert "hunter2" not in line


def test_seeding_nothing_is_a_usage_error(chat_app: CommandLine) -> None:
    assert chat_app("seed", "ada@example.org").returncode == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("seed ada@example.org --messages 10001", "'--messages': must be at most 10000"),
        ("seed ada@example.org --threads 100001", "'--threads': must be at most 100000"),
        ("seed ada@example.org --messages -1", "'--messages': must be at least 0"),
        ("run --port eighty", "'--port': must be a whole number"),
        (f"run --port {'9' * 5000}", "'--port': has too many digits"),
        ("usage --by month", "'--by': 'month' is not one of 'day', 'model', 'user',"),
        ("usage --since 2026-02-31", "'--since': It must look like 2026-01-31."),
        (
            "usage --since 2026-01-02 --until 2026-01-01",
            "--until: The last day is before the first one.",
        ),
        ("audit export --since yesterday", "'--since': It must look like 2026-01-31 or"),
        (
            "audit export --since 2026-01-02 --until 2025-12-31",
            "--until: It is before --since.",
        ),
        ("audit export --format xml", "'--format': 'xml' is not one of 'jsonl', 'csv'."),
        ("audit verify --head 1", "--head: A head is a number, a colon and a seal"),
    ],
)
def test_a_wrong_option_is_a_usage_error_in_our_words(
    tmp_path: Path, arguments: str, said: str
) -> None:
    refused = run_command(*arguments.split(), folder=tmp_path)
    assert (refused.code, refused.out) == (2, "")
    assert f"Invalid value for {said}" in words(refused)
    assert list(tmp_path.iterdir()) == []


@contextlib.contextmanager
def _left_pipe() -> Iterator[int]:
    """A pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@contextlib.contextmanager
def _full_disk() -> Iterator[int]:
    with Path("/dev/full").open("w") as file:
        yield file.fileno()


@pytest.mark.parametrize(
    ("stdout", "said"),
    [
        (_left_pipe, ""),
        (_full_disk, "chat-app: The output could not be written: No space left on device.\n"),
    ],
)
@pytest.mark.parametrize("arguments", [("audit", "export"), ("models",)])
def test_an_output_that_cannot_be_written_is_one_sentence_or_none(
    chat_app: CommandLine,
    stdout: Callable[[], AbstractContextManager[int]],
    said: str,
    arguments: tuple[str, ...],
) -> None:
    if stdout is _full_disk and not Path("/dev/full").exists():
        pytest.skip("only Linux has a full device")
    chat_app("migrate")
    with stdout() as descriptor:
        done = subprocess.run(
            [sys.executable, "-m", "chat_app.cli", *arguments],
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", "DATA_DIR": str(chat_app.data)},
            stdout=descriptor,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, said)


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("audit export >&-", 0, ""),
        ("audit export --until x >&- 2>&-", 2, ""),
        (
            "user add ada@example.org --password-stdin <&-",
            1,
            "chat-app: Use at least 10 characters for the password.\n",
        ),
    ],
)
def test_a_stream_that_is_closed_is_an_empty_one(
    chat_app: CommandLine, command: str, code: int, said: str
) -> None:
    chat_app("migrate")
    done = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -m chat_app.cli {command}'],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "DATA_DIR": str(chat_app.data)},
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, said)


def test_a_second_migration_has_nothing_to_do(chat_app: CommandLine) -> None:
    assert chat_app("migrate").stdout == "The database was migrated.\n"
    assert chat_app("migrate").stdout == "The database is already up to date.\n"


def test_the_models_are_listed_and_the_default_is_marked(chat_app: CommandLine) -> None:
    output = chat_app(
        "models",
        OPENAI_BASE_URL="http://localhost:11434/v1",
        CHAT_MODELS="llama3.2,qwen3",
        CHAT_MODEL="qwen3",
    ).stdout.splitlines()
    assert [line.split()[-1] for line in output[:2]] == ["llama3.2", "qwen3"]
    assert [line for line in output if line.startswith("*")] == ["* qwen3"]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("CHAT_MODEL", "no-such-model"),
        ("AUTH_ON_SIGN_IN", "no_such_module:function"),
        ("AUTH_SESSION_HOOK", "no_such_module:function"),
    ],
)
def test_what_a_setting_names_is_checked_with_the_settings(
    chat_app: CommandLine, setting: str, value: str
) -> None:
    done = chat_app("models", **{setting: value})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"chat-app: Invalid setting. {setting}: ")
