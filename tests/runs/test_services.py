"""The live parts together: wired from settings, started, swept, stopped."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from chat_app.auth.principal import Principal
from chat_app.core.errors import DatabaseBusy, Unavailable
from chat_app.db.tables import AuthSession, ClientReport, OneTimeToken, Thread, User
from chat_app.runs.follow import EndEvent
from chat_app.services import Services, install, services
from chat_app.settings import Settings, read_settings
from testing.auth_api import everything_logged
from testing.auth_services import issue_session
from testing.database import DatabaseUnderTest, create_tables, only_sqlite
from testing.full_disk import token_row
from testing.run_services import SteppingClock, VirtualThrottle, rest_of, text_of

SLOW = "fake:500x60000"
"""A model that says one word and then nothing for a minute."""
QUICK = "fake:50x0"


@pytest.fixture
def settings(database: DatabaseUnderTest) -> Settings:
    return read_settings(
        _env_file=None,
        **database.settings,
        fake_models=True,
        embedded_model=False,
        chat_model=QUICK,
        chat_titles=False,
    )


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Services]:
    live = Services(settings, clock=SteppingClock(), flush_throttle=VirtualThrottle())
    await create_tables(live.db)
    await live.start()
    try:
        yield live
    finally:
        await live.stop()


async def signed_in(live: Services) -> Principal:
    user = User(email="alice@chat.example")
    async with live.db.system("auth", write=True) as session:
        session.add(user)
    issued = await issue_session(live, user.id)
    return Principal(user.id, issued.session_id)


async def test_a_message_is_answered_by_the_default_model(settings: Settings):
    async with serving(settings) as live:
        alice = await signed_in(live)
        sent = await live.runs.send(alice, text="hi", client_id="c1")
        events = await rest_of(live.runs.follow(alice, sent.run_id))
        window = await live.threads.window(alice, sent.thread_id)
        assert window.messages[-1].text == text_of(events) != ""
        assert window.messages[-1].model == QUICK


async def test_what_an_operator_probably_did_not_intend_is_logged_at_the_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("CHAT_MODLES", "x")
    with everything_logged(caplog):
        async with serving(settings):
            pass
    (warning,) = [one for one in caplog.records if "CHAT_MODLES" in one.message]
    assert warning.levelname == "WARNING"
    assert warning.message == (
        "CHAT_MODLES is not a setting and has no effect; did you mean CHAT_MODELS?"
    )


async def test_stopping_keeps_the_text_of_every_answer(settings: Settings):
    async with serving(settings) as live:
        alice = await signed_in(live)
        sent = await live.runs.send(alice, text="hi", client_id="c1", model=SLOW)
        first = await anext(live.runs.follow(alice, sent.run_id))
    async with serving(settings) as live:
        window = await live.threads.window(alice, sent.thread_id)
        assert window.messages[-1].status == "interrupted"
        assert window.messages[-1].text == text_of([first]) != ""
        assert window.run is None


async def test_a_start_after_a_crash_shows_what_was_seen(settings: Settings):
    async with serving(settings) as lost:
        alice = await signed_in(lost)
        sent = await lost.runs.send(alice, text="hi", client_id="c1", model=SLOW)
        first = await anext(lost.runs.follow(alice, sent.run_id))
        async with serving(settings) as live:
            events = await rest_of(live.runs.follow(alice, sent.run_id))
            assert events[0] == first
            assert isinstance(events[-1], EndEvent)
            assert events[-1].status == "interrupted"


async def test_a_stopped_server_accepts_nothing(settings: Settings):
    async with serving(settings) as live:
        alice = await signed_in(live)
        await live.runs.drain()
        with pytest.raises(Unavailable):
            await live.runs.send(alice, text="hi", client_id="c1")


async def test_an_expired_session_ends_its_answers_at_the_next_sweep(settings: Settings):
    clock = SteppingClock()
    live = Services(settings, clock=clock, flush_throttle=VirtualThrottle())
    await create_tables(live.db)
    await live.start()
    alice = await signed_in(live)
    sent = await live.runs.send(alice, text="hi", client_id="c1", model=SLOW)
    reader = live.runs.follow(alice, sent.run_id)
    await anext(reader)
    clock.time += timedelta(hours=settings.session_max_hours + 1)
    await live.sweep()
    (end,) = await rest_of(reader)
    assert isinstance(end, EndEvent)
    assert end.status == "revoked"
    await live.stop()


async def test_a_lost_signal_is_repaired_by_the_next_sweep(settings: Settings):
    async with serving(settings) as live:
        alice = await signed_in(live)
        sent = await live.runs.send(alice, text="hi", client_id="c1", model=SLOW)
        reader = live.runs.follow(alice, sent.run_id)
        await anext(reader)
        async with live.db.system("auth", write=True) as session:
            row = await session.get(AuthSession, alice.credential_id)
            assert row is not None
            row.revoked_at = row.created_at  # no signal is published
        await live.sweep()
        (end,) = await rest_of(reader)
        assert isinstance(end, EndEvent)
        assert end.status == "revoked"


@only_sqlite
async def test_a_purge_that_fails_keeps_nothing_else_from_being_removed(
    settings: Settings, caplog: pytest.LogCaptureFixture
):
    live = Services(settings, clock=SteppingClock(), flush_throttle=VirtualThrottle())
    await create_tables(live.db)
    alice = await signed_in(live)
    old = live.clock() - timedelta(days=1_000)
    async with live.db.system("sweep", write=True) as session:
        connection = await session.connection()
        for table in ("thread", "client_report"):
            await connection.exec_driver_sql(
                f"CREATE TRIGGER keep_{table} BEFORE DELETE ON {table} "
                "BEGIN SELECT RAISE(ABORT, 'kept'); END"
            )
        session.add(Thread(owner_id=alice.user_id, deleted_at=old))
        session.add(
            ClientReport(owner_id=alice.user_id, kind="run", content={}, size=2, created_at=old)
        )
        session.add(OneTimeToken(**{**token_row("expired"), "expires_at": old}))

    async def left() -> list[int]:
        tables: tuple[Any, ...] = (Thread, ClientReport, OneTimeToken)
        async with live.db.system("sweep") as session:
            return [len((await session.exec(select(table.id))).all()) for table in tables]

    for kept, expected in (("thread", [1, 1, 0]), ("client_report", [0, 1, 0]), ("", [0, 0, 0])):
        with everything_logged(caplog):
            await live.purge()
        assert await left() == expected
        async with live.db.system("sweep", write=True) as session:
            connection = await session.connection()
            await connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS keep_{kept}")
    await live.stop()


async def test_stopping_twice_is_harmless(settings: Settings):
    async with serving(settings) as live:
        await live.stop()


async def test_a_use_of_a_key_that_is_not_written_keeps_no_model_open(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    go_on, is_closed = asyncio.Event(), asyncio.Event()

    async def write_later(*_: object, **__: object) -> None:
        await go_on.wait()
        raise DatabaseBusy

    async def close() -> None:
        is_closed.set()

    async with serving(settings) as live:
        alice = await signed_in(live)
        made = await live.api_keys.create(alice, name="Script", scopes=["chat"], days=7)
        assert await live.api_keys.resolve(made.token) is not None
        with monkeypatch.context() as patched:
            patched.setattr(live.db, "system_transact", write_later)
            patched.setattr(live.models, "close", close)
            await live.stop()
            assert is_closed.is_set()
            go_on.set()
            await live.api_keys.idle()


def test_services_that_were_not_installed_are_an_error(settings: Settings):
    install(None)
    with pytest.raises(RuntimeError):
        services()
    live = Services(settings)
    install(live)
    assert services() is live
    install(None)


async def test_models_without_a_server_are_named_at_the_start(
    settings: Settings, caplog: pytest.LogCaptureFixture
):
    unserved = settings.model_copy(update={"chat_models": ("gpt-5.4",)})
    with everything_logged(caplog):
        async with serving(unserved):
            pass
    assert (
        caplog.messages.count(
            "CHAT_MODELS has no effect without OPENAI_API_KEY or OPENAI_BASE_URL."
        )
        == 1
    )
