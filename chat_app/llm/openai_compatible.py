"""Models of an OpenAI-compatible server.

The SDK makes the request; the token loop reads the raw body, because the SDK's stream objects
cost six to twelve times the CPU. aiohttp is the transport, because it reads a chunk at half the
cost of httpx's own.
"""

import asyncio
import logging
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

import aiohttp
import httpx2
from httpx_aiohttp.httpx2 import AiohttpTransport
from openai import APIConnectionError, APIStatusError, AsyncOpenAI, AsyncStream

from chat_app.core.clock import WaitLimit
from chat_app.core.events import Event
from chat_app.core.text import repair_surrogates
from chat_app.llm.base import (
    DEFAULT_OPTIONS,
    UNKNOWN_MODEL,
    CallOptions,
    ModelInfo,
    ModelTimeouts,
    PromptMessage,
    ProviderError,
    text_message,
)
from chat_app.llm.chat_completions import ChatCompletionDecoder
from chat_app.llm.errors import ErrorDetails, Failure, failure_of_status, parse_retry_after
from chat_app.llm.sse import SSEParser, SSETooLarge, SSEvent

_CONNECT_SECONDS = 10.0
_AFTER_FINISH_SECONDS = 15.0
"""The longest wait for each further chunk (usage, more text), once one had a finish reason."""

_MAX_ERROR_BYTES = 32_768
"""How much of an error response is read; the SDK would read it to its end."""
_ERROR_SECONDS = 5.0
"""How long it is read, once its head has come."""
_NO_SYSTEM_ROLE = re.compile(
    r"\bsystem\b.{0,60}(not (be )?(supported|allowed|enabled|permitted|valid)|unsupported|invalid)"
    r"|(not|n't|unsupported|invalid|unexpected|unknown)\b.{0,60}\bsystem\b"
    r"|developer instruction is not|roles must alternate"
    r"|only (support\w* )?.?user.? and .?assistant|(should|must) be .?user.? or .?assistant"
)
"""How servers say that a model has no system role; templates of some only see one turn too many."""

# The transport passes some of aiohttp's own errors on: of a response that is not HTTP, for one.
_CONNECTION_ERRORS = (httpx2.HTTPError, aiohttp.ClientError)

# The SDK would add the platform it runs on and the values of OPENAI_ORG_ID, OPENAI_PROJECT_ID and
# OPENAI_CUSTOM_HEADERS, also for servers they were not meant for.
_ALLOWED_HEADERS = ("host", "content-type", "content-length", "accept", "connection")

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
            except (TimeoutError, *_CONNECTION_ERRORS):
                return  # the status alone says what failed
            if chunk is None:
                return
            yield chunk[:left]
            left -= len(chunk)

    async def aclose(self) -> None:
        await self._body.aclose()


async def _limit_error(response: httpx2.Response) -> None:
    """Keep the body of an error response from being read whole."""
    if response.status_code >= 300 and isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _ErrorBody(response.stream)
        # a small compressed body could expand to any size; as bytes it says nothing, which is fine
        response.headers.pop("content-encoding", None)


class Endpoint:
    """The HTTP client of one server.

    Args:
        base_url: The URL of its API, for example `https://api.openai.com/v1`.
        api_key: The API key; empty sends none.
    """

    def __init__(self, base_url: str, api_key: str = "") -> None:
        # compression would let a proxy hold back tokens until a block is full
        own = {"accept-encoding": "identity", "user-agent": "chat-app"}
        if api_key:
            own["authorization"] = f"Bearer {api_key}"

        async def set_headers(request: httpx2.Request) -> None:
            given = request.headers
            kept = {name: given[name] for name in _ALLOWED_HEADERS if name in given}
            request.headers = httpx2.Headers({**kept, **own})

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
            event_hooks={"request": [set_headers], "response": [_limit_error]},
        )
        self._client = AsyncOpenAI(
            base_url=base_url,
            api_key="set by the transport",
            http_client=self._http,
            timeout=timeout,
            max_retries=0,
        )

    async def create(self, request: dict[str, Any]) -> httpx2.Response:
        """Ask for a chat completion; the body of the response is not read yet.

        The request goes to the SDK as it is: its method for chat completions would check every
        field against the types of all parameters, which costs more than the rest of a request.

        Raises:
            APIStatusError: The server refused it.
            APIConnectionError: It cannot be reached.
        """
        response = await self._client.post(
            "/chat/completions",
            cast_to=httpx2.Response,
            body=request,
            stream=True,
            stream_cls=AsyncStream[Any],
        )
        return cast(httpx2.Response, response)

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()


def _body(response: httpx2.Response) -> AsyncIterator[bytes]:
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


def alternate(prompt: Sequence[PromptMessage], *, fold_system: bool) -> list[PromptMessage]:
    """The prompt with turns that alternate: strict servers reject two of one role in a row.

    An answer without text is left out, and neighbours of one role are merged.

    Args:
        prompt: The conversation, oldest message first.
        fold_system: Make system messages the beginning of the user's first turn.
    """
    turns: list[PromptMessage] = []
    for message in prompt:
        role = "user" if fold_system and message.role == "system" else message.role
        if role == "assistant" and not message.text.strip():
            continue
        if turns and turns[-1].role == role:
            turns[-1] = text_message(role, f"{turns[-1].text}\n\n{message.text}")
        else:
            turns.append(text_message(role, message.text))
    return turns


class OpenAIModel:
    """One model of one server.

    Args:
        endpoint: The server.
        model: Its name on the server.
        timeouts: How long the server may send nothing.
        model_id: Its id in this program; empty for its name on the server.
        name: Its display name; empty for its name on the server.
        fields: Further fields of every request, such as the temperature.
        info: What it can do.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        model: str,
        timeouts: ModelTimeouts,
        *,
        model_id: str = "",
        name: str = "",
        fields: dict[str, Any] | None = None,
        info: ModelInfo = UNKNOWN_MODEL,
    ) -> None:
        self._endpoint = endpoint
        self._model = model
        self._timeouts = timeouts
        self.id = model_id or model
        self.name = name or model
        self.info = info
        self._fields = fields or {}
        self._include_usage = True
        self._limit_field = "max_tokens"
        self._fold_system = False

    async def stream(
        self, prompt: Sequence[PromptMessage], options: CallOptions = DEFAULT_OPTIONS
    ) -> AsyncGenerator[Event]:
        """See `Model.stream`."""
        decoder = ChatCompletionDecoder(self.name)
        parser = SSEParser()
        async with AsyncExitStack() as stack:
            now = asyncio.get_running_loop().time
            deadline = now() + self._timeouts.first_token
            timeout_failure = Failure.SLOW
            body = await self._open(stack, prompt, options, deadline)
            limit = WaitLimit()
            stack.callback(limit.close)
            try:
                while not decoder.done:
                    piece = await self._next(body, limit.until(deadline), timeout_failure, decoder)
                    if piece is None:
                        break
                    chunks = decoder.chunks
                    for sent in self._parse(parser, piece):
                        for event in decoder.feed(sent):
                            yield event
                            timeout_failure = Failure.STALLED
                            deadline = now() + self._timeouts.idle
                    if decoder.complete and decoder.chunks > chunks:
                        deadline = now() + min(self._timeouts.idle, _AFTER_FINISH_SECONDS)
            except ProviderError:
                for event in decoder.flush():
                    yield event
                raise
            for event in decoder.end(parser.end()):
                yield event

    async def _open(
        self,
        stack: AsyncExitStack,
        prompt: Sequence[PromptMessage],
        options: CallOptions,
        deadline: float,
    ) -> AsyncIterator[bytes]:
        try:
            async with asyncio.timeout_at(deadline):
                while True:
                    request = self._request(prompt, options)
                    try:
                        response = await self._endpoint.create(request)
                    except APIStatusError as error:
                        if not self._adapt_request(error, prompt, options):
                            raise
                    else:
                        stack.push_async_callback(response.aclose)
                        return _body(response)
        except TimeoutError:
            raise Failure.SLOW.error(self.name) from None
        except APIStatusError as error:
            raise self._error_of(error) from None
        except (APIConnectionError, *_CONNECTION_ERRORS):
            raise Failure.UNREACHABLE.error(self.name) from None

    def _request(self, prompt: Sequence[PromptMessage], options: CallOptions) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._model,
            "messages": [
                {"role": message.role, "content": repair_surrogates(message.text)}
                for message in alternate(prompt, fold_system=self._fold_system)
            ],
            "stream": True,
            **self._fields,
        }
        if self._include_usage:
            request["stream_options"] = {"include_usage": True}
        if options.max_tokens is not None:
            request[self._limit_field] = options.max_tokens
        if options.temperature is not None:
            request["temperature"] = options.temperature
        return request

    def _adapt_request(
        self, error: APIStatusError, prompt: Sequence[PromptMessage], options: CallOptions
    ) -> bool:
        """Omit or rename what this server rejects; False if that is not the reason."""
        body = error.response.text
        if error.status_code in (400, 422):
            if self._include_usage and "stream_options" in body:
                self._include_usage = False
                return True
            renames_limit = "max_completion_tokens" in body and self._limit_field == "max_tokens"
            if options.max_tokens and renames_limit:
                self._limit_field = "max_completion_tokens"
                return True
        has_system = any(message.role == "system" for message in prompt)
        # a server that runs the model's chat template may report its error as a 500
        if has_system and not self._fold_system and error.status_code in (400, 422, 500):
            self._fold_system = bool(_NO_SYSTEM_ROLE.search(body.lower()))
            return self._fold_system
        return False

    def _error_of(self, error: APIStatusError) -> ProviderError:
        failure = failure_of_status(error.status_code, ErrorDetails.of(error.body))
        wait = parse_retry_after(error.response.headers, datetime.now(UTC))
        return failure.error(self.name, wait)

    async def _next(
        self,
        chunks: AsyncIterator[bytes],
        limit: WaitLimit,
        timeout_failure: Failure,
        decoder: ChatCompletionDecoder,
    ) -> bytes | None:
        """The next bytes of the body, or None at its end."""
        try:
            with limit:
                return await anext(chunks, None)
        except TimeoutError:
            failure = timeout_failure
        except _CONNECTION_ERRORS:
            failure = Failure.CUT_OFF
        if decoder.complete:
            return None
        raise failure.error(self.name)

    def _parse(self, parser: SSEParser, chunk: bytes) -> list[SSEvent]:
        try:
            return parser.feed(chunk)
        except SSETooLarge:
            raise Failure.MALFORMED.error(self.name) from None
