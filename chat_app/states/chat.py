"""The open thread: a window of its messages, and what the person does in it."""

from collections.abc import Awaitable
from uuid import UUID

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.errors import ChatError, NotFound
from chat_app.services import services
from chat_app.states import views
from chat_app.states.identity import principal
from chat_app.states.views import MessageItem, ModelItem
from chat_app.threads.views import MessageView, Window

WINDOW = 30
"""Messages shown when a thread is opened, and added at each scroll to the top."""


class ChatState(rx.State):
    """The open thread: `history` was there when it was opened, `recent` came since."""

    thread: rx.Field[str] = rx.field("")
    title: rx.Field[str] = rx.field("")
    history: rx.Field[list[MessageItem]] = rx.field(default_factory=list)
    recent: rx.Field[list[MessageItem]] = rx.field(default_factory=list)
    has_older: rx.Field[bool] = rx.field(False)
    busy: rx.Field[bool] = rx.field(False)
    loading: rx.Field[bool] = rx.field(True)
    missing: rx.Field[bool] = rx.field(False)
    accepted: rx.Field[str] = rx.field("")
    refused: rx.Field[str] = rx.field("")
    notice: rx.Field[str] = rx.field("")
    models: rx.Field[list[ModelItem]] = rx.field(default_factory=list)
    model: rx.Field[str] = rx.field("")

    # What history and recent hold; Reflex hands out the items of a list wrapped.
    _history: tuple[MessageItem, ...] = ()
    _recent: tuple[MessageItem, ...] = ()

    @rx.event
    async def older(self):
        """Add the messages before the first one shown."""
        if not self.has_older or not self._history:
            return
        window = await services().threads.window(
            principal(), UUID(self.thread), before=UUID(self._history[0].id), limit=WINDOW
        )
        self.has_older = window.has_older
        self._set_history((*map(views.stored, window.messages), *self._history))

    @rx.event
    async def send(self, client_id: str, thread: str, text: str):
        """Ask. The composer keeps its text until it hears that the server took it.

        Args:
            client_id: Made by the composer; the same id twice is one message.
            thread: The thread on the page, or nothing for a new one: the person asks what they
                see, whatever this state has turned to since.
            text: What the person wrote, at most `message_bytes` bytes.
        """
        if self.refused or self.notice:
            self.refused = self.notice = ""
            yield  # or the same refusal twice would be no news to the page
        try:
            sent = await services().runs.send(
                principal(),
                text=text,
                client_id=client_id,
                thread_id=UUID(thread) if thread else None,
                model=self.model if thread == self.thread else "",
            )
        except NotFound:
            self.refused, self.notice = client_id, "This chat was deleted. Your text is still here."
            return
        except ChatError as error:
            self.refused, self.notice = client_id, error.sentence
            return
        self.accepted = client_id
        if not thread and not self.thread:
            # At once, so that what is typed next goes to the same thread.
            self.thread = str(sent.thread_id)
            yield
            yield rx.redirect(f"/c/{sent.thread_id}")

    @rx.event
    async def stop(self, thread: str):
        """Stop the answer of the thread on the page; what is on screen is kept."""
        if thread:
            await self._try(services().runs.stop_thread(principal(), UUID(thread)))

    @rx.event
    async def retry(self, message_id: str):
        """Answer the same question again; the old answer is kept beside the new one."""
        await self._try(services().runs.retry(principal(), UUID(message_id)))

    @rx.event
    async def pick_model(self, model_id: str):
        """Answer the next messages with another model."""
        if any(model.id == model_id for model in self.models):
            self.model = model_id

    @rx.event
    async def tell(self, sentence: str):
        """Show a sentence. The program sends it when a handler could not do its work."""
        self.notice = sentence

    @rx.event
    async def dismiss(self):
        """Close the notice."""
        self.notice = ""

    def _turn_to(self, thread: str | None) -> None:
        """Forget the thread that was open, at once; nothing of the next is known yet.

        Args:
            thread: The next one, nothing for an empty chat, or None for an address of no thread.
        """
        self._blank()
        self.thread, self.missing, self.loading = thread or "", thread is None, bool(thread)

    def _blank(self) -> None:
        self.reset()

    def _offer_models(self) -> None:
        listed = services().models.all()
        if not listed:
            return
        default = services().models.default()
        if default not in listed:  # the operator may have chosen one that is not offered
            listed = (default, *listed)
        models = [ModelItem(model.id, model.name) for model in listed]
        if models != list(self.models):
            self.models = models
        if not self.model and not self.thread:  # a thread goes on with the model it had
            self.model = default.id

    async def _try(self, action: Awaitable[object]) -> None:
        try:
            await action
        except ChatError as error:
            self.notice = error.sentence

    async def _reload(self, who: Principal) -> None:
        """Read the window again, whole."""
        if not self.thread:
            return
        try:
            window = await services().threads.window(who, UUID(self.thread), limit=WINDOW)
        except NotFound:
            self._turn_to(self.thread)
            self.missing, self.loading = True, False
            return
        live = [m for m in window.messages if m.run_id]
        settled = [m for m in window.messages if not m.run_id]
        self._set_history(tuple(map(views.stored, settled)))
        self._set_recent(tuple(map(views.arrived, live)))
        self.has_older, self.loading, self.missing = window.has_older, False, False
        self._head(window)

    async def _arrived_as(self, who: Principal, handle: str) -> MessageView | None:
        """The message whose text travels under a handle, as the database has it now."""
        row = next((row for row in self._recent if row.handle == handle), None)
        if row is None or not self.thread:
            return None
        try:
            limit = len(self._recent)
            window = await services().threads.window(who, UUID(self.thread), limit=limit)
        except NotFound:
            return None
        return next((m for m in window.messages if str(m.id) == row.id), None)

    async def _advance(self, who: Principal) -> tuple[Window | None, list[MessageView]]:
        """Take in what is new at the end of the thread.

        Returns:
            The window, and the messages whose text must be sent as frames.
        """
        if not self.thread:
            return None, []
        try:
            window = await services().threads.window(who, UUID(self.thread), limit=4)
        except NotFound:
            await self._reload(who)
            return None, []
        turn = views.advance(self._history, self._recent, window)
        if turn.reload or self.missing or self.loading:
            await self._reload(who)
        else:
            self._set_recent(tuple(turn.recent))
        self._head(window)
        return window, turn.texts

    # A var is sent whole when it is assigned, so only a real change assigns it.
    def _set_history(self, rows: tuple[MessageItem, ...]) -> None:
        if rows != self._history:
            self._history, self.history = rows, list(rows)

    def _set_recent(self, rows: tuple[MessageItem, ...]) -> None:
        if rows != self._recent:
            self._recent, self.recent = rows, list(rows)

    def _head(self, window: Window) -> None:
        if not self.model:
            offered = {model.id for model in self.models}
            last = window.thread.model
            self.model = last if last in offered else services().models.default().id
        if self.title != window.thread.title:
            self.title = window.thread.title
        if self.busy != (window.run is not None):
            self.busy = window.run is not None
