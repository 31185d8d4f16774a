"""Create a run that adds to an answer: what continues it, or a summary of what is above its end.

The log of such a run begins with what the answer has, so its readers get the whole answer.
"""

from collections.abc import Sequence
from uuid import UUID

from chat_app.core.errors import Conflict, InvalidInput, NotFound
from chat_app.core.events import encode_payload, events_of
from chat_app.core.parts import Part
from chat_app.db.prepared import Transaction
from chat_app.db.statements import (
    CONTINUE_MESSAGE,
    DELETE_ENTRY,
    INSERT_EVENT,
    MESSAGE_TO_CONTINUE,
    TOUCH_THREAD,
)
from chat_app.runs.continuation import can_continue
from chat_app.runs.create import (
    CreatedRun,
    NewRun,
    check_active_runs,
    continue_thread,
    insert_run,
    lock_thread,
)
from chat_app.runs.follow import COMPACTION


def continue_run(
    transaction: Transaction, run: NewRun, message_id: UUID, *, max_bytes: int
) -> CreatedRun:
    """Store the run that continues an answer; its log begins with what the answer has.

    Args:
        transaction: Restricted to the user.
        run: The run.
        message_id: The answer, the last message of its thread.
        max_bytes: The largest answer.

    Raises:
        NotFound: The message is missing, foreign or deleted, or its thread is.
        InvalidInput: It is no answer that was cut off, or it is as large as an answer may be.
        Conflict: An answer is running in the thread, or the message is not the last one.
        RateLimited: Too many runs are active, or too many answers were asked for.
        StorageFull: The user stores too much.
    """
    message = transaction.first(MESSAGE_TO_CONTINUE, message_id=message_id)
    if message is None:
        raise NotFound
    thread_id, question_id, role, status, reason, last_model, parts, size = message
    thread = lock_thread(transaction, thread_id)
    check_active_runs(transaction, run, thread_id)
    if question_id is None or not can_continue(role, status, reason, parts):
        raise InvalidInput("Only an answer that was cut off can be continued.")
    if size >= max_bytes:
        raise InvalidInput("This answer has reached this server's size limit.")
    if message_id != thread.head_id:
        raise Conflict("Only the last answer of a chat can be continued.")
    model = run.choose_model(last_model, thread.org_id)
    run.admit(transaction, 0)
    continue_thread(transaction, run, thread_id, thread.title, thread.model, message_id)
    transaction.run(CONTINUE_MESSAGE, message_id=message_id)
    transaction.run(DELETE_ENTRY, message_id=message_id)
    insert_run(transaction, run, thread_id, thread, [], message_id, model)
    _begin_log(transaction, run, thread.org_id, parts)
    continued = tuple(parts), size
    return CreatedRun(
        *(thread_id, question_id, message_id, run.run_id, model, thread.options, *continued),
        org_id=thread.org_id,
    )


def compact_run(transaction: Transaction, run: NewRun, message_id: UUID) -> CreatedRun:
    """Store the run that adds a summary of older messages to the last answer of a thread.

    The answer keeps its status and its end: only its parts change, when the run ends.

    Args:
        transaction: Restricted to the user.
        run: The run.
        message_id: The answer, the last message of its thread.

    Raises:
        NotFound: The message is missing, foreign or deleted, or its thread is.
        InvalidInput: It is no answer.
        Conflict: An answer is running in the thread, or the message is not the last one.
        RateLimited: Too many runs are active, or too many answers were asked for.
        StorageFull: The user stores too much.
    """
    message = transaction.first(MESSAGE_TO_CONTINUE, message_id=message_id)
    if message is None:
        raise NotFound
    thread_id, question_id, role, _, _, _, parts, size = message
    thread = lock_thread(transaction, thread_id)
    check_active_runs(transaction, run, thread_id)
    if question_id is None or role != "assistant":
        raise InvalidInput("Only a chat that ends with an answer can be summarized.")
    if message_id != thread.head_id:
        raise Conflict("This chat has changed. Try again.")
    model = run.choose_model(thread.model, thread.org_id)
    run.admit(transaction, 0)
    transaction.run(TOUCH_THREAD, thread_id=thread_id)
    insert_run(
        *(transaction, run, thread_id, thread, [], message_id, model), finish_reason=COMPACTION
    )
    _begin_log(transaction, run, thread.org_id, parts)
    return CreatedRun(
        *(thread_id, question_id, message_id, run.run_id, model, thread.options),
        continues=tuple(parts),
        continued_bytes=size,
        compacts=True,
        org_id=thread.org_id,
    )


def _begin_log(transaction: Transaction, run: NewRun, org_id: UUID, parts: Sequence[Part]) -> None:
    transaction.run_each(
        INSERT_EVENT,
        [
            {
                "run_id": run.run_id,
                "org_id": org_id,
                "seq": seq,
                "kind": event.kind,
                "payload": encode_payload(event),
            }
            for seq, (_, event) in enumerate(events_of(parts), 1)
        ],
    )
