"""Models behind an OpenAI-compatible server.

The SDK makes the request; the token loop reads the raw body, because the SDK's stream objects
cost six to twelve times the CPU. aiohttp carries it, because reading a piece costs half of what it
costs with httpx's own transport.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
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

from chat_app.core.text import repair_surrogates
from chat_app.llm.base import Delta, PromptMessage, ProviderError
from chat_app.llm.chat_completions import ChatCompletionDecoder
from chat_app.llm.errors import Failure, codes_of, failure_of_status, parse_retry_after
from chat_app.llm.sse import SSEParser, SSETooLarge

_CONNECT_SECONDS = 10.0
_AFTERWARDS_SECONDS = 2.0  # for the usage, once the provider has said that the answer is whole

# The transport passes some of aiohttp's own errors on: of an answer that is not HTTP, for one.
_LOST = (httpx2.HTTPError, aiohttp.ClientError)

# What a request needs. The SDK would add the platform it runs on and whatever OPENAI_ORG_ID,
# OPENAI_PROJECT_ID and OPENAI_CUSTOM_HEADERS hold, also for servers they were not meant for.
# Its mark for raw responses stays, because it looks for it again when the response comes.
_HEADERS = frozenset(
    {"host", "content-type", "content-length", "accept", "connection", "x-stainless-raw-response"}
)

# These log URLs and bodies below WARNING, whatever the level of the root logger.
for _name in ("openai", "httpx2", "aiohttp"):
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class ModelTimeouts:
    """How long a provider is waited for.

    Args:
        first_token: The longest silence before the first token, in seconds.
        idle: The longest silence after it, in seconds.
    """

    first_token: float
    idle: float


class Endpoint:
    """How to reach one server.

    Args:
        base_url: Where its API begins, for example `https://api.openai.com/v1`.
        api_key: Its key; empty sends none.
    """

    def __init__(self, base_url: str, api_key: str = "") -> None:
        async def only_ours(request: httpx2.Request) -> None:
            for name in set(request.headers) - _HEADERS:
                del request.headers[name]
            # Compression would let a proxy hold back tokens until a block is full.
            request.headers["accept-encoding"] = "identity"
            request.headers["user-agent"] = "chat-app"
            if api_key:
                request.headers["authorization"] = f"Bearer {api_key}"

        secure = base_url.lower().startswith("https:")
        trusted = httpx2.create_ssl_context(verify=secure, trust_env=False)
        # `pool`: the transport counts from the look-up of the name on.
        timeout = httpx2.Timeout(None, connect=_CONNECT_SECONDS, pool=_CONNECT_SECONDS)
        self._http = httpx2.AsyncClient(
            transport=AiohttpTransport(verify=trusted, client=partial(_session, trusted)),
            timeout=timeout,
            follow_redirects=False,
            trust_env=False,
            event_hooks={"request": [only_ours]},
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


def _session(trusted: ssl.SSLContext) -> aiohttp.ClientSession:
    """A client of as many connections as there are answers, which remembers nothing.

    Args:
        trusted: Whose certificates are taken. aiohttp's own choice finds none on some systems.
    """
    # One connection per answer: a kept one may be closed by the server at the moment it is used
    # again, and a question must not be sent twice to find out.
    connector = aiohttp.TCPConnector(limit=0, force_close=True, ssl=trusted)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


class OpenAIModel:
    """One model of one server.

    Args:
        endpoint: The server.
        model: The name the server knows it by.
        patience: How long the server may be silent.
        model_id: The id in this program; empty means the server's name.
        name: The name shown to people; empty means the server's name.
        options: Further fields of the request, such as the temperature.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        model: str,
        patience: ModelTimeouts,
        *,
        model_id: str = "",
        name: str = "",
        options: dict[str, Any] | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._model = model
        self._patience = patience
        self._id = model_id or model
        self._name = name or model
        self._options = options or {}
        self._count_tokens = True
        self._limit_field = "max_tokens"

    @property
    def id(self) -> str:
        """The id in settings, rows and URLs."""
        return self._id

    @property
    def name(self) -> str:
        """The name shown to people."""
        return self._name

    async def stream(
        self, turns: Sequence[PromptMessage], *, max_tokens: int | None = None
    ) -> AsyncGenerator[Delta]:
        """Answer the last turn; see `base.Model.stream`."""
        decoder = ChatCompletionDecoder(self._name)
        lines = SSEParser()
        async with AsyncExitStack() as stack:
            now = asyncio.get_running_loop().time
            deadline = now() + self._patience.first_token
            silence = Failure.SLOW
            chunks = await self._open(stack, turns, max_tokens, deadline)
            while not decoder.done:
                chunk = await self._next(chunks, deadline, silence, decoder)
                if chunk is None:
                    break
                was_complete = decoder.complete
                for payload in self._split(lines, chunk):
                    for delta in decoder.feed(payload):
                        yield delta
                        silence = Failure.STALLED
                        deadline = now() + self._patience.idle
                if decoder.complete and not was_complete:
                    deadline = now() + min(self._patience.idle, _AFTERWARDS_SECONDS)
            for delta in decoder.end(lines.end()):
                yield delta

    async def _open(
        self,
        stack: AsyncExitStack,
        turns: Sequence[PromptMessage],
        max_tokens: int | None,
        deadline: float,
    ) -> AsyncIterator[bytes]:
        try:
            async with asyncio.timeout_at(deadline):
                while True:
                    request = self._endpoint.create(**self._request(turns, max_tokens))
                    try:
                        response = await stack.enter_async_context(request)
                    except (BadRequestError, UnprocessableEntityError) as error:
                        if not self._give_way(error, max_tokens):
                            raise
                    else:
                        return response.http_response.aiter_bytes()
        except TimeoutError:
            raise Failure.SLOW.error(self._name) from None
        except APIStatusError as error:
            raise self._refusal(error) from None
        except (APIConnectionError, *_LOST):
            raise Failure.UNREACHABLE.error(self._name) from None

    def _request(self, turns: Sequence[PromptMessage], max_tokens: int | None) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._model,
            "messages": [
                {"role": turn.role, "content": repair_surrogates(turn.text)} for turn in turns
            ],
            "stream": True,
            **self._options,
        }
        if self._count_tokens:
            request["stream_options"] = {"include_usage": True}
        if max_tokens is not None:
            request[self._limit_field] = max_tokens
        return request

    def _give_way(self, error: APIStatusError, max_tokens: int | None) -> bool:
        """Leave out or rename what this server does not take; False if that is not the reason."""
        says = error.response.text
        if self._count_tokens and "stream_options" in says:
            self._count_tokens = False
            return True
        if max_tokens and self._limit_field == "max_tokens" and "max_completion_tokens" in says:
            self._limit_field = "max_completion_tokens"
            return True
        return False

    def _refusal(self, error: APIStatusError) -> ProviderError:
        failure = failure_of_status(error.status_code, codes_of(error.body))
        return failure.error(
            self._name, parse_retry_after(error.response.headers.get("retry-after"))
        )

    async def _next(
        self,
        chunks: AsyncIterator[bytes],
        deadline: float,
        silence: Failure,
        decoder: ChatCompletionDecoder,
    ) -> bytes | None:
        """The next bytes of the body, or None at its end."""
        try:
            async with asyncio.timeout_at(deadline):
                return await anext(chunks, None)
        except TimeoutError:
            failure = silence
        except _LOST:
            failure = Failure.CUT_OFF
        if decoder.complete:
            return None
        raise failure.error(self._name)

    def _split(self, lines: SSEParser, chunk: bytes) -> list[str]:
        try:
            return lines.feed(chunk)
        except SSETooLarge:
            raise Failure.MALFORMED.error(self._name) from None
