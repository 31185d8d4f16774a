"""The HTTP client that providers are asked with.

A provider is trusted to say who somebody is, not with our memory, our time or our network: answers
are small, plain and prompt, and an answer that points elsewhere is an error.
"""

from collections.abc import AsyncIterator
from functools import lru_cache
from ssl import SSLContext
from typing import Any

import httpx2
from authlib.integrations.httpx_client import AsyncOAuth2Client

MAX_BYTES = 262_144
"""The largest body that is read."""
SECONDS = 10.0
"""How long a provider may take to send the next bytes."""


class UnexpectedResponse(Exception):
    """A provider answered with something that is not taken.

    Args:
        what: What was wrong with it, in words of ours: nothing of the answer is in it.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"The provider's answer {what}.")


class _LimitedBody(httpx2.AsyncByteStream):
    """A body that fails when it grows too large."""

    def __init__(self, body: httpx2.AsyncByteStream) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._body:
            size += len(chunk)
            if size > MAX_BYTES:
                raise UnexpectedResponse("is too large")
            yield chunk

    async def aclose(self) -> None:
        await self._body.aclose()


class _Transport(httpx2.AsyncHTTPTransport):
    """Takes small plain answers to exactly what was asked."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        wrong = _unexpected(response)
        if wrong or not isinstance(response.stream, httpx2.AsyncByteStream):
            await response.aclose()
            raise UnexpectedResponse(wrong or "has no body")
        response.stream = _LimitedBody(response.stream)
        return response


def _unexpected(response: httpx2.Response) -> str:
    if 300 <= response.status_code < 400:
        return "points elsewhere"
    # What is packed small could unpack to any size.
    packed = response.headers.get("content-encoding", "identity").strip().lower()
    return "" if packed == "identity" else "is packed"


class OAuthHttpClient(AsyncOAuth2Client):
    """authlib's client with our manners."""

    def __init__(self, *arguments: Any, **given: Any) -> None:
        super().__init__(*arguments, **given, **_client_options())


def plain_client() -> httpx2.AsyncClient:
    """A client for what needs no token."""
    return httpx2.AsyncClient(**_client_options())


def _client_options() -> dict[str, Any]:
    """No redirects, no proxies from the environment, nothing packed, nothing large, nothing late.

    authlib hands a provider's metadata to the same place: a name that is here and there fails.
    """
    return {
        "transport": _Transport(verify=_tls(), trust_env=False),
        "timeout": SECONDS,
        "follow_redirects": False,
        "trust_env": False,
        "headers": {"Accept-Encoding": "identity"},
    }


@lru_cache(maxsize=1)
def _tls() -> SSLContext:
    # Reading the certificates takes longer than a whole sign-in, so it is done once.
    return httpx2.create_ssl_context()
