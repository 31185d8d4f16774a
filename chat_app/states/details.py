"""What an answer took, on request: model, time, tokens, speed."""

import contextlib
from uuid import UUID

import reflex as rx

from chat_app.core.errors import DatabaseError, InvalidInput, NotFound
from chat_app.services import services
from chat_app.states import current_principal, notify
from chat_app.states.chat import ChatState
from chat_app.states.views import MetricItem, metric_items


class DetailsState(ChatState):
    """The details panel: of one answer of the open thread, or of none when `message_id` is empty.

    A state of its own: the rows that read it are not rendered again when the thread changes.

    Attributes:
        items: What is shown, once it has been read.
    """

    message_id: rx.Field[str] = rx.field("")
    items: rx.Field[list[MetricItem]] = rx.field(default_factory=list)
    loading_details: rx.Field[bool] = rx.field(False)

    @rx.event(supersedes=True)
    async def show(self, message_id: str):
        """Show the details of an answer in place of another's.

        Args:
            message_id: The answer; empty closes them.
        """
        self.message_id, self.items, self.loading_details = message_id, [], bool(message_id)
        if not message_id:
            return
        yield
        try:
            with contextlib.suppress(NotFound):
                metrics = await services().runs.metrics(current_principal(), UUID(message_id))
                self.items = metric_items(metrics, *_name_and_window(metrics.model))
        except DatabaseError as error:
            self.message_id = ""
            notify(self, error.message)
        finally:
            self.loading_details = False


def _name_and_window(model_id: str) -> tuple[str, int | None]:
    try:
        model = services().models.get(model_id)
    except InvalidInput:
        return model_id, None  # it is no longer offered
    return model.name, services().models.known_window(model)
