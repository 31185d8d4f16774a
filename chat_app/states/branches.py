"""The versions of the open thread's messages: edit, choose, continue, delete and undo."""

from datetime import datetime
from uuid import UUID

import reflex as rx

from chat_app.core.errors import ChatError, NotFound
from chat_app.llm.registry import UnknownModel
from chat_app.runs.model_access import NoModelAllowed
from chat_app.services import services
from chat_app.states import current_principal, notify, try_action
from chat_app.states.chat import ChatState, offer_anew, reload_thread, show_message
from chat_app.states.thread_list import UNDO_TIME


class BranchState(ChatState):
    """What the user does to the branches of the open thread.

    A state of its own: the rows that read it are not rendered again when the thread changes.

    Attributes:
        edited: The client id of the edit that was accepted last.
        refused_edit: That of the edit that was refused last; its text stays.
        deleted_message: The message whose deletion can be undone; empty for none.
    """

    edited: rx.Field[str] = rx.field("")
    refused_edit: rx.Field[str] = rx.field("")
    deleted_message: rx.Field[str] = rx.field("")

    _deleted_at: datetime | None = None

    @rx.event
    async def edit(self, client_id: str, message_id: str, text: str):
        """Send another version of a message. The editor keeps its text until it is accepted.

        Args:
            client_id: Made by the editor; the same id twice is one message.
            message_id: The message.
            text: At most `message_bytes` bytes.
        """
        if self.refused_edit or self.notice:
            self.refused_edit = self.notice = ""
            yield  # else a second refusal like the first would not reach the page
        try:
            await services().runs.send(
                current_principal(),
                text=text,
                client_id=client_id,
                model=self.model,
                edits=UUID(message_id),
            )
        except NotFound:
            self.refused_edit = client_id
            notify(self, "This message was deleted. Your text is still here.")
        except ChatError as error:
            self.refused_edit = client_id
            notify(self, error.message)
            if isinstance(error, (UnknownModel, NoModelAllowed)):
                chat = await self.get_state(ChatState)
                await offer_anew(chat, current_principal(), self.thread)
        else:
            self.edited = self.accepted = client_id

    @rx.event
    async def choose(self, message_id: str):
        """Show another version of a message, with the branch below it that was shown last."""
        if not self.thread:
            return
        chat, principal = await self.get_state(ChatState), current_principal()
        choice = services().threads.show_message(principal, UUID(self.thread), UUID(message_id))
        if await try_action(self, choice):
            await reload_thread(chat, principal)
            if message_id not in chat._view.shown and not chat.missing:
                await show_message(chat, principal, message_id)

    @rx.event
    async def continue_answer(self, message_id: str):
        """Continue an answer that was cut off."""
        await try_action(
            self, services().runs.continue_answer(current_principal(), UUID(message_id))
        )

    @rx.event
    async def delete(self, message_id: str):
        """Delete a message and all below it; the notice that appears can undo it."""
        if not self.thread:
            return
        deletion = services().threads.delete_branch(
            current_principal(), UUID(self.thread), UUID(message_id)
        )
        if await try_action(self, deletion):
            self.deleted_message, self._deleted_at = message_id, services().clock()

    @rx.event
    async def undo_delete(self):
        """Bring the deleted branch back."""
        message_id, self.deleted_message = self.deleted_message, ""
        if message_id and self.thread:
            restoration = services().threads.restore_branch(
                current_principal(), UUID(self.thread), UUID(message_id)
            )
            await try_action(self, restoration)

    @rx.event
    async def dismiss_undo(self):
        """Close the notice of a deletion."""
        self.deleted_message = ""


def drop_old_undo(branches: BranchState) -> None:
    """Forget a deletion whose notice has had its time: a new page would begin it anew."""
    if branches._deleted_at and services().clock() - branches._deleted_at >= UNDO_TIME:
        branches.deleted_message, branches._deleted_at = "", None
