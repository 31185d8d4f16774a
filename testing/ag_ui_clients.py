"""Agents of AG-UI's own client, in a process of bun's, that speak to `testing.ai_sdk_clients`."""

from collections.abc import Iterable
from itertools import count
from typing import Any, Protocol

from ag_ui.core import Event
from pydantic import TypeAdapter

from testing.ai_sdk_clients import Clients

_numbers = count()
_EVENT: TypeAdapter[Any] = TypeAdapter(Event)


def check_events(events: Iterable[Any]) -> None:
    """Check that events are valid in the eyes of the types of `ag-ui-protocol`, and no more."""
    for event in events:
        assert not _EVENT.validate_python(event).model_extra, event


class Agent:
    """One agent of one client: what it knows of a thread."""

    def __init__(self, clients: Clients, name: str) -> None:
        self._clients = clients
        self._name = name

    async def run(self, message: dict[str, Any] | None = None, model: str = "") -> Any:
        """Send a message, or none, and read the run to its end; what the agent has after that."""
        return await self._clients.call("run", chat=self._name, message=message, model=model)

    async def connect(self) -> Any:
        """Follow the answer that is being written to its end; what the agent has after that."""
        return await self._clients.call("connect", chat=self._name)

    async def seen(self, text: str) -> Any:
        """Wait until a text is in the messages; what the agent has then."""
        return await self._clients.call("seen", chat=self._name, text=text)

    async def disconnect(self) -> None:
        """Stop reading, as a page that is left does."""
        await self._clients.call("disconnect", chat=self._name)


class AgentServer(Protocol):
    """Where agents connect to.

    Attributes:
        url: The server's origin.
        headers: What the user's requests carry.
    """

    url: str
    headers: dict[str, str]


async def open_agent(
    clients: Clients, server: AgentServer, thread_id: str, **options: Any
) -> Agent:
    """A new agent for a thread.

    Args:
        clients: The process.
        server: The server, as its user.
        thread_id: The thread, as the agent names it.
        options: Those of `HttpAgent`, and its `version`: `now` is 1.0, `before` is an earlier one;
            `package.json` has the exact ones.
    """
    name = f"agent-{next(_numbers)}"
    given = {"version": "now", "url": f"{server.url}/api/ag-ui", "headers": server.headers}
    await clients.call("open", chat=name, options={**given, "threadId": thread_id, **options})
    return Agent(clients, name)
