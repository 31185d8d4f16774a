"""The open thread: a window of its messages, and what the person does in it."""

from collections.abc import Awaitable
from uuid import UUID

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.core.errors import ChatError, NotFound
from chat_app.reflex_ext.events import route_argument
from chat_app.services import services
from chat_app.states import views
from chat_app.states.page_window import PAGE, PageWindow
from chat_app.states.principal import principal
from chat_app.states.views import MessageItem, ModelItem
from chat_app.threads.views import MessageView, Window

FEW = 4
"""Messages that are read to see what is new at the end of a thread."""


class ChatState(rx.State):
    """The open thread: pages of what was there when it was opened, and `recent`, what came since.

    A var is sent whole, so each page has one: scrolling sends one page, however many were read.
    """

    thread: rx.Field[str] = rx.field("")
    title: rx.Field[str] = rx.field("")
    page0: rx.Field[list[MessageItem]] = rx.field(default_factory=list)
    page1: rx.Field[list[MessageItem]] = rx.field(default_factory=list)
    page2: rx.Field[list[MessageItem]] = rx.field(default_factory=list)
    page3: rx.Field[list[MessageItem]] = rx.field(default_factory=list)
    page4: rx.Field[list[MessageItem]] = rx.field(default_factory=list)
    page5: rx.Field[list[MessageItem]] = rx.field(default_factory=list)
    order: rx.Field[list[int]] = rx.field(default_factory=list)
    recent: rx.Field[list[MessageItem]] = rx.field(default_factory=list)
    has_older: rx.Field[bool] = rx.field(False)
    has_newer: rx.Field[bool] = rx.field(False)
    busy: rx.Field[bool] = rx.field(False)
    loading: rx.Field[bool] = rx.field(True)
    missing: rx.Field[bool] = rx.field(False)
    accepted: rx.Field[str] = rx.field("")
    refused: rx.Field[str] = rx.field("")
    notice: rx.Field[str] = rx.field("")
    models: rx.Field[list[ModelItem]] = rx.field(default_factory=list)
    model: rx.Field[str] = rx.field("")

    # What the pages and recent hold; Reflex hands out the items of a list wrapped.
    _page_window: PageWindow = PageWindow()
    _recent: tuple[MessageItem, ...] = ()

    @rx.event
    async def older(self):
        """Show the page above the first message shown."""
        first = self._page_window.first
        if not self.has_older or first is None:
            return
        window = await services().threads.window(
            principal(), UUID(self.thread), before=UUID(first.id), limit=PAGE
        )
        self.has_older = window.has_older
        self._set_page_window(self._page_window.up(tuple(map(views.stored, window.messages))))

    @rx.event
    async def newer(self):
        """Show the page below again, which was let go for one far above."""
        below = self._page_window.page_below
        if below is None:
            return
        (first, after), rows = below, self._page_window.end
        if after:
            window = await services().threads.window(
                principal(), UUID(self.thread), before=UUID(after), limit=PAGE
            )
            rows = tuple(map(views.stored, window.messages))
        if not rows or rows[0].id != first:  # the thread is no longer what it was there
            self._set_page_window(PageWindow())
            await self._reload(principal())
            return
        self.has_older = True
        self._set_page_window(self._page_window.down(rows))

    @rx.event
    async def latest(self):
        """Show the end of the thread, and let go of what was read above it."""
        if self.has_newer:
            self.has_older = True
            self._set_page_window(PageWindow.at_end(self._page_window.end))

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
            self.refused, self.notice = client_id, error.message
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
    async def tell(self, message: str, refused: str | None = None):
        """Show a message. The program sends it when a handler could not do its work.

        Args:
            message: One sentence for the user.
            refused: The client id of a message that could not be sent; its text stays.
        """
        if refused is not None:
            self.refused = self.notice = ""
            yield
            self.refused = refused
        self.notice = message

    @rx.event
    async def dismiss(self):
        """Close the notice."""
        self.notice = ""

    def _turn_to_address(self) -> bool:
        """Forget the thread that was open when the address names another; whether it did."""
        wanted = views.address(route_argument(self, "thread"))
        if wanted is not None and wanted == self.thread:
            return False
        self._turn_to(wanted)
        return True

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
            self.notice = error.message

    async def _reload(self, who: Principal) -> None:
        """Read the end of the thread again. Who reads further up stays there."""
        if not self.thread:
            self.loading = False
            return
        known = len(self._page_window.end) + len(self._recent)
        limit = known + FEW if self._page_window.end else PAGE
        try:
            window = await services().threads.window(who, UUID(self.thread), limit=limit)
        except NotFound:
            self._turn_to(self.thread)
            self.missing, self.loading = True, False
            return
        settled = tuple(views.stored(m) for m in window.messages if not m.run_id)
        rows = self._page_window.joined(settled)
        if rows is None:
            self.has_older = window.has_older or len(settled) > PAGE
            self._set_page_window(PageWindow.at_end(settled[-PAGE:]))
        else:
            self._set_page_window(self._page_window.renewed(rows))
        self._set_recent(tuple(views.arrived(m) for m in window.messages if m.run_id))
        self.loading = self.missing = False
        self._head(window)

    async def _arrived_as(self, who: Principal, stream_id: str) -> MessageView | None:
        """The message whose text travels under a handle, as the database has it now."""
        row = next((row for row in self._recent if row.stream_id == stream_id), None)
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
            window = await services().threads.window(who, UUID(self.thread), limit=FEW)
        except NotFound:
            await self._reload(who)
            return None, []
        turn = views.advance(self._page_window.end, self._recent, window)
        if turn.reload or self.missing or self.loading:
            await self._reload(who)
        else:
            self._set_recent(tuple(turn.recent))
        self._head(window)
        return window, turn.texts

    # A var is sent whole when it is assigned, so only a real change assigns it.
    def _set_page_window(self, page_window: PageWindow) -> None:
        before, self._page_window = self._page_window, page_window
        for slot, rows in enumerate(page_window.slots):
            if rows != before.slots[slot]:
                setattr(self, f"page{slot}", list(rows))
        if page_window.order != before.order:
            self.order = list(page_window.order)
        if self.has_newer != bool(page_window.below):
            self.has_newer = bool(page_window.below)

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
