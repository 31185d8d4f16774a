"""A user over HTTP and raw sockets, without a browser, that records what it receives.

What is compared later is what came over the wire, not what the program says it sent.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
from websockets.exceptions import ConnectionClosed

from chat_app.states.chat import ChatState
from chat_app.states.feed import Feed
from chat_app.states.thread_list import ThreadListState
from testing.socket_client import SocketClient, connect
from testing.stream_chunks import chunks_of

PASSWORD = "a long enough pass phrase 7"
HYDRATE = "reflex___state____state.hydrate_and_load"
CHAT = ChatState.get_full_name()
LIST = ThreadListState.get_full_name()
FEED = Feed.get_full_name()
TAIL = "tail"
"""The var of `ChatState` that holds the newest messages."""

Answer = tuple[int, Any]


@dataclass
class ReceivedAnswer:
    """What reached a reader of one answer.

    Attributes:
        status: The HTTP status, 0 when none came.
        refusal: The sentence of an answer that is no stream.
        text: The text so far.
        reasoning: The reasoning so far.
        end: The kind of the last event: `finish`, `abort` or `error`; empty when it was cut off.
        error: The sentence the stream ended with.
    """

    thread: str = ""
    message: str = ""
    status: int = 0
    refusal: str = ""
    text: str = ""
    reasoning: str = ""
    end: str = ""
    error: str = ""
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, event: Mapping[str, Any]) -> None:
        """Take in one event of the stream."""
        match event["type"]:
            case "start":
                self.message = event["messageId"]
                self.thread = event["messageMetadata"]["threadId"]
            case "text-delta":
                self.text += event["delta"]
                self.begun.set()
            case "reasoning-delta":
                self.reasoning += event["delta"]
                self.begun.set()
            case "error":
                self.end, self.error = "error", event["errorText"]
            case "abort" | "finish":
                self.end = self.end or event["type"]


class HttpUser:
    """One user with a session.

    Args:
        url: The program's origin.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.email = f"person-{uuid4().hex}@example.com"
        self.http = httpx.AsyncClient(
            verify=False, base_url=url, headers={"Origin": url}, timeout=30, trust_env=False
        )

    async def sign_up(self) -> "HttpUser":
        """Make the account and the session."""
        await self._enter("/api/auth/signup")
        return self

    async def sign_in(self) -> None:
        """Begin another session."""
        await self._enter("/api/auth/callback/credentials")

    async def _enter(self, path: str) -> None:
        form = {"email": self.email, "password": PASSWORD, "name": "Ada"}
        answer = await self.http.post(path, data=form)
        assert "error" not in answer.headers["location"], answer.headers["location"]

    @property
    def cookie(self) -> str:
        """The Cookie header of this person."""
        return "; ".join(f"{name}={value}" for name, value in self.http.cookies.items())

    async def is_signed_in(self) -> bool:
        """Whether the program knows the session."""
        return bool((await self.http.get("/api/auth/session")).json())

    async def new_key(self, *scopes: str) -> tuple[str, str]:
        """Create an API key: its id and the key.

        Args:
            scopes: What it may do; none for everything about chats.
        """
        wanted = scopes or ("chat", "threads:read", "threads:write", "models")
        body = {"name": "Script", "scopes": wanted, "expiresInDays": 30}
        made = await self.http.post("/api/account/api-keys", json=body)
        return made.raise_for_status().json()["id"], made.json()["key"]

    async def revoke_key(self, key_id: str) -> None:
        """Revoke an API key."""
        (await self.http.delete(f"/api/account/api-keys/{key_id}")).raise_for_status()

    async def new_thread(self) -> str:
        """Begin an empty thread; its id."""
        return (await self.http.post("/api/threads", json={})).raise_for_status().json()["id"]

    async def threads(self) -> list[dict[str, Any]]:
        """The newest threads."""
        answer = await self.http.get("/api/threads", params={"limit": 100})
        return answer.raise_for_status().json()["threads"]

    async def messages(self, thread: str) -> list[dict[str, Any]]:
        """The newest messages of a thread, oldest first."""
        answer = await self.http.get(f"/api/threads/{thread}/messages")
        return answer.raise_for_status().json()["messages"]

    async def message(self, thread: str, message: str) -> dict[str, Any] | None:
        """One message as it is stored."""
        return next((m for m in await self.messages(thread) if m["id"] == message), None)

    async def ask(
        self, text: str, heard: ReceivedAnswer | None = None, **more: Any
    ) -> ReceivedAnswer:
        """Send a message and read its answer to the end, or until the connection is lost.

        Args:
            text: The message.
            heard: What to fill, for who wants to look meanwhile.
            more: Further fields of the request: `id` (the thread), `model`, `client_id`.
        """
        client_id = more.pop("client_id", None) or uuid4().hex
        said = {"id": client_id, "role": "user", "parts": [{"type": "text", "text": text}]}
        return await self._read({"messages": [said], **more}, heard or ReceivedAnswer())

    async def retry(self, thread: str, message: str) -> ReceivedAnswer:
        """Have an answer tried again, and read it."""
        body = {"trigger": "regenerate-message", "id": thread, "messageId": message}
        return await self._read(body, ReceivedAnswer())

    async def _read(self, body: Mapping[str, Any], heard: ReceivedAnswer) -> ReceivedAnswer:
        with suppress(OSError, asyncio.IncompleteReadError):
            await _post(self.url, "/api/chat", self.cookie, body, heard)
        return heard


async def _post(
    url: str, path: str, cookie: str, body: Mapping[str, Any], heard: ReceivedAnswer
) -> None:
    """POST and read a chunked answer, by hand: one event costs the reader next to nothing."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection("127.0.0.1", address.port)
    try:
        sent = json.dumps(body).encode()
        head = {
            "Host": address.netloc,
            "Origin": url,
            "Cookie": cookie,
            "Content-Type": "application/json",
            "Content-Length": str(len(sent)),
            "Connection": "close",
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        writer.write(f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + sent)
        came = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        heard.status = int(came.split(" ", 2)[1])
        if "transfer-encoding: chunked" not in came:
            heard.refusal = json.loads(await reader.read())["message"]
            return
        kept = b""
        while size := int((await reader.readline()).strip() or b"0", 16):
            kept += (await reader.readexactly(size + 2))[:-2]
            *events, kept = kept.split(b"\n\n")
            for event in events:
                if event.startswith(b"data: {"):
                    heard.take(json.loads(event[6:]))
    finally:
        writer.close()


class SocketTab:
    """An open socket with a thread on it.

    Attributes:
        texts: The last text part under each stream id.
        reasoning: The last reasoning part under each stream id.
        ends: How the answer under a stream id ended.
        stream_ids: The stream id of each message by its id.
        state: The last value of each var of the chat and the list.
        closed: Set when the socket is gone.
    """

    def __init__(self, socket: SocketClient, thread: str) -> None:
        self.thread = thread
        self.texts: dict[str, str] = {}
        self.reasoning: dict[str, str] = {}
        self._reasoning_parts: set[tuple[str, int]] = set()
        self.ends: dict[str, str] = {}
        self.stream_ids: dict[str, str] = {}
        self.state: dict[str, Any] = {}
        self.closed = asyncio.Event()
        self.frames = 0
        self.hook: Any = None
        self._socket = socket
        self._news = asyncio.Event()

    async def boot(self) -> None:
        """Load the page."""
        await self._socket.boot(self._event(HYDRATE, {}))

    async def call(self, name: str, **payload: Any) -> None:
        """Call an event handler by its full name."""
        event = self._event(name, payload)
        await self._socket.send_raw(f"42/_event,{json.dumps(['event', event])}")

    async def until(self, found: Any, seconds: float = 30) -> None:
        """Wait until `found()` holds.

        Raises:
            TimeoutError: It never does, or the socket has closed.
        """
        async with asyncio.timeout(seconds):
            while not found():
                self._news.clear()
                await self._news.wait()

    def text_of(self, message: str) -> str:
        """What came of a message's text."""
        return self.texts.get(self.stream_ids.get(message, ""), "")

    async def listen(self) -> None:
        """Take everything in, until the socket is gone."""
        try:
            for frame in self._socket.frames:
                self._take(frame)
            while True:
                self._socket.frames.clear()
                self._take(await self._socket.receive())
        except (ConnectionClosed, TimeoutError):
            self.closed.set()

    def _event(self, name: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        path = f"/c/{self.thread}" if self.thread else "/"
        query = {"thread": self.thread} if self.thread else {}
        return {
            "name": name,
            "payload": payload,
            "router_data": {"pathname": path, "asPath": path, "query": query},
        }

    def _take(self, frame: Any) -> None:
        if isinstance(frame, list) and frame[0] == "event":
            delta = frame[1].get("delta") or {}
            for chunk in chunks_of(delta.get(FEED, {}).get("f_rx_state_") or []):
                self._chunk(*chunk)
            for name in (CHAT, LIST):
                for var, value in delta.get(name, {}).items():
                    self.state[var.removesuffix("_rx_state_")] = value
                    if var == f"{TAIL}_rx_state_":
                        self.stream_ids |= {row["id"]: row["stream_id"] for row in value}
        self._news.set()

    def _chunk(
        self, stream_id: str, part: int, third: Any, text: str = "", end: str = "", _count: int = 0
    ) -> None:
        if part < 0:
            self.ends[stream_id] = end
        elif isinstance(third, int):  # an offset
            self.frames += 1
            is_reasoning = (stream_id, part) in self._reasoning_parts
            texts = self.reasoning if is_reasoning else self.texts
            had = texts.get(stream_id, "").encode("utf-16-le")[: 2 * third]
            texts[stream_id] = had.decode("utf-16-le") + text
        elif third.get("type") == "reasoning":
            self._reasoning_parts.add((stream_id, part))
            self.reasoning[stream_id] = third["text"]
        if self.hook is not None:
            self.hook(stream_id, text)


@asynccontextmanager
async def open_tab(
    person: HttpUser, thread: str = "", *, wait: bool = True
) -> AsyncIterator[SocketTab]:
    """Open a page over a raw socket and keep listening.

    Args:
        person: Whose session.
        thread: The thread to show; empty is a new chat.
        wait: Whether to wait until it is loaded.
    """
    async with connect(person.url, cookie=person.cookie, origin=person.url) as socket:
        one = SocketTab(socket, thread)
        await one.boot()
        listening = asyncio.create_task(one.listen())
        try:
            if wait:
                await one.until(lambda: one.state.get("loaded") and one.state.get("models"))
            yield one
        finally:
            listening.cancel()
            await asyncio.wait({listening})
