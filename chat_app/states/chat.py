"""The open thread: a window of its messages, and what the user does in it."""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any
from uuid import UUID

import reflex as rx

from chat_app.auth.principal import Principal
from chat_app.core.errors import ChatError, Conflict, DatabaseError, NotFound
from chat_app.db.tables import PRIVATE
from chat_app.llm.base import Model, ProviderError
from chat_app.llm.registry import UnknownModel
from chat_app.reflex_ext.events import route_argument
from chat_app.runs.model_access import NoModelAllowed
from chat_app.services import services
from chat_app.states import NoticeState, current_principal, notify, try_action
from chat_app.states.chat_view import NEWEST, ChatView, NewChat, advance
from chat_app.states.model_views import ModelItem, OptionsItem, model_item
from chat_app.states.page_window import PAGE, PageWindow
from chat_app.states.thread_list import ThreadListState, current_organisation
from chat_app.states.views import MessageItem, stored, thread_of_route
from chat_app.threads.options import changed_options
from chat_app.threads.views import MessageView, ThreadSummary, Window


class ChatState(NoticeState, rx.State):
    """The open thread: pages of what was there when it was opened, and `tail` for the rest.

    A var is sent whole, so each page has one: scrolling sends one page, however many were read.
    """

    thread: rx.Field[str] = rx.field("")
    title: rx.Field[str] = rx.field("")
    archived: rx.Field[bool] = rx.field(False)
    page0: rx.Field[list[MessageItem]] = rx.field(default_factory=list)
    page1: rx.Field[list[MessageItem]] = rx.field(default_factory=list)
    page2: rx.Field[list[MessageItem]] = rx.field(default_factory=list)
    page3: rx.Field[list[MessageItem]] = rx.field(default_factory=list)
    page4: rx.Field[list[MessageItem]] = rx.field(default_factory=list)
    page5: rx.Field[list[MessageItem]] = rx.field(default_factory=list)
    order: rx.Field[list[int]] = rx.field(default_factory=list)
    tail: rx.Field[list[MessageItem]] = rx.field(default_factory=list)
    has_older: rx.Field[bool] = rx.field(False)
    has_newer: rx.Field[bool] = rx.field(False)
    busy: rx.Field[bool] = rx.field(False)
    continuable: rx.Field[str] = rx.field("")
    loading: rx.Field[bool] = rx.field(True)
    missing: rx.Field[bool] = rx.field(False)
    accepted: rx.Field[str] = rx.field("")
    opened: rx.Field[str] = rx.field("")
    refused: rx.Field[str] = rx.field("")
    sought: rx.Field[str] = rx.field("")
    models: rx.Field[list[ModelItem]] = rx.field(default_factory=list)
    model: rx.Field[str] = rx.field("")
    model_note: rx.Field[str] = rx.field("")
    options: rx.Field[OptionsItem | None] = rx.field(None)
    options_saved: rx.Field[str] = rx.field("")
    options_refused: rx.Field[str] = rx.field("")
    options_problem: rx.Field[str] = rx.field("")

    # What the vars show; Reflex hands out the items of a list wrapped.
    _view: ChatView = ChatView()

    @rx.event
    async def older(self):
        """Show the page above the first message shown."""
        view, principal = self._view, current_principal()
        first = view.history.first
        if view.has_older and first is not None:
            thread, before = UUID(view.thread), UUID(first.id)
            window = await services().threads.window(principal, thread, before=before, limit=PAGE)
            show(self, view.up(window))

    @rx.event
    async def newer(self):
        """Show the page below again, which was evicted for one far above."""
        view, principal = self._view, current_principal()
        evicted = view.history.next_evicted
        if evicted is None:
            return
        (first, after), rows = evicted, view.history.end
        if after:
            window = await _read_up_to(first, principal, view.thread, PAGE, before=UUID(after))
            rows = tuple(map(stored, window.messages)) if window else ()
        if rows and rows[0].id == first:
            show(self, view.down(rows))
        else:  # the thread has changed there
            show(self, replace(view, history=PageWindow()))
            await reload_thread(self, principal)

    @rx.event
    async def latest(self):
        """Show the end of the thread, and evict what was read above it."""
        if self.has_newer:
            show(self, self._view.at_end())

    @rx.event
    async def seek(self, message_id: str):
        """Show the page of a message that was scrolled out of the part that is shown."""
        if self.thread and not self.missing:
            await show_message(self, current_principal(), message_id)

    @rx.event
    async def send(
        self,
        client_id: str,
        thread: str,
        text: str,
        model: str = "",
        options: dict[str, Any] | None = None,
        organisation: str = "",
    ):
        """Send a message. The composer keeps its text until the server has accepted it.

        The event says what the page showed, because this state may have opened another thread
        since, or not yet have opened the one in the URL. And the page opens a new thread itself:
        only it knows whether the user has moved on.

        Args:
            client_id: Made by the composer; the same id twice is one message.
            thread: The thread on the page, or empty for a new one.
            text: At most `message_bytes` bytes.
            model: The model on the page. One that was picked since wins: the page may not show it
                yet.
            options: Those on the page for a new thread; a thread has its own.
            organisation: The one on the page, in which a new thread is made; empty for Personal.
        """
        if self.refused or self.notice:
            self.refused = self.notice = ""
            yield  # else a second refusal like the first would not reach the page
        try:
            sent = await services().runs.send(
                current_principal(),
                text=text,
                client_id=client_id,
                thread_id=UUID(thread) if thread else None,
                model=(self.model if thread == self.thread else "") or model,
                options=None if thread else options,
                org_id=UUID(organisation) if organisation and not thread else PRIVATE,
            )
        except NotFound:
            self.refused = client_id
            notify(self, _CHAT_DELETED if thread else _LEFT)
            return
        except ChatError as error:
            self.refused = client_id
            notify(self, error.message)
            if isinstance(error, (UnknownModel, NoModelAllowed)):
                await offer_anew(self, current_principal(), thread)
            return
        self.accepted, self.opened = client_id, str(sent.thread_id)
        if not thread and not self.thread:
            # At once, so that the next message goes to the same thread.
            show(self, replace(self._view, thread=self.opened))

    @rx.event
    async def stop(self, thread: str):
        """Stop the answer of the thread on the page; what is on screen is kept."""
        if thread:
            await try_action(self, services().runs.stop_thread(current_principal(), UUID(thread)))

    @rx.event
    async def unarchive(self, thread: str):
        """Bring the thread on the page back from the archive."""
        if thread:
            change = services().threads.change(current_principal(), UUID(thread), status="regular")
            await try_action(self, change)

    @rx.event
    async def retry(self, message_id: str):
        """Create another answer, by the model on the page; the old one stays beside it."""
        principal, thread = current_principal(), self.thread
        try:
            await services().runs.retry(principal, UUID(message_id), model=self.model)
        except ChatError as error:
            notify(self, error.message)
            if isinstance(error, (UnknownModel, NoModelAllowed)):
                await offer_anew(self, principal, thread)

    @rx.event
    async def pick_model(self, model_id: str):
        """Choose the model of the next answers, and of the next new chats."""
        # Not those of this state: while the page loads again it has none, but the page shows them.
        principal, thread = current_principal(), self.thread
        org_id = await _organisation_of(self, principal)
        if (await offered_models(principal, org_id)).has(model_id):
            show(self, replace(self._view, model=model_id, unavailable=""))
            yield
            if thread and not self.missing:
                change = services().threads.change(principal, UUID(thread), model=model_id)
                await try_action(self, change)
            await try_action(self, services().profiles.choose_model(principal, model_id))

    @rx.event
    async def refresh_models(self):
        """Look up what the models cost and whether they answer; the list is being opened."""
        principal = current_principal()
        offer = await offered_models(principal, await _organisation_of(self, principal))
        items = await look_up_models(offer.models)
        show(self, replace(self._view, models=tuple(items), no_model=offer.problem))

    @rx.event
    async def set_options(self, request: str, thread: str, options: dict[str, Any]):
        """Choose the options of the next answers of the chat on the page.

        Args:
            request: Made by the page; it is told whether this one was stored.
            thread: The thread on the page, or empty for a new one.
            options: All of them, by the fields of `ChatOptions`.
        """
        self.options_saved = self.options_refused = self.options_problem = ""
        live = services()
        try:
            chosen = changed_options({}, options, live.settings)
            if thread:
                await live.threads.change(current_principal(), UUID(thread), options=options)
        except ChatError as error:
            self.options_refused, self.options_problem = request, error.message
            return
        if thread == self.thread:
            show(self, replace(self._view, options=chosen))
        self.options_saved = request

    @rx.event
    async def show_notice(self, message: str, refused: str | None = None):
        """Show a notice. The program sends this event when a handler has failed.

        Args:
            message: One sentence for the user.
            refused: The client id of a message that could not be sent; its text stays.
        """
        if refused is not None:
            self.refused = self.notice = ""
            yield
            self.refused = refused
        notify(self, message)


_CHAT_DELETED = "This chat was deleted. Your text is still here."
_LEFT = "You no longer belong to this organisation. Your text is still here."


def show(chat: ChatState, view: ChatView) -> None:
    """Let a tab show this. A var is sent whole when it is assigned, so only a change assigns it."""
    shown, chat._view = chat._view.variables, view
    for name, value in view.variables.items():
        if value != shown[name]:
            setattr(chat, name, value)


def open_route(chat: ChatState) -> bool:
    """Forget the open thread when the URL names another; whether it does.

    Nothing of the next one is known yet.
    """
    thread = thread_of_route(route_argument(chat, "thread"))
    if thread is not None and thread == chat.thread:
        return False
    _open(chat, thread)
    return True


def start_new_chat(chat: ChatState) -> None:
    """Leave the open thread for a new chat; the caller sends the page to its URL."""
    _open(chat, "")


def _open(chat: ChatState, thread: str | None) -> None:
    chat.reset()
    show(chat, ChatView.opening(thread))


@dataclass(frozen=True)
class Offer:
    """The models to choose from.

    Args:
        models: All of them.
        default: The id of the one that answers if the user chooses none; empty if there is none.
        problem: Why there is none; empty if there is one.
    """

    models: tuple[Model, ...]
    default: str
    problem: str = ""

    def has(self, model_id: str) -> bool:
        """Whether a model is among them."""
        return any(model.id == model_id for model in self.models)


async def offered_models(principal: Principal, org_id: UUID = PRIVATE) -> Offer:
    """The models that a user can choose.

    Args:
        principal: The user.
        org_id: The organisation of the chat; `PRIVATE` for none.

    Raises:
        DatabaseError: It can't be read which models are on.
    """
    allowed = await services().model_access.of(principal, org_id)
    models = allowed.all()
    try:
        default = allowed.default()
    except (NoModelAllowed, ProviderError) as error:
        return Offer((), "", error.message)
    return Offer(models, default.id)


async def offer_anew(chat: ChatState, principal: Principal, thread: str) -> None:
    """List the models again: one was switched off while the page was open.

    Args:
        chat: The state.
        principal: The user.
        thread: The thread on the page; empty for a new chat.
    """
    await offer_models(chat, principal)
    if thread and thread == chat.thread:
        await reload_thread(chat, principal)


async def _organisation_of(chat: ChatState, principal: Principal) -> UUID:
    """The organisation of the open chat, also while its thread is being read."""
    view = chat._view
    if view.thread and view.loading:
        with contextlib.suppress(NotFound):
            return (await services().threads.get(principal, UUID(view.thread))).org_id
    return view.org_id


async def offer_models(chat: ChatState, principal: Principal) -> None:
    """List the models to choose from; a new chat begins with what the user has chosen for it.

    A new chat has those of the tab's organisation. Those of a thread are listed once it is known
    in which organisation it is.
    """
    live, begins = services(), None
    if not chat.thread:
        org_id = current_organisation(await chat.get_state(ThreadListState))
        chat._view = replace(chat._view, org_id=org_id)
    with contextlib.suppress(DatabaseError):
        offer = await offered_models(principal, chat._view.org_id)
        with contextlib.suppress(DatabaseError):
            if not chat.thread:
                begins = NewChat(
                    await live.profiles.chosen_model(principal),
                    await live.new_chat_options.get(principal),
                )
        items = model_items(offer.models)
        view = chat._view.offering(items, offer.default, begins, no_model=offer.problem)
        show(chat, view)


async def _offering_in(
    view: ChatView, principal: Principal, thread: ThreadSummary
) -> tuple[ChatView, str]:
    """The view with the models of the organisation of its thread.

    Returns:
        The view, and the id of the default model; empty if there is none.
    """
    offer = await offered_models(principal, thread.org_id)
    if [model.id for model in offer.models] != [item.id for item in view.models]:
        view = replace(view, models=tuple(model_items(offer.models)))
    allowed = await services().model_access.of(principal, thread.org_id)
    is_callable = not thread.model or allowed.has(thread.model)
    of_thread = replace(
        view,
        org_id=thread.org_id,
        last_model="" if is_callable else services().models.name_of(thread.model),
        no_model=offer.problem,
    )
    return of_thread, offer.default


async def show_health(chat: ChatState, principal: Principal) -> None:
    """Show which models fail now, without waiting until the list is opened."""
    offer = await offered_models(principal, chat._view.org_id)
    show(chat, replace(chat._view, models=tuple(model_items(offer.models))))


def model_items(models: Iterable[Model]) -> list[ModelItem]:
    """The models as the list shows them, with what is known of them by now."""
    live = services()
    return [
        model_item(
            model,
            live.settings,
            *live.models.prices.known(model.id),
            live.models.health.of(model.id),
        )
        for model in models
    ]


async def look_up_models(models: Sequence[Model]) -> list[ModelItem]:
    """The same, once the prices are known."""
    await services().models.prices.look_up(model.id for model in models)
    return model_items(models)


async def reload_thread(chat: ChatState, principal: Principal) -> None:
    """Read the end of the thread again."""
    view = chat._view
    if not view.thread:
        show(chat, replace(view, loading=False))
        return
    first = view.history.end[0].id if view.history.end else ""
    window = await _read_up_to(first, principal, view.thread, view.reload_limit)
    if window is None:
        chat.reset()
        show(chat, ChatView(thread=view.thread, missing=True, loading=False))
    else:
        view, default = await _offering_in(view, principal, window.thread)
        show(chat, view.loaded(window, default))


async def show_message(chat: ChatState, principal: Principal, message_id: str) -> None:
    """Show the page of a message, and choose its branch if it is in another one.

    The end of the thread is shown where that is not possible.
    """
    view, thread = chat._view, UUID(chat._view.thread)
    try:
        branch = await services().threads.show_message(principal, thread, UUID(message_id))
    except (NotFound, Conflict) as error:
        await reload_thread(chat, principal)
        if not chat.missing:
            is_gone = isinstance(error, NotFound)
            notify(chat, "This message is no longer there." if is_gone else error.message)
        return
    window = await _read(principal, view.thread, 1)
    running = {message.id for message in window.messages if message.is_running} if window else set()
    ids = [str(message) for message in branch if message not in running]
    if message_id not in ids:  # its text comes as chunks, at the end
        await reload_thread(chat, principal)
        return
    pages = [ids[max(0, end - PAGE) : end] for end in range(len(ids), 0, -PAGE)]
    place = next(place for place, page in enumerate(pages) if message_id in page)
    below = tuple(page[0] for page in pages[:place])
    end = await _read_up_to(pages[0][0], principal, view.thread, PAGE + len(running))
    found = end
    if below:
        before = UUID(below[-1])
        found = await _read_up_to(pages[place][0], principal, view.thread, PAGE, before=before)
    if end is None or found is None:
        await reload_thread(chat, principal)
        return
    rows = tuple(map(stored, found.messages)) if below else ()
    has_older = place + 1 < len(pages)
    view, default = await _offering_in(view, principal, end.thread)
    show(chat, view.at_message(end, rows, below, has_older=has_older, default=default))
    chat.sought = message_id


async def read_news(
    chat: ChatState, principal: Principal
) -> tuple[Window | None, list[MessageView]]:
    """Show what is new at the end of the thread.

    Returns:
        The newest messages, and those whose text must be sent as stream chunks.
    """
    view = chat._view
    if not view.thread:
        return None, []
    window = await _read(principal, view.thread, NEWEST)
    if window is None:
        await reload_thread(chat, principal)
        return None, []
    update = advance(view.history.end, view.tail, window)
    if update.reload or view.missing or view.loading:
        await reload_thread(chat, principal)
        return window, []  # the texts are in the list
    view = replace(view, tail=tuple(update.tail))
    view, default = await _offering_in(view, principal, window.thread)
    show(chat, view.with_head(window, default))
    return window, update.texts


async def streamed_message(
    chat: ChatState, principal: Principal, stream_id: str
) -> tuple[MessageView, bool] | None:
    """The message that travels under a stream id, as the database has it now.

    Returns:
        The message, and whether its other parts travelled with the list of messages; None when
        the page shows no such message.
    """
    view = chat._view
    pages = (item for page in view.history.pages for item in page)
    items = ((item, False) for item in view.tail), ((item, True) for item in pages)
    for item, is_listed in chain(*items):
        if item.stream_id == stream_id and view.thread:
            with contextlib.suppress(NotFound):
                thread, message = UUID(view.thread), UUID(item.id)
                return await services().threads.message(principal, thread, message), is_listed
            return None
    return None


async def _read_up_to(
    first: str, principal: Principal, thread: str, limit: int, *, before: UUID | None = None
) -> Window | None:
    """The messages from one that a tab shows, however large they are: a read is limited in bytes.

    Args:
        first: The id of the oldest message that is wanted; empty for what one read gives.
        principal: The user.
        thread: The thread.
        limit: The most messages, also if `first` is not among them.
        before: The message that they end above; None for the newest.

    Returns:
        None when the user has no such thread.
    """
    window = await _read(principal, thread, limit, before)
    while window and first and window.has_older and len(window.messages) < limit:
        if any(str(message.id) == first for message in window.messages):
            break
        rest = limit - len(window.messages)
        above = await _read(principal, thread, rest, window.messages[0].id)
        window = above and replace(
            window, messages=[*above.messages, *window.messages], has_older=above.has_older
        )
    return window


async def _read(
    principal: Principal, thread: str, limit: int, before: UUID | None = None
) -> Window | None:
    """One read of a thread's messages; None when the user has no such thread."""
    try:
        return await services().threads.window(principal, UUID(thread), before=before, limit=limit)
    except NotFound:
        return None
