"""The HTTP client of a provider.

The SDK of OpenAI makes the request, whatever the dialect; the token loop reads the raw body,
because the SDK's stream objects cost six to twelve times the CPU. aiohttp is the transport, because
it reads a chunk at half the cost of httpx's own.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any, cast

import aiohttp
import httpx2
from httpx_aiohttp.httpx2 import AiohttpTransport
from openai import AsyncOpenAI, AsyncStream
from openai._models import FinalRequestOptions

from chat_app.core.http_out import Resolver, is_public_address, resolve
from chat_app.core.json_values import compact_json

_CONNECT_SECONDS = 10.0
_MAX_ERROR_BYTES = 32_768
"""How much of an error response is read; the SDK would read it to its end."""
_ERROR_SECONDS = 5.0
"""How long it is read, once its head has come."""

_HEADERS = {"accept": "application/json", "content-type": "application/json"}

# The transport passes some of aiohttp's own errors on: of a response that is not HTTP, for one.
CONNECTION_ERRORS = (httpx2.HTTPError, aiohttp.ClientError)

# These log URLs and bodies below WARNING, whatever the level of the root logger.
for _name in ("openai", "httpx2", "aiohttp"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class _ErrorBody(httpx2.AsyncByteStream):
    """The beginning of the body of an error response.

    Args:
        body: The whole body.
    """

    def __init__(self, body: httpx2.AsyncByteStream) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = _MAX_ERROR_BYTES
        chunks = aiter(self._body)
        deadline = asyncio.get_running_loop().time() + _ERROR_SECONDS
        while left > 0:
            try:
                async with asyncio.timeout_at(deadline):
                    chunk = await anext(chunks, None)
            except (TimeoutError, *CONNECTION_ERRORS):
                return  # the status alone says what failed
            if chunk is None:
                return
            yield chunk[:left]
            left -= len(chunk)

    async def aclose(self) -> None:
        await self._body.aclose()


class _HttpClient(httpx2.AsyncClient):
    """Sends each request as it is: the layers for redirects, cookies and logins cost a third.

    Args:
        transport: Carries the requests.
    """

    def __init__(self, transport: httpx2.AsyncBaseTransport) -> None:
        super().__init__(transport=transport, follow_redirects=False, trust_env=False)
        self._carrier = transport

    async def send(
        self, request: httpx2.Request, *, stream: bool = False, **_options: Any
    ) -> httpx2.Response:
        """Send a request; of the body of an error response only the beginning can be read."""
        response = await self._carrier.handle_async_request(request)
        response.request = request
        if response.status_code >= 300 and isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _ErrorBody(response.stream)
            # a small compressed body could expand to any size; as bytes it says nothing: fine
            response.headers.pop("content-encoding", None)
        if not stream:
            await response.aread()
        return response


class _Client(AsyncOpenAI):
    """The SDK with requests of our own: all it does costs 0.14 ms instead of 0.45.

    It would parse the URL three times, and add the platform it runs on and the values of
    OPENAI_ORG_ID, OPENAI_PROJECT_ID and OPENAI_CUSTOM_HEADERS, also for servers they were not meant
    for.

    Args:
        base_url: The URL of the API.
        http_client: Sends the requests.
        headers: The headers of every request.
        query: The query of every URL; may be empty.
    """

    def __init__(
        self,
        base_url: str,
        http_client: httpx2.AsyncClient,
        headers: Mapping[str, str],
        query: str,
    ) -> None:
        # `pool`: the transport counts from the DNS lookup on
        timeout = httpx2.Timeout(None, connect=_CONNECT_SECONDS, pool=_CONNECT_SECONDS)
        super().__init__(
            base_url=base_url,
            api_key="set by the transport",
            http_client=http_client,
            timeout=timeout,
            max_retries=0,
        )
        self._own_headers = httpx2.Headers({**_HEADERS, **headers})
        self._extensions = {"timeout": timeout.as_dict()}
        self._query = query.encode()
        self._urls: dict[str, httpx2.URL] = {}

    def _build_request(
        self, options: FinalRequestOptions, *, retries_taken: int = 0
    ) -> httpx2.Request:
        url = self._urls.get(options.url)
        if url is None:
            url = self._prepare_url(options.url)
            url = url.copy_with(query=self._query) if self._query else url
            self._urls[options.url] = url
        return httpx2.Request(
            options.method,
            url,
            headers=self._own_headers,
            content=compact_json(options.json_data).encode(),
            extensions=self._extensions,
        )


class Endpoint:
    """The HTTP client of one server.

    Args:
        base_url: The URL of its API, for example `https://api.openai.com/v1`; paths go before its
            query.
        api_key: The API key; empty sends none.
        headers: Further headers of every request; a key that is sent in another way.
        resolver: Resolves the name of the server, for `is_public`.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str = "",
        headers: Mapping[str, str] | None = None,
        resolver: Resolver = resolve,
    ) -> None:
        # compression would let a proxy hold back tokens until a block is full
        own = {"accept-encoding": "identity", "user-agent": "chat-app", **(headers or {})}
        if api_key:
            own["authorization"] = f"Bearer {api_key}"
        is_https = base_url.lower().startswith("https:")
        tls_context = httpx2.create_ssl_context(verify=is_https, trust_env=False)
        self._http = _HttpClient(
            AiohttpTransport(verify=tls_context, client=partial(_client_session, tls_context))
        )
        base_url, _, query = base_url.partition("?")
        self._client = _Client(base_url, self._http, own, query)
        self._url = httpx2.URL(base_url)
        self._resolver = resolver

    async def is_public(self) -> bool:
        """Whether the server has public addresses only: what it fetches, anyone could."""
        try:
            addresses = await self._resolver(self._url.host, self._url.port or 443)
        except OSError:
            return False
        return bool(addresses) and all(map(is_public_address, addresses))

    async def create(self, path: str, request: dict[str, Any]) -> httpx2.Response:
        """Ask for an answer; the body of the response is not read yet.

        The request goes to the SDK as it is: its methods would check every field against the
        types of all parameters, which costs more than the rest of a request.

        Args:
            path: Of the API, after the base URL.
            request: The body.

        Raises:
            APIStatusError: The server refused it.
            APIConnectionError: It cannot be reached.
        """
        response = await self._client.post(
            path,
            cast_to=httpx2.Response,
            body=request,
            stream=True,
            stream_cls=AsyncStream[Any],
        )
        return cast(httpx2.Response, response)

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()


def body_of(response: httpx2.Response) -> AsyncIterator[bytes]:
    """The bytes of a body as they come; decompressed if it is compressed, unasked."""
    if "content-encoding" in response.headers or not isinstance(
        response.stream, httpx2.AsyncByteStream
    ):
        return response.aiter_bytes()
    return aiter(response.stream)  # without the decoder's layers, which cost as much as the read


def _client_session(tls_context: ssl.SSLContext) -> aiohttp.ClientSession:
    """An aiohttp session with a connection per answer and without cookies.

    Args:
        tls_context: The trusted certificates; aiohttp's default finds none on some systems.
    """
    # no keep-alive: the server may close a connection at the moment it is reused, and a request
    # must not be sent twice to find out
    connector = aiohttp.TCPConnector(limit=0, force_close=True, ssl=tls_context)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
