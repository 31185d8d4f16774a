"""Create a run: the rows that a send or a retry writes, in one transaction."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from chat_app.auth.principal import Principal
from chat_app.core.errors import Conflict, InvalidInput, NotFound, RateLimited
from chat_app.core.parts import Part, size_of, text_of, text_part
from chat_app.db.full_text import entry_of_message, entry_of_title
from chat_app.db.prepared import Transaction
from chat_app.db.statements import (
    ACTIVE_THREADS,
    CONTINUE_THREAD,
    FIRST_RUN_OF_QUESTION,
    INSERT_ENTRY,
    INSERT_MESSAGE,
    INSERT_RUN,
    INSERT_THREAD,
    MESSAGE_OF_CLIENT,
    MESSAGE_TO_ANSWER,
    OPTIONS_OF_NEW_CHATS,
    THREAD_OF_EXTERNAL_ID,
    THREAD_TO_SEND_TO,
)
from chat_app.db.tables import PRIVATE
from chat_app.llm.base import Model
from chat_app.runs.new_message import NewMessage
from chat_app.threads.client_messages import CLIENT
from chat_app.threads.options import NO_OPTIONS, ChatOptions
from chat_app.threads.queries import lock_membership
from chat_app.threads.titles import first_words

RUNS_RETRY_SECONDS = 5
"""When to try again where too many answers are running; one may end at any time."""


@dataclass(frozen=True, slots=True)
class CreatedRun:
    """A run whose rows are written.

    Args:
        user_message_id: The message that is answered.
        message_id: The answer.
        model: The model that answers; None if the message was sent before (`duplicate`).
        options: Those of the thread.
        continues: What the answer has already; the log of the run begins with it.
        continued_bytes: The size of the answer, with what is never shown of it.
        compacts: Whether the run only adds a summary of older messages to the answer.
        org_id: The organisation of the thread; `PRIVATE` for none.
    """

    thread_id: UUID
    user_message_id: UUID
    message_id: UUID
    run_id: UUID
    model: Model | None
    options: ChatOptions = NO_OPTIONS
    continues: tuple[Part, ...] = ()
    continued_bytes: int = 0
    compacts: bool = False
    org_id: UUID = PRIVATE

    @property
    def duplicate(self) -> bool:
        """Whether the same message was sent before, so that there is nothing to start."""
        return self.model is None

    @property
    def leaf(self) -> UUID:
        """The last message of the prompt: the one to answer, or the answer that is added to."""
        adds = self.continues or self.compacts
        return self.message_id if adds else self.user_message_id


@dataclass(frozen=True, slots=True)
class NewRun:
    """What the rows of a new run need besides the message.

    Args:
        run_id: The run's id.
        principal: The user; the transaction is restricted to their rows.
        now: The time in the rows.
        max_runs: The most answers that may run for the user.
        unstored: How many are running that are stored nowhere.
        choose_model: Returns the model, given the id in the thread's or message's row and the
            organisation of the thread. Raises `UnknownModel` if the user may not call the one that
            was asked for, and `NoModelAllowed` if they may call none.
        admit: Called with the transaction and the bytes of the message when nothing else can
            refuse it and nothing is added yet; raises when the user has reached a limit.
    """

    run_id: UUID
    principal: Principal
    now: datetime
    max_runs: int
    unstored: int
    choose_model: Callable[[str, UUID], Model]
    admit: Callable[[Transaction, int], None]


def create_run(transaction: Transaction, run: NewRun, message: NewMessage) -> CreatedRun:
    """Store a message, an empty answer and the run that fills it; idempotent by client id.

    A message that the client has appended before is not stored again, but answered.

    Raises:
        NotFound: The thread, or the message that is edited or followed, is missing, foreign or
            deleted, or the user does not belong to the organisation of a new thread.
        InvalidInput: There is no such model, or an answer is edited.
        Conflict: The client id is used by another message, or an answer is running in the thread.
        RateLimited: Too many runs are active, or too many messages were sent.
        StorageFull: The message does not fit into what the user may store.
    """
    if message.thread_id is None and message.external_id is not None:
        named = transaction.first(THREAD_OF_EXTERNAL_ID, external_id=message.external_id)
        message = message if named is None else replace(message, thread_id=named[0])
    held = _find_held(transaction, message)
    if isinstance(held, CreatedRun):
        return held
    if held is not None:
        return retry_run(transaction, run, held)
    if message.edits is not None:
        message = _beside(transaction, message, message.edits)
    thread_id = message.thread_id or uuid4()
    is_new = message.thread_id is None
    thread = _new_thread(transaction, message) if is_new else lock_thread(transaction, thread_id)
    check_active_runs(transaction, run, thread_id)
    parent_id = thread.head_id if message.below == "head" else message.below
    if parent_id is not None and parent_id != thread.head_id:
        _check_message(transaction, thread_id, parent_id)
    model = run.choose_model(thread.model, thread.org_id)
    parts = [text_part(message.text)]
    run.admit(transaction, size_of(parts))
    had_title = bool(thread.title)
    if not thread.title and thread.title_origin == "start":
        thread = replace(thread, title=first_words(message.text))
    question_id, answer_id = uuid4(), uuid4()
    if is_new:
        _insert_thread(transaction, run, thread_id, thread, model, answer_id, message.external_id)
    else:
        continue_thread(transaction, run, thread_id, thread.title, model.id, answer_id)
    question = {
        "id": question_id,
        "parent_id": parent_id,
        "role": "user",
        "parts": parts,
        "size": size_of(parts),
        "status": "complete",
        "model": "",
        "client_id": message.client_id,
    }
    answer = _answer(answer_id, question_id, model)
    insert_run(transaction, run, thread_id, thread, [question, answer], answer_id, model)
    at = {
        "owner_id": run.principal.user_id,
        "org_id": thread.org_id,
        "thread_id": thread_id,
        "created_at": run.now,
    }
    entries = [
        None if had_title else entry_of_title(thread.title, **at),
        entry_of_message(parts, message_id=question_id, role="user", **at),
    ]
    transaction.run_each(INSERT_ENTRY, list(filter(None, entries)))
    return _created(run, thread_id, thread, question_id, answer_id, model)


def retry_run(transaction: Transaction, run: NewRun, message_id: UUID) -> CreatedRun:
    """Store another version of an answer, empty, and the run that fills it.

    Args:
        transaction: Restricted to the user.
        run: The run.
        message_id: The answer, or the question that it answers.

    Raises:
        NotFound: The message is missing, foreign or deleted, or its thread is.
        InvalidInput: The message answers nothing.
        Conflict: An answer is running in the thread.
        RateLimited: Too many runs are active, or too many answers were regenerated.
        StorageFull: The user stores too much.
    """
    message = transaction.first(MESSAGE_TO_ANSWER, message_id=message_id)
    if message is None:
        raise NotFound
    thread_id, parent_id, role, status, last_model = message
    question_id = message_id if role == "user" else parent_id
    thread = lock_thread(transaction, thread_id)
    if question_id is None:
        raise InvalidInput("Only an answer can be regenerated.")
    if status == "running":
        raise Conflict("This answer is still being written.")
    check_active_runs(transaction, run, thread_id)
    if _check_message(transaction, thread_id, question_id) != "user":
        raise InvalidInput("Only the answer to a message can be regenerated.")
    model = run.choose_model(last_model or thread.model, thread.org_id)
    run.admit(transaction, 0)
    answer_id = uuid4()
    # another model is that of the thread from now on
    next_model = thread.model if model.id == last_model else model.id
    continue_thread(transaction, run, thread_id, thread.title, next_model, answer_id)
    answer = _answer(answer_id, question_id, model)
    insert_run(transaction, run, thread_id, thread, [answer], answer_id, model)
    return _created(run, thread_id, thread, question_id, answer_id, model)


def _created(
    run: NewRun,
    thread_id: UUID,
    thread: "StoredThread",
    question_id: UUID,
    answer_id: UUID,
    model: Model,
) -> CreatedRun:
    return CreatedRun(
        *(thread_id, question_id, answer_id, run.run_id, model, thread.options),
        org_id=thread.org_id,
    )


@dataclass(frozen=True, slots=True)
class StoredThread:
    """What is read of a thread; the defaults are those of a new one."""

    title: str = ""
    title_origin: str = "start"
    model: str = ""
    head_id: UUID | None = None
    options: ChatOptions = NO_OPTIONS
    org_id: UUID = PRIVATE


def _find_held(transaction: Transaction, message: NewMessage) -> CreatedRun | UUID | None:
    """What there is of a message under the same client id.

    Returns:
        Its first run, if it was sent before; its id, if it was only appended; None if it is new.

    Raises:
        Conflict: It is another message, or it or its answers were deleted.
    """
    stored = transaction.first(MESSAGE_OF_CLIENT, client_id=message.client_id)
    if stored is None:
        return None
    message_id, thread_id, parts, role, deleted_at, origin = stored
    is_unnamed = message.thread_id is None and message.external_id is None
    same_thread = is_unnamed or message.thread_id == thread_id
    if not same_thread or role != "user" or text_of(parts) != message.text:
        raise Conflict("Another message was sent with this id. Use a new id for this one.")
    run = transaction.first(FIRST_RUN_OF_QUESTION, message_id=message_id)
    if run is None:
        if origin == CLIENT and deleted_at is None:
            return message_id
        # its answers were deleted, and are removed for good
        raise Conflict("This message was sent before, and its answer was deleted.")
    run_id, answer_id = run
    return CreatedRun(thread_id, message_id, answer_id, run_id, None)


def _new_thread(transaction: Transaction, message: NewMessage) -> StoredThread:
    """A thread that is not added yet."""
    lock_membership(transaction, message.org_id)
    options = message.options
    if options is None:
        row = transaction.first(OPTIONS_OF_NEW_CHATS)
        options = NO_OPTIONS if row is None else ChatOptions.of_row(row[0])
    return StoredThread(options=options, org_id=message.org_id)


def lock_thread(transaction: Transaction, thread_id: UUID) -> StoredThread:
    """The thread, locked.

    Raises:
        NotFound: It is missing, foreign or deleted.
    """
    row = transaction.first(THREAD_TO_SEND_TO, thread_id=thread_id)
    if row is None:
        raise NotFound
    title, origin, model, head_id, options, org_id = row
    return StoredThread(title, origin, model, head_id, ChatOptions.of_row(options), org_id)


def _beside(transaction: Transaction, message: NewMessage, edited: UUID) -> NewMessage:
    """The message in the place of one that it is another version of."""
    found = transaction.first(MESSAGE_TO_ANSWER, message_id=edited)
    if found is None or message.thread_id not in (None, found[0]):
        raise NotFound
    thread_id, parent_id, role, *_ = found
    if role != "user":
        raise InvalidInput("Only your own messages can be edited.")
    return replace(message, thread_id=thread_id, below=parent_id)


def _check_message(transaction: Transaction, thread_id: UUID, message_id: UUID) -> str:
    """Check a message of a thread that is locked: until now it could be deleted; its role."""
    message = transaction.first(MESSAGE_TO_ANSWER, message_id=message_id)
    if message is None or message[0] != thread_id:
        raise NotFound
    return message[2]


def check_active_runs(transaction: Transaction, run: NewRun, thread_id: UUID) -> None:
    """Check that another run can begin in a thread that is locked.

    Raises:
        Conflict: An answer is running in the thread.
        RateLimited: Too many runs of the user are active.
    """
    active = [active_in for (active_in,) in transaction.all(ACTIVE_THREADS)]
    if thread_id in active:
        raise Conflict("An answer is still being written in this chat. Stop it first.")
    running = len(active) + run.unstored
    if running >= run.max_runs:
        where = "other chats and programs" if run.unstored else "other chats"
        raise RateLimited(
            f"{running} answers are running in {where}, which is the limit. "
            "Wait for one to finish, or stop one.",
            RUNS_RETRY_SECONDS,
        )


def _insert_thread(
    transaction: Transaction,
    run: NewRun,
    thread_id: UUID,
    thread: StoredThread,
    model: Model,
    head_id: UUID,
    external_id: str | None,
) -> None:
    transaction.run(
        INSERT_THREAD,
        id=thread_id,
        org_id=thread.org_id,
        title=thread.title,
        title_origin="start",
        model=model.id,
        head_id=head_id,
        created_at=run.now,
        updated_at=run.now,
        deleted_at=None,
        options=thread.options.row,
        status="regular",
        external_id=external_id,
        custom={},
    )


def continue_thread(
    transaction: Transaction, run: NewRun, thread_id: UUID, title: str, model: str, head_id: UUID
) -> None:
    """Change what a thread has after another message, or more of its last one."""
    transaction.run(
        CONTINUE_THREAD,
        thread_id=thread_id,
        new_title=title,
        new_model=model,
        new_head=head_id,
        now=run.now,
    )


def _answer(answer_id: UUID, question_id: UUID, model: Model) -> dict[str, Any]:
    return {
        "id": answer_id,
        "parent_id": question_id,
        "role": "assistant",
        "parts": [],
        "size": 0,
        "status": "running",
        "model": model.id,
        "client_id": None,
    }


def insert_run(
    transaction: Transaction,
    run: NewRun,
    thread_id: UUID,
    thread: StoredThread,
    messages: list[dict[str, Any]],
    answer_id: UUID,
    model: Model,
    *,
    finish_reason: str = "",
) -> None:
    """Add the messages, the last of which is the answer, and the run."""
    no_end = {"finish_reason": "", "error": "", "error_params": {}}
    new = {"native": None, "chosen_at": None, "deleted_at": None, "origin": ""}
    below = {"thread_id": thread_id, "org_id": thread.org_id, "created_at": run.now}
    transaction.run_each(
        INSERT_MESSAGE,
        [{**message, **no_end, **new, **below} for message in messages],
    )
    transaction.run(
        INSERT_RUN,
        **{**no_end, **below, "finish_reason": finish_reason},
        id=run.run_id,
        message_id=answer_id,
        session_id=run.principal.credential_id,
        model=model.id,
        status="queued",
        last_seq=0,
        input_tokens=None,
        output_tokens=None,
        reasoning_tokens=None,
        cached_input_tokens=None,
        cost_nanodollars=None,
        first_event_at=None,
        finished_at=None,
    )
