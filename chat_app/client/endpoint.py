"""Where the server is, and who asks: what the clients share between a request and httpx."""

import json
from dataclasses import dataclass
from typing import Any, TypedDict, TypeVar

import httpx

from chat_app.client.errors import (
    CONNECTION_LOST,
    NO_ANSWER,
    UNEXPECTED_RESPONSE,
    UNREACHABLE,
    ApiError,
    error_of,
)
from chat_app.client.operations import ApiRequest

TIMEOUT = httpx.Timeout(10, read=60)
"""Seconds. An idle stream has a comment every 15 seconds."""
RECONNECT_WAITS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0)
"""Seconds before each attempt to resume a stream; longer than a server takes to start again."""

_T = TypeVar("_T")


class RequestArguments(TypedDict):
    """The arguments of httpx for a request."""

    method: str
    url: str
    params: dict[str, str | int]
    headers: dict[str, str]
    content: bytes | None


@dataclass(frozen=True, slots=True)
class ApiEndpoint:
    """A server, and the headers of each request to it. Its `repr` holds no key.

    Args:
        url: The server, such as `https://chat.example.com`.
        headers: Are sent with every request.
    """

    url: str
    headers: dict[str, str]

    def __repr__(self) -> str:
        return f"ApiEndpoint({self.url!r})"

    @classmethod
    def of(cls, url: str, key: str | None) -> "ApiEndpoint":
        """The server at a URL.

        Raises:
            ValueError: The URL is none of HTTP, or the key cannot be sent in a header.
        """
        parts = httpx.URL(url)
        if parts.scheme not in ("http", "https") or not parts.host:
            raise ValueError(f"{url!r} is no http or https URL of a server.")
        headers: dict[str, str] = {}
        if key is not None:
            key = key.strip()
            # what httpx says of a header that it cannot send holds the key
            if not key or not key.isascii() or not key.isprintable():
                raise ValueError("The API key is empty, or has characters that no key has.")
            headers["authorization"] = f"Bearer {key}"
        return cls(url.rstrip("/"), headers)

    def arguments(self, request: ApiRequest[Any]) -> RequestArguments:
        """How httpx sends a request."""
        content, headers = None, self.headers
        if request.body is not None:
            content = json.dumps(request.body).encode()
            headers = {**headers, "content-type": "application/json"}
        return {
            "method": request.method,
            "url": f"{self.url}{request.path}",
            "params": dict(request.query),
            "headers": dict(headers),
            "content": content,
        }


def result_of(request: ApiRequest[_T], response: httpx.Response) -> _T:
    """The result of a request whose response is whole.

    Raises:
        ApiError: The server refused it, or the response is not of this API.
    """
    if not response.is_success:
        raise refusal_of(response)
    try:
        content = response.json() if response.content else None
    except ValueError:
        message = f"The server's response to {request.method} {request.path} is not JSON."
        raise ApiError(message, code=UNEXPECTED_RESPONSE) from None
    return request.result(content)


def refusal_of(response: httpx.Response) -> ApiError:
    """What a response says that is not what was asked for; it is whole."""
    return error_of(response.status_code, response.headers, response.content)


def no_stream(response: httpx.Response) -> ApiError:
    """Why a response is no stream of an answer; it is whole."""
    if response.status_code == httpx.codes.NO_CONTENT:
        return ApiError("No answer is being written in this thread.", code=NO_ANSWER, status=204)
    return refusal_of(response)


def transport_error(error: httpx.RequestError) -> ApiError:
    """Why no whole response came."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return ApiError("The server can't be reached.", code=UNREACHABLE)
    if isinstance(error, httpx.TimeoutException):
        return ApiError("The server didn't respond in time.", code=CONNECTION_LOST)
    return ApiError("The connection to the server was lost.", code=CONNECTION_LOST)
