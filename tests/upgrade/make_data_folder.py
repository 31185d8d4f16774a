"""Make the data folder of an installation of the first release (revision d258c8e).

It writes two files into this folder: `chat.db.xz`, the database, and `installation.json`, what the
clients of that installation hold. To make them again, install the first release in a checkout of
its own and run this script from the current tree; the test passes from five minutes later on, when
the session tokens are due for renewal:

    git worktree add ../first-release d258c8e
    make -C ../first-release tests-environment
    python -m tests.upgrade.make_data_folder ../first-release

Everything is made by the first release: its command line, its server, its HTTP routes. SQL is used
only for what those cannot do:

- two triggers, removed again: one makes saving an answer fail, one makes an answer meet a bug;
- the sentences of four failures that need a broken machine, and one that no release wrote;
- the expiry of the remembered device, because the setting ends at one year.

Sessions are made with a lifetime of a century, so that they are still valid when the test runs.
"""

import hashlib
import json
import lzma
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from pyotp.totp import TOTP

REVISION = "d258c8e"
HERE = Path(__file__).parent

APP_URL = "http://localhost:3000"
AUTH_SECRET = "b7d1f0c95e3a482697f46d0c1b8ae35270c9d4e1f6382ab5947e0d6c3f1a8b24"
CENTURY_HOURS = "1000000"
CENTURY_DAYS = 36_500

ADA = {"email": "ada@chat.example", "password": "violet-harbour-lantern-42", "name": "Ada"}
GRACE = {"email": "grace@chat.example", "password": "copper-meadow-thimble-17", "name": "Grace"}
DORA = {"email": "dora@chat.example", "password": "amber-gravel-whistle-93", "name": "Dora"}

KILLED_AFTER_CHUNKS = 40
STORY = ("The ", "sea ", "was ", "🌊 ", "calm, ", "and ", "**nobody** ", "spoke. ", "Ça ", "va?\n")

# Sentences of the first release that need a broken machine, and one that no release wrote.
BY_SQL = {
    "embedded": "The model on this machine could not be started.",
    "database_busy": "The database is busy; try again in a moment.",
    "database_full": "The disk is full; nothing was saved.",
    "database_unreachable": "The database cannot be reached; nothing was saved.",
    "unknown": "This sentence is older than the first release.",
}


class Upstream(BaseHTTPRequestHandler):
    """An OpenAI-compatible server; the first word of the question chooses its behaviour."""

    stopped = threading.Event()

    def do_POST(self) -> None:
        """Answer one completion."""
        size = int(self.headers["content-length"])
        question = json.loads(self.rfile.read(size))["messages"][-1]["content"]
        with suppress(ConnectionError):  # the chat may leave
            _BEHAVIOURS[question.partition(":")[0]](self)

    def refuse(self, status: int, *, error: str = "", **headers: str) -> None:
        """Answer with an error status."""
        body = json.dumps({"error": {"code": error, "message": "No."}}).encode()
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def stream(self, *deltas: dict[str, str], finish: str = "") -> None:
        """Begin an answer; end it too when `finish` is given."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for delta in deltas:
            self.event({"choices": [{"index": 0, "delta": delta}]})
        if finish:
            self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
            self.event({"usage": {"prompt_tokens": 12, "completion_tokens": 34}, "choices": []})
            self.wfile.write(b"data: [DONE]\n\n")

    def event(self, content: object) -> None:
        """Send one event of the stream."""
        self.wfile.write(b"data: " + json.dumps(content).encode() + b"\n\n")
        self.wfile.flush()

    def tell_story(self) -> None:
        """Send some reasoning, then a word every 20 ms without end."""
        self.stream({"reasoning_content": "The user "}, {"reasoning_content": "wants a story."})
        while True:
            for word in STORY:
                self.event({"choices": [{"index": 0, "delta": {"content": word}}]})
                if self.stopped.wait(0.02):
                    return

    def log_message(self, format: str, *_: object) -> None:
        """Log nothing."""


_HALF = {"content": "This is the first half of "}

_FAILURES: dict[str, Callable[[Upstream], object]] = {
    "key": lambda up: up.refuse(401),
    "model": lambda up: up.refuse(404),
    "quota": lambda up: up.refuse(402),
    "length": lambda up: up.refuse(413),
    "request": lambda up: up.refuse(400, error="invalid_value"),
    "redirect": lambda up: up.refuse(301, location="/elsewhere"),
    "limit": lambda up: up.refuse(429),
    "limit_one_second": lambda up: up.refuse(429, retry_after="1"),
    "limit_seconds": lambda up: up.refuse(503, retry_after="20"),
    "server": lambda up: up.refuse(500),
    "slow": lambda up: up.refuse(504),
    "stalled": lambda up: (up.stream(_HALF), up.stopped.wait()),
    "broken_off": lambda up: up.stream(_HALF),
    "reported": lambda up: (up.stream(_HALF), up.event({"error": {"code": "server_error"}})),
    "malformed": lambda up: (up.stream(_HALF), up.wfile.write(b"data: {nonsense\n\n")),
    "empty": lambda up: up.stream(finish="stop"),
}

_BEHAVIOURS: dict[str, Callable[[Upstream], object]] = {
    **_FAILURES,
    "answer": lambda up: up.stream(
        {"reasoning_content": "Easy."}, {"content": "It is **forty-two**. 🎈"}, finish="stop"
    ),
    "not_saved": lambda up: up.stream({"content": "It is forty-two."}, finish="stop"),
    "story": Upstream.tell_story,
    "silence": lambda up: up.stopped.wait(),
}


@contextmanager
def upstream() -> Iterator[str]:
    """The model server; gives its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        Upstream.stopped.set()
        server.shutdown()


class FirstRelease:
    """The first release, in a checkout of its own.

    Args:
        root: The checkout.
        data: Its data folder.
        models_url: The model server.
    """

    def __init__(self, root: Path, data: Path, models_url: str) -> None:
        self.root, self.data = root, data
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        nowhere = {"name": "spare", "base_url": "http://127.0.0.1:9/v1", "models": ["beta"]}
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(root),
            "PORT": str(self.port),
            "DATA_DIR": str(data),
            "APP_URL": APP_URL,
            "AUTH_SECRET": AUTH_SECRET,
            "SESSION_REMEMBER_IDLE_HOURS": CENTURY_HOURS,
            "SESSION_REMEMBER_MAX_HOURS": CENTURY_HOURS,
            "OPENAI_BASE_URL": models_url,
            "CHAT_MODELS": "alpha",
            "CHAT_PROVIDERS": json.dumps([nowhere]),
            "CHAT_TITLES": "false",
            "EMBEDDED_MODEL": "false",
        }

    def run(self, *arguments: str, standard_input: str = "") -> str:
        """Run a command to its end; returns its output."""
        done = subprocess.run(
            self._command(*arguments),
            cwd=self.root,
            env=self.environment,
            input=standard_input,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    @contextmanager
    def serving(self, strategy: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
        """The server; it is terminated afterwards unless it has ended."""
        process = subprocess.Popen(
            self._command("run"),
            cwd=self.root,
            env={**self.environment, "AUTH_SESSION_STRATEGY": strategy, **settings},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            while "The chat is at" not in (line := process.stdout.readline()):
                assert line, "the server did not start"
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait()

    def browser(self) -> httpx.Client:
        """A new client with an empty cookie jar."""
        return httpx.Client(
            base_url=f"http://localhost:{self.port}",
            headers={
                "Host": APP_URL.removeprefix("http://"),
                "Origin": APP_URL,
                "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0",
                "X-Auth-Return-Redirect": "1",
            },
            timeout=60,
        )

    def execute(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Execute SQL on the database."""
        with closing(sqlite3.connect(self.data / "chat.db", timeout=30)) as db, db:
            return db.execute(statement, values).fetchall()

    def _command(self, *arguments: str) -> list[str]:
        return [str(self.root / ".venv/bin/python"), "-m", "chat_app.cli", *arguments]


def sign_in(browser: httpx.Client, user: dict[str, str], **fields: str) -> str:
    """Sign in with a password and `remember`; returns the path to go to."""
    form = {"email": user["email"], "password": user["password"], "remember": "on", **fields}
    answer = browser.post("/api/auth/callback/credentials", data=form)
    answer.raise_for_status()
    return answer.json()["url"].removeprefix(APP_URL)


@contextmanager
def ask(
    browser: httpx.Client, text: str, *, thread: str | None = None, model: str = "alpha"
) -> Iterator[tuple[str, str, Iterator[dict[str, Any]]]]:
    """Send a question; gives the thread, the id of the answer, and the chunks of its stream."""
    message = {"role": "user", "parts": [{"type": "text", "text": text}]}
    body = {"id": thread, "messages": [message], "model": model}
    with browser.stream("POST", "/api/chat", json=body) as answer:
        answer.raise_for_status()
        chunks = (
            json.loads(line.removeprefix("data: "))
            for line in answer.iter_lines()
            if line.startswith("data: {")
        )
        start = next(chunks)
        yield start["messageMetadata"]["threadId"], start["messageId"], chunks


def ask_and_wait(browser: httpx.Client, text: str, **more: Any) -> tuple[str, str]:
    """Send a question and read the answer to its end; returns the thread and the answer's id."""
    with ask(browser, text, **more) as (thread, message, chunks):
        for _ in chunks:
            pass
    return thread, message


def words(chunks: Iterator[dict[str, Any]], count: int) -> str:
    """The text of the next chunks of text."""
    texts = (chunk["delta"] for chunk in chunks if chunk["type"] == "text-delta")
    return "".join(next(texts) for _ in range(count))


def all_messages(browser: httpx.Client, thread: str) -> list[dict[str, Any]]:
    """Every message of a thread's branch, oldest first."""
    found: list[dict[str, Any]] = []
    more = True
    while more:
        query = {"limit": "100", **({"before": found[0]["id"]} if found else {})}
        page = browser.get(f"/api/threads/{thread}/messages", params=query).raise_for_status()
        found = page.json()["messages"] + found
        more = page.json()["hasOlder"]
    return found


def digest(messages: list[dict[str, Any]]) -> str:
    """A hash of the messages' content and order."""
    content = [
        [one["id"], one["parentId"], one["role"]]
        + [[part["type"], part["text"]] for part in one["parts"]]
        for one in messages
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def thread_list(browser: httpx.Client) -> list[dict[str, Any]]:
    """The threads of a user as the list shows them, with a digest of their messages."""
    found = []
    for one in browser.get("/api/threads?limit=50").raise_for_status().json()["threads"]:
        messages = all_messages(browser, one["id"])
        found.append(
            {key: one[key] for key in ("id", "title", "titleOrigin", "createdAt", "updatedAt")}
            | {"messages": len(messages), "digest": digest(messages)}
        )
    return found


def fail_in_every_way(chat: FirstRelease, ada: httpx.Client) -> list[dict[str, str]]:
    """Make answers fail; returns the case, the message and the sentence of each."""
    thread, _ = ask_and_wait(ada, "answer: What is six times seven?")
    messages = {case: ask_and_wait(ada, f"{case}: fail", thread=thread)[1] for case in _FAILURES}
    _, messages["unreachable"] = ask_and_wait(ada, "hello", thread=thread, model="spare/beta")

    chat.execute(
        "CREATE TRIGGER no_event BEFORE INSERT ON run_event "
        "BEGIN SELECT RAISE(ABORT, 'refused'); END"
    )
    _, messages["not_saved"] = ask_and_wait(ada, "not_saved: fail", thread=thread)
    chat.execute("DROP TRIGGER no_event")

    # A question that cannot be read back raises an unexpected exception in the answer's task.
    chat.execute(
        "CREATE TRIGGER no_json AFTER INSERT ON message WHEN NEW.role = 'user' "
        "BEGIN UPDATE message SET parts = '{' WHERE id = NEW.id; END"
    )
    thread_of_bug, messages["internal"] = ask_and_wait(ada, "internal: fail")
    chat.execute("DROP TRIGGER no_json")
    parts = json.dumps([{"type": "text", "text": "internal: fail"}])
    chat.execute("UPDATE message SET parts = ? WHERE parts = '{'", parts)

    for case, sentence in BY_SQL.items():
        _, messages[case] = ask_and_wait(ada, "server: fail", thread=thread)
        message = messages[case].replace("-", "")
        chat.execute("UPDATE message SET error = ? WHERE id = ?", sentence, message)
        chat.execute("UPDATE run SET error = ? WHERE message_id = ?", sentence, message)

    sentences = {
        one["id"]: one["error"]
        for thread_id in (thread, thread_of_bug)
        for one in all_messages(ada, thread_id)
        if one["status"] == "failed"
    }
    failed = [
        {"case": case, "message": message, "sentence": sentences.pop(message)}
        for case, message in messages.items()
    ]
    assert not sentences
    return failed


def make(chat: FirstRelease) -> dict[str, Any]:
    """Use the installation until its server is killed; returns what its clients hold."""
    for user in (ADA, GRACE, DORA):
        chat.run(
            *("user", "add", user["email"], "--name", user["name"], "--password-stdin"),
            standard_input=user["password"] + "\n",
        )
    chat.run("seed", ADA["email"], "--threads", "8", "--messages", "300")
    for user in (GRACE, DORA):
        chat.run("seed", user["email"], "--threads", "2")

    ada, grace = chat.browser(), chat.browser()
    with chat.serving("database", CHAT_IDLE_SECONDS="1") as process:
        assert sign_in(ada, ADA) == "/"
        assert sign_in(grace, GRACE) == "/"
        secret = grace.post("/api/account/totp").raise_for_status().json()["secret"]
        code = {"code": TOTP(secret).now()}
        confirmed = grace.post("/api/account/totp/confirm", json=code).raise_for_status()
        backup_codes = confirmed.json()["codes"]
        grace.post("/api/auth/signout").raise_for_status()
        assert sign_in(grace, GRACE) == "/signin/code"
        used = backup_codes.pop(0)
        grace.post(
            "/api/auth/callback/second-factor", data={"code": used, "trust": "on", "remember": "on"}
        ).raise_for_status()

        renamed, deleted = ada.get("/api/threads").json()["threads"][2:4]
        ada.patch(f"/api/threads/{renamed['id']}", json={"title": "Häuser & Gärten"})
        ada.delete(f"/api/threads/{deleted['id']}").raise_for_status()
        failed = fail_in_every_way(chat, ada)
        retried, _ = ask_and_wait(ada, "answer: Say it twice.")
        for _ in ada.post(
            "/api/chat", json={"id": retried, "trigger": "regenerate-message"}
        ).iter_bytes():
            pass
        with ask(ada, "story: to be stopped") as (stopped_thread, stopped, chunks):
            words(chunks, 5)
            ada.post(f"/api/chat/{stopped_thread}/stop").raise_for_status()
        dora = chat.browser()
        assert sign_in(dora, DORA) == "/"
        with ask(dora, "story: to be revoked") as (_, _, chunks):
            words(chunks, 5)
            chat.run("user", "disable", DORA["email"])
            for _ in chunks:
                pass
        with ask(ada, "story: to be drained") as (_, drained, chunks):
            words(chunks, 5)
            process.terminate()
            for _ in chunks:
                pass

    ada_jwt, grace_jwt = chat.browser(), chat.browser()
    grace_jwt.cookies.set("chat_device", grace.cookies["chat_device"], domain="localhost.local")
    with chat.serving("jwt") as process:
        assert sign_in(ada_jwt, ADA) == "/"
        assert sign_in(grace_jwt, GRACE) == "/"
        with ask(ada_jwt, "story: to be killed") as (killed_thread, killed, chunks):
            seen = words(chunks, KILLED_AFTER_CHUNKS)
            with ask(grace_jwt, "silence: to be killed") as (queued_thread, queued, _):
                threads = {
                    ADA["email"]: thread_list(ada_jwt),
                    GRACE["email"]: thread_list(grace_jwt),
                }
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    later = f"+{CENTURY_DAYS} days"
    chat.execute("UPDATE remembered_device SET expires_at = datetime(expires_at, ?)", later)
    events = chat.execute(
        "SELECT kind, text FROM run_event JOIN run ON run.id = run_event.run_id "
        "WHERE message_id = ? ORDER BY seq",
        killed.replace("-", ""),
    )
    text = "".join(text for kind, text in events if kind == "text")
    assert text.startswith(seen), "what was shown was not stored"

    statuses = chat.execute("SELECT message_id, status FROM run WHERE finished_at IS NULL")
    unfinished = {killed.replace("-", ""): "running", queued.replace("-", ""): "queued"}
    assert dict(statuses) == unfinished
    cookies = {
        (ADA["email"], "database"): ada,
        (GRACE["email"], "database"): grace,
        (ADA["email"], "jwt"): ada_jwt,
        (GRACE["email"], "jwt"): grace_jwt,
    }
    return {
        "revision": REVISION,
        "app_url": APP_URL,
        "auth_secret": AUTH_SECRET,
        "users": {
            user["email"]: {
                "password": user["password"],
                "name": user["name"],
                "threads": threads.get(user["email"], []),
                "sessions": {
                    strategy: browser.cookies["chat_session"]
                    for (email, strategy), browser in cookies.items()
                    if email == user["email"]
                },
            }
            for user in (ADA, GRACE, DORA)
        },
        "second_factor": {
            "user": GRACE["email"],
            "secret": secret,
            "used_backup_code": used,
            "backup_codes": backup_codes,
            "device_cookie": grace.cookies["chat_device"],
        },
        "answers": {
            "killed": {
                "thread": killed_thread,
                "message": killed,
                "reasoning": "".join(text for kind, text in events if kind == "reasoning"),
                "text": text,
            },
            "queued": {"thread": queued_thread, "message": queued},
            "stopped": {"message": stopped},
            "drained": {"message": drained},
            "failed": failed,
        },
    }


def main(root: Path) -> None:
    """Make both files from a checkout of the first release."""
    revision = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout
    assert revision.startswith(REVISION), f"{root} is at {revision}"
    with tempfile.TemporaryDirectory() as folder, upstream() as models_url:
        chat = FirstRelease(root, Path(folder), models_url)
        installation = make(chat)
        chat.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with closing(sqlite3.connect(chat.data / "chat.db")) as db:
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        content = (chat.data / "chat.db").read_bytes()
    assert str(root).encode() not in content
    (HERE / "chat.db.xz").write_bytes(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))
    (HERE / "installation.json").write_text(
        json.dumps(installation, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
