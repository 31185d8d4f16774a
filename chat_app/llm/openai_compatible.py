"""Models of an OpenAI-compatible server.

The SDK makes the request; the token loop reads the raw body, because the SDK's stream objects
cost six to twelve times the CPU. aiohttp is the transport, because it reads a chunk at half the
cost of httpx's own.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import aiohttp
import httpx2
from httpx_aiohttp.httpx2 import AiohttpTransport
from openai import (
    APIConnectionError,
    APIStatusError,
    AsyncOpenAI,
    BadRequestError,
    UnprocessableEntityError,
)
from openai.resources.chat.completions import AsyncCompletions

from chat_app.core.events import Event
from chat_app.core.text import repair_surrogates
from chat_app.llm.base import ModelTimeouts, PromptMessage, ProviderError
from chat_app.llm.chat_completions import ChatCompletionDecoder
from chat_app.llm.errors import Failure, codes_of, failure_of_status, parse_retry_after
from chat_app.llm.sse import SSEParser, SSETooLarge

_CONNECT_SECONDS = 10.0
_USAGE_SECONDS = 2.0  # how long to wait for the usage, once the answer is complete

# The transport passes some of aiohttp's own errors on: of a response that is not HTTP, for one.
_CONNECTION_ERRORS = (httpx2.HTTPError, aiohttp.ClientError)

# The SDK would add the platform it runs on and the values of OPENAI_ORG_ID, OPENAI_PROJECT_ID and
# OPENAI_CUSTOM_HEADERS, also for servers they were not meant for. Its marker of raw responses
# stays, because it reads it again when the response comes.
_ALLOWED_HEADERS = frozenset(
    {"host", "content-type", "content-length", "accept", "connection", "x-stainless-raw-response"}
)

# These log URLs and bodies below WARNING, whatever the level of the root logger.
for _name in ("openai", "httpx2", "aiohttp"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class Endpoint:
    """The HTTP client of one server.

    Args:
        base_url: The URL of its API, for example `https://api.openai.com/v1`.
        api_key: The API key; empty sends none.
    """

    def __init__(self, base_url: str, api_key: str = "") -> None:
        async def set_headers(request: httpx2.Request) -> None:
            for name in set(request.headers) - _ALLOWED_HEADERS:
                del request.headers[name]
            # compression would let a proxy hold back tokens until a block is full
            request.headers["accept-encoding"] = "identity"
            request.headers["user-agent"] = "chat-app"
            if api_key:
                request.headers["authorization"] = f"Bearer {api_key}"

        is_https = base_url.lower().startswith("https:")
        tls_context = httpx2.create_ssl_context(verify=is_https, trust_env=False)
        # `pool`: the transport counts from the DNS lookup on
        timeout = httpx2.Timeout(None, connect=_CONNECT_SECONDS, pool=_CONNECT_SECONDS)
        self._http = httpx2.AsyncClient(
            transport=AiohttpTransport(
                verify=tls_context, client=partial(_client_session, tls_context)
            ),
            timeout=timeout,
            follow_redirects=False,
            trust_env=False,
            event_hooks={"request": [set_headers]},
        )
        client = AsyncOpenAI(
            base_url=base_url,
            api_key="set by the transport",
            http_client=self._http,
            timeout=timeout,
            max_retries=0,
        )
        self.create = AsyncCompletions(client).with_streaming_response.create

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()


def _client_session(tls_context: ssl.SSLContext) -> aiohttp.ClientSession:
    """An aiohttp session with a connection per answer and without cookies.

    Args:
        tls_context: The trusted certificates; aiohttp's default finds none on some systems.
    """
    # no keep-alive: the server may close a connection at the moment it is reused, and a request
    # must not be sent twice to find out
    connector = aiohttp.TCPConnector(limit=0, force_close=True, ssl=tls_context)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


class OpenAIModel:
    """One model of one server.

    Args:
        endpoint: The server.
        model: Its name on the server.
        timeouts: How long the server may send nothing.
        model_id: Its id in this program; empty for its name on the server.
        name: Its display name; empty for its name on the server.
        options: Further fields of the request, such as the temperature.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        model: str,
        timeouts: ModelTimeouts,
        *,
        model_id: str = "",
        name: str = "",
        options: dict[str, Any] | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._model = model
        self._timeouts = timeouts
        self.id = model_id or model
        self.name = name or model
        self._options = options or {}
        self._include_usage = True
        self._limit_field = "max_tokens"

    async def stream(
        self, prompt: Sequence[PromptMessage], *, max_tokens: int | None = None
    ) -> AsyncGenerator[Event]:
        """See `Model.stream`."""
        decoder = ChatCompletionDecoder(self.name)
        parser = SSEParser()
        async with AsyncExitStack() as stack:
            now = asyncio.get_running_loop().time
            deadline = now() + self._timeouts.first_token
            timeout_failure = Failure.SLOW
            chunks = await self._open(stack, prompt, max_tokens, deadline)
            while not decoder.done:
                chunk = await self._next(chunks, deadline, timeout_failure, decoder)
                if chunk is None:
                    break
                was_complete = decoder.complete
                for payload in self._parse(parser, chunk):
                    for event in decoder.feed(payload):
                        yield event
                        timeout_failure = Failure.STALLED
                        deadline = now() + self._timeouts.idle
                if decoder.complete and not was_complete:
                    deadline = now() + min(self._timeouts.idle, _USAGE_SECONDS)
            for event in decoder.end(parser.end()):
                yield event

    async def _open(
        self,
        stack: AsyncExitStack,
        prompt: Sequence[PromptMessage],
        max_tokens: int | None,
        deadline: float,
    ) -> AsyncIterator[bytes]:
        try:
            async with asyncio.timeout_at(deadline):
                while True:
                    request = self._endpoint.create(**self._request(prompt, max_tokens))
                    try:
                        response = await stack.enter_async_context(request)
                    except (BadRequestError, UnprocessableEntityError) as error:
                        if not self._adapt_request(error, max_tokens):
                            raise
                    else:
                        return response.http_response.aiter_bytes()
        except TimeoutError:
            raise Failure.SLOW.error(self.name) from None
        except APIStatusError as error:
            raise self._error_of(error) from None
        except (APIConnectionError, *_CONNECTION_ERRORS):
            raise Failure.UNREACHABLE.error(self.name) from None

    def _request(self, prompt: Sequence[PromptMessage], max_tokens: int | None) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._model,
            "messages": [
                {"role": message.role, "content": repair_surrogates(message.text)}
                for message in prompt
            ],
            "stream": True,
            **self._options,
        }
        if self._include_usage:
            request["stream_options"] = {"include_usage": True}
        if max_tokens is not None:
            request[self._limit_field] = max_tokens
        return request

    def _adapt_request(self, error: APIStatusError, max_tokens: int | None) -> bool:
        """Omit or rename the field that this server rejects; False if that is not the reason."""
        body = error.response.text
        if self._include_usage and "stream_options" in body:
            self._include_usage = False
            return True
        if max_tokens and self._limit_field == "max_tokens" and "max_completion_tokens" in body:
            self._limit_field = "max_completion_tokens"
            return True
        return False

    def _error_of(self, error: APIStatusError) -> ProviderError:
        failure = failure_of_status(error.status_code, codes_of(error.body))
        return failure.error(
            self.name, parse_retry_after(error.response.headers.get("retry-after"))
        )

    async def _next(
        self,
        chunks: AsyncIterator[bytes],
        deadline: float,
        timeout_failure: Failure,
        decoder: ChatCompletionDecoder,
    ) -> bytes | None:
        """The next bytes of the body, or None at its end."""
        try:
            async with asyncio.timeout_at(deadline):
                return await anext(chunks, None)
        except TimeoutError:
            failure = timeout_failure
        except _CONNECTION_ERRORS:
            failure = Failure.CUT_OFF
        if decoder.complete:
            return None
        raise failure.error(self.name)

    def _parse(self, parser: SSEParser, chunk: bytes) -> list[str]:
        try:
            return parser.feed(chunk)
        except SSETooLarge:
            raise Failure.MALFORMED.error(self.name) from None
