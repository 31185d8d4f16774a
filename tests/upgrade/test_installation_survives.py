"""A data folder of the first release opens with the current program; its clients stay signed in.

Once it stays on SQLite, with database sessions; once it moves to PostgreSQL, with encrypted tokens.
`make_data_folder.py` made the folder and lists what is in it.
"""

import hashlib
import json
import lzma
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from pyotp.totp import TOTP

from testing.command_line import run_command
from testing.postgres import PostgresServer
from testing.program import Program

HERE = Path(__file__).parent
INSTALLATION = json.loads((HERE / "installation.json").read_text(encoding="utf-8"))
APP_URL = INSTALLATION["app_url"]
USERS = INSTALLATION["users"]
SECOND_FACTOR = INSTALLATION["second_factor"]
ANSWERS = INSTALLATION["answers"]
ADA, GRACE, DORA = "ada@chat.example", "grace@chat.example", "dora@chat.example"

SETTINGS = {"APP_URL": APP_URL, "FAKE_MODELS": "true", "EMBEDDED_MODEL": "false"}


class KeptBrowser:
    """A client of the installation.

    Args:
        program: The program; requests name the host that the first release had.
        cookies: What the client holds.
    """

    def __init__(self, program: Program, **cookies: str) -> None:
        headers = {
            "Host": APP_URL.removeprefix("http://"),
            "Origin": APP_URL,
            "X-Auth-Return-Redirect": "1",
        }
        self.http = httpx.Client(verify=False, base_url=program.url, headers=headers, timeout=30)
        for name, value in cookies.items():
            self.http.cookies.set(name, value, domain="localhost.local")

    def user(self) -> str | None:
        """The email of the user who is signed in."""
        session = self.http.get("/api/auth/session").json()
        return session and session["user"]["email"]

    def sign_in(self, email: str) -> str:
        """Sign in with the password; returns the path to go to."""
        form = {"email": email, "password": USERS[email]["password"]}
        answer = self.http.post("/api/auth/callback/credentials", data=form)
        return answer.json()["url"].removeprefix(APP_URL)

    def enter_code(self, code: str) -> str:
        """Finish a sign-in with a code; returns the path to go to."""
        answer = self.http.post("/api/auth/callback/second-factor", data={"code": code})
        return answer.json()["url"].removeprefix(APP_URL)

    def threads(self) -> list[dict[str, Any]]:
        """The list of threads."""
        return self.http.get("/api/threads?limit=50").raise_for_status().json()["threads"]

    def messages(self, thread_id: str) -> list[dict[str, Any]]:
        """Every message of a thread, oldest first."""
        found: list[dict[str, Any]] = []
        has_older = True
        while has_older:
            query = {"limit": "100", **({"before": found[0]["id"]} if found else {})}
            page = self.http.get(f"/api/threads/{thread_id}/messages", params=query).json()
            assert page["run"] is None
            found = page["messages"] + found
            has_older = page["hasOlder"]
        return found


def signed_in(program: Program, email: str, strategy: str = "database") -> KeptBrowser:
    """A client that holds the session cookie of a user of the first release."""
    return KeptBrowser(program, chat_session=USERS[email]["sessions"][strategy])


def parts_of(message: dict[str, Any]) -> list[tuple[str, str]]:
    """Type and text of each part that has a text."""
    return [(part["type"], part["text"]) for part in message["parts"] if "text" in part]


def digest(messages: list[dict[str, Any]]) -> str:
    """The hash that `make_data_folder.digest` made of the same messages."""
    content = [
        [one["id"], one["parentId"], one["role"], *(list(part) for part in parts_of(one))]
        for one in messages
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def copy_database(folder: Path) -> None:
    """Copy the database into a data folder."""
    data = folder / "data"
    data.mkdir(mode=0o700, exist_ok=True)
    (data / "chat.db").write_bytes(lzma.decompress((HERE / "chat.db.xz").read_bytes()))


def started(folder: Path, **settings: str) -> Iterator[Program]:
    """The program on a data folder."""
    program = Program(folder, given={**SETTINGS, **settings})
    try:
        program.start()
        yield program
    finally:
        program.end()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("database")


@pytest.fixture(scope="module")
def program(folder: Path) -> Iterator[Program]:
    """With database sessions, and the secret in the file that the program makes itself."""
    secret = folder / "data" / "secret"
    secret.parent.mkdir(mode=0o700)
    secret.write_text(INSTALLATION["auth_secret"])
    copy_database(folder)
    yield from started(folder)


@pytest.fixture(scope="module")
def jwt_program(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> Iterator[Program]:
    """Moved to PostgreSQL, with encrypted session tokens and the secret in the settings."""
    folder = tmp_path_factory.mktemp("jwt")
    copy_database(folder)
    given = {"AUTH_SESSION_STRATEGY": "jwt", "AUTH_SECRET": INSTALLATION["auth_secret"]}
    with postgres_server.new_database("template0") as database:
        moved = run_command("move", "--to", database.owner_url, folder=folder, given=given)
        assert moved.code == 0, moved.err
        urls = {
            "DATABASE_URL": database.app_url,
            "DATABASE_SYSTEM_URL": database.system_url,
            "DATABASE_ADMIN_URL": database.owner_url,
        }
        yield from started(folder, **given, **urls)


@pytest.fixture(params=["database", "jwt"])
def strategy(request: pytest.FixtureRequest) -> str:
    """The strategy of sessions."""
    return request.param


@pytest.fixture
def either(request: pytest.FixtureRequest, strategy: str) -> Program:
    """The program with this strategy."""
    return request.getfixturevalue("program" if strategy == "database" else "jwt_program")


@pytest.mark.parametrize("email", [ADA, GRACE])
def test_a_database_session_is_still_signed_in(program: Program, email: str) -> None:
    assert signed_in(program, email).user() == email


@pytest.mark.parametrize("email", [ADA, GRACE])
def test_a_jwt_session_is_still_signed_in_and_is_renewed(jwt_program: Program, email: str) -> None:
    old = USERS[email]["sessions"]["jwt"]
    browser = KeptBrowser(jwt_program, chat_session=old)
    assert browser.user() == email
    renewed = browser.http.cookies.get("chat_session", domain="localhost.local")
    assert renewed not in (None, old)
    assert KeptBrowser(jwt_program, chat_session=str(renewed)).user() == email


def test_a_password_and_a_code_of_the_authenticator_sign_in(program: Program) -> None:
    browser = KeptBrowser(program)
    assert browser.sign_in(GRACE) == "/signin/code"
    assert browser.user() is None
    assert browser.enter_code(TOTP(SECOND_FACTOR["secret"]).now()) == "/"
    assert browser.user() == GRACE


def test_an_unused_backup_code_signs_in_and_a_used_one_does_not(program: Program) -> None:
    browser = KeptBrowser(program)
    browser.sign_in(GRACE)
    assert browser.enter_code(SECOND_FACTOR["used_backup_code"]).startswith("/signin/code?error=")
    assert browser.user() is None
    assert browser.enter_code(SECOND_FACTOR["backup_codes"][0]) == "/"
    assert browser.user() == GRACE


def test_a_remembered_device_is_asked_for_no_code(program: Program) -> None:
    browser = KeptBrowser(program, chat_device=SECOND_FACTOR["device_cookie"])
    assert browser.sign_in(GRACE) == "/"
    assert browser.user() == GRACE


def test_a_disabled_user_is_refused(program: Program) -> None:
    browser = KeptBrowser(program)
    assert browser.sign_in(DORA).startswith("/signin?error=")
    assert browser.user() is None


@pytest.mark.parametrize("email", [ADA, GRACE])
def test_every_thread_is_listed_as_it_was(either: Program, strategy: str, email: str) -> None:
    known = ("id", "title", "titleOrigin", "createdAt", "updatedAt")
    expected = USERS[email]["threads"]
    listed = signed_in(either, email, strategy).threads()
    assert [[one[key] for key in known] for one in listed] == [
        [one[key] for key in known] for one in expected
    ]
    assert not any(one["running"] for one in listed)


@pytest.mark.parametrize("email", [ADA, GRACE])
def test_every_message_keeps_its_content(either: Program, strategy: str, email: str) -> None:
    browser = signed_in(either, email, strategy)
    was_running = {ANSWERS[name]["thread"] for name in ("killed", "queued")}
    expected = {one["id"]: one for one in USERS[email]["threads"]}
    found = {thread_id: browser.messages(thread_id) for thread_id in expected}
    assert {key: len(value) for key, value in found.items()} == {
        key: value["messages"] for key, value in expected.items()
    }
    assert max(map(len, found.values())) == (300 if email == ADA else 2)
    for thread_id in expected.keys() - was_running:
        assert digest(found[thread_id]) == expected[thread_id]["digest"]


def test_a_killed_answer_becomes_its_message(either: Program, strategy: str) -> None:
    killed, queued = ANSWERS["killed"], ANSWERS["queued"]
    answer = signed_in(either, ADA, strategy).messages(killed["thread"])[-1]
    assert (answer["id"], answer["status"]) == (killed["message"], "interrupted")
    assert parts_of(answer) == [("reasoning", killed["reasoning"]), ("text", killed["text"])]
    answer = signed_in(either, GRACE, strategy).messages(queued["thread"])[-1]
    assert (answer["id"], answer["status"]) == (queued["message"], "interrupted")
    assert parts_of(answer) == []


def test_nothing_is_left_of_answers_that_never_ended(program: Program, folder: Path) -> None:
    with closing(sqlite3.connect(folder / "data" / "chat.db")) as db:
        assert db.execute("SELECT count(*) FROM run_event").fetchone() == (0,)
        unfinished = "SELECT count(*) FROM run WHERE status IN ('queued', 'running')"
        assert db.execute(unfinished).fetchone() == (0,)


def test_finished_answers_keep_their_status(program: Program) -> None:
    browser = signed_in(program, ADA)
    statuses = {
        message["id"]: message["status"]
        for thread in browser.threads()
        for message in browser.messages(thread["id"])
    }
    assert statuses[ANSWERS["stopped"]["message"]] == "stopped"
    assert statuses[ANSWERS["drained"]["message"]] == "interrupted"
    assert [statuses[one["message"]] for one in ANSWERS["failed"]] == ["failed"] * 24


def test_it_is_not_known_why_an_old_answer_ended(program: Program, folder: Path) -> None:
    query = (
        "SELECT message.finish_reason, run.finish_reason, run.reasoning_tokens "
        "FROM message JOIN run ON run.message_id = message.id WHERE message.id = ?"
    )
    names = ("killed", "queued", "stopped", "drained")
    with closing(sqlite3.connect(folder / "data" / "chat.db")) as db:
        for answer in (*(ANSWERS[name] for name in names), *ANSWERS["failed"]):
            message = answer["message"].replace("-", "")
            assert db.execute(query, (message,)).fetchall() == [("", "", None)]


UNCHANGED = ("length", "empty", "embedded", "unknown")
MESSAGES = {
    "key": "alpha's provider rejected this server's API key. Tell your administrator.",
    "limit": "alpha is busy or rate-limited. Try again in a moment.",
    "limit_one_second": "alpha is busy or rate-limited. Try again in 1 second.",
    "limit_seconds": "alpha is busy or rate-limited. Try again in 20 seconds.",
    "broken_off": "alpha's answer was cut off.",
    "unreachable": "beta (spare)'s provider can't be reached.",
    "unknown": "This sentence is older than the first release.",
}


def test_a_failed_answer_shows_a_message(program: Program) -> None:
    browser = signed_in(program, ADA)
    errors = {
        message["id"]: message["error"]
        for thread in browser.threads()
        for message in browser.messages(thread["id"])
    }
    for failed in ANSWERS["failed"]:
        sentence = errors[failed["message"]]
        assert re.fullmatch(r"\w[^{}]* [^{}]*[.!]", sentence), failed["case"]
        assert sentence == MESSAGES.get(failed["case"], sentence)
        assert (sentence == failed["sentence"]) == (failed["case"] in UNCHANGED), failed["case"]


def test_message_and_run_store_the_error_as_a_code(program: Program, folder: Path) -> None:
    query = (
        "SELECT message.id, message.error, run.error, message.error_params, run.error_params "
        "FROM message JOIN run ON run.message_id = message.id WHERE message.error <> ''"
    )
    with closing(sqlite3.connect(folder / "data" / "chat.db")) as db:
        rows = {message_id: row for message_id, *row in db.execute(query)}
    assert rows.keys() == {one["message"].replace("-", "") for one in ANSWERS["failed"]}
    for failed in ANSWERS["failed"]:
        of_message, of_run, *params = rows[failed["message"].replace("-", "")]
        assert of_message == of_run, failed["case"]
        assert re.fullmatch(r"[a-z_]+", of_message), failed["case"]
        assert (of_message == "unknown") == (failed["case"] == "unknown")
        assert params[0] == params[1], failed["case"]


def test_an_old_thread_can_be_continued(program: Program) -> None:
    browser = signed_in(program, GRACE)
    thread_id = USERS[GRACE]["threads"][-1]["id"]
    message = {"role": "user", "parts": [{"type": "text", "text": "echo: It goes on."}]}
    request = {"id": thread_id, "messages": [message], "model": "fake:40x0"}
    assert browser.http.post("/api/chat", json=request).text.endswith("data: [DONE]\n\n")
    answer = browser.messages(thread_id)[-1]
    assert (answer["status"], parts_of(answer)) == ("complete", [("text", "It goes on.")])
    assert [part["type"] for part in answer["parts"]] == ["data-notice", "text"]
