"""An update goes straight into the queue of its socket."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from engineio.packet import MESSAGE
from reflex.state import StateUpdate
from reflex.utils.token_manager import SocketRecord

from chat_app.chat_app import app
from chat_app.reflex_ext.event_namespace import SafeEventNamespace
from testing.reflex_tabs import socket_frame

UPDATE = StateUpdate(delta={"live": {"f": ["h", 0, "text"]}})


class Queue:
    """The queue of a socket."""

    def __init__(self) -> None:
        self.packets: list[Any] = []
        self.closed = False
        self.queue = SimpleNamespace(put_nowait=self.packets.append)


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Queue:
    queue, manager = Queue(), app.sio.manager  # pyright: ignore[reportOptionalMemberAccess]
    monkeypatch.setitem(_namespace()._token_manager.token_to_socket, "tab", _record("sid"))
    monkeypatch.setattr(
        manager, "eio_sid_from_sid", lambda sid, _: "engine" if sid == "sid" else None
    )
    monkeypatch.setitem(app.sio.eio.sockets, "engine", queue)  # pyright: ignore
    return queue


def _namespace() -> SafeEventNamespace:
    assert isinstance(app.event_namespace, SafeEventNamespace)
    return app.event_namespace


def _record(sid: str) -> SocketRecord:
    return SocketRecord(instance_id=_namespace()._token_manager.instance_id, sid=sid)


async def test_an_update_is_the_packet_that_socket_io_would_make(queue: Queue) -> None:
    await _namespace().emit_update(UPDATE, "tab")
    (packet,) = queue.packets
    assert packet.packet_type == MESSAGE
    assert packet.encode() == socket_frame(UPDATE).replace(", ", ",").replace(": ", ":")


async def test_a_closed_tab_is_sent_nothing_and_its_token_is_not_logged(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    queue.closed = True
    await _namespace().emit_update(UPDATE, "tab")
    await _namespace().emit_update(UPDATE, "a token that nobody has")
    assert queue.packets == []
    assert "token" not in caplog.text
