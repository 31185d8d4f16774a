"""How requests name a thread: by its id, or by the id that a program has made for it; and its
organisation.

A UUID is always one of ours: an unknown, a foreign and a deleted one look the same. Any other id is
looked up among the user's own threads alone, so there is no foreign one.
"""

from contextlib import suppress
from uuid import UUID

from starlette.requests import Request

from chat_app.api.requests import id_of
from chat_app.auth.principal import Principal
from chat_app.core.errors import NotFound
from chat_app.core.text import is_client_id
from chat_app.db.tables import PRIVATE
from chat_app.services import services


def is_uuid(text: str) -> bool:
    """Whether an id has the form of ours."""
    with suppress(NotFound):
        id_of(text)
        return True
    return False


def external_id_of(text: str) -> str | None:
    """The id as one that a program has made; None if it is a UUID.

    Raises:
        NotFound: It can be neither.
    """
    if is_uuid(text):
        return None
    if not is_client_id(text):
        raise NotFound
    return text


async def find_thread(principal: Principal, text: str) -> UUID | None:
    """The id of the thread that is named so; None if a program can still create it.

    Raises:
        NotFound: It is no id. A UUID is returned unchecked.
    """
    external_id = external_id_of(text)
    if external_id is None:
        return id_of(text)
    return await services().threads.find(principal, external_id)


async def named_thread(principal: Principal, text: str) -> UUID:
    """The id of the thread that is named so.

    Raises:
        NotFound: No thread is. A UUID is returned unchecked.
    """
    thread_id = await find_thread(principal, text)
    if thread_id is None:
        raise NotFound
    return thread_id


def named_organisation(text: str | None) -> UUID:
    """The organisation that a new thread is made in; `PRIVATE` for none.

    Args:
        text: Its id; None, or `private`, for none.

    Raises:
        NotFound: It is no id. Whether the user belongs to it is not checked.
    """
    return PRIVATE if text in (None, "private") else id_of(text)


async def thread_in_path(request: Request, principal: Principal) -> UUID:
    """The id of the thread in the path of a request; see `named_thread`."""
    return await named_thread(principal, request.path_params["id"])
