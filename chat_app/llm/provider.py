"""Models of a provider, in any dialect."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from openai import APIConnectionError, APIStatusError

from chat_app.core.clock import WaitLimit
from chat_app.core.events import Event
from chat_app.llm.base import (
    DEFAULT_OPTIONS,
    UNKNOWN_MODEL,
    CallOptions,
    ModelInfo,
    ModelTimeouts,
    PromptMessage,
    ProviderError,
    nearest_effort,
)
from chat_app.llm.dialects import anthropic_messages, chat_completions, responses
from chat_app.llm.dialects.anthropic_messages import AnthropicDecoder
from chat_app.llm.dialects.chat_completion_stream import ChatCompletionDecoder
from chat_app.llm.dialects.responses import ResponsesDecoder
from chat_app.llm.dialects.stream import StreamDecoder
from chat_app.llm.endpoint import CONNECTION_ERRORS, Endpoint, body_of
from chat_app.llm.errors import ErrorDetails, Failure, failure_of_status, parse_retry_after
from chat_app.llm.profiles import ModelProfile, change_for_refusal, first_profile
from chat_app.llm.sse import SSEParser, SSETooLarge, SSEvent
from chat_app.settings.models import ProviderKind

_AFTER_FINISH_SECONDS = 15.0
"""The longest wait for each further chunk (usage, more text), once one had a finish reason."""
_MAX_SILENT_SECONDS = 600.0
"""The longest time without anything to show, where each event counts as a sign of life."""
_MAX_REFUSALS = 6
"""How many refusals of one request are answered with a change."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a provider is asked, and how it answers.

    Args:
        path: The path of the API, after the base URL.
        project: Makes the body of a request of a prompt, options, the name of the model on the
            server, its profile and its id here.
        decoder: Makes the decoder of an answer, of the model's display name and its id.
    """

    path: str
    project: Callable[
        [Sequence[PromptMessage], CallOptions, str, ModelProfile, str], dict[str, Any]
    ]
    decoder: Callable[[str, str], StreamDecoder]


DIALECTS: dict[ProviderKind, Dialect] = {
    "chat-completions": Dialect(
        chat_completions.PATH, chat_completions.project, ChatCompletionDecoder
    ),
    "responses": Dialect(responses.PATH, responses.project, ResponsesDecoder),
    "anthropic": Dialect(anthropic_messages.PATH, anthropic_messages.project, AnthropicDecoder),
}


def fit_options(options: CallOptions, info: ModelInfo) -> CallOptions:
    """The options without what a model cannot do; see `nearest_effort`."""
    effort = options.effort
    limits = [limit for limit in (options.max_tokens, info.max_output) if limit is not None]
    return replace(
        options,
        effort=None if effort is None else nearest_effort(effort, info.efforts),
        temperature=options.temperature if info.temperature else None,
        max_tokens=min(limits) if options.max_tokens is not None else None,
    )


class ProviderModel:
    """One model of one provider.

    Args:
        endpoint: The provider's server.
        model: Its name on the server.
        timeouts: How long the server may send nothing.
        model_id: Its id in this program; empty for its name on the server.
        name: Its display name; empty for its name on the server.
        fields: Further fields of every request, such as the temperature.
        info: What it can do.
        dialect: How the server is asked; a name of `DIALECTS`, or one of its own.

    Attributes:
        profile: What the server accepts, as far as its refusals have told.
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
        dialect: ProviderKind | Dialect = "chat-completions",
    ) -> None:
        self._endpoint = endpoint
        self._model = model
        self._timeouts = timeouts
        self._dialect = dialect if isinstance(dialect, Dialect) else DIALECTS[dialect]
        self.id = model_id or model
        self.name = name or model
        self.info = info
        # a model that acts calls its own tools
        self.profile = replace(first_profile(model), images=info.images, tools=not info.acts)
        self._fields = fields or {}

    async def stream(
        self, prompt: Sequence[PromptMessage], options: CallOptions = DEFAULT_OPTIONS
    ) -> AsyncGenerator[Event]:
        """See `Model.stream`."""
        decoder = self._dialect.decoder(self.name, self.id)
        parser = SSEParser()
        options = fit_options(options, self.info)
        async with AsyncExitStack() as stack:
            now = asyncio.get_running_loop().time
            deadline = now() + self._timeouts.first_token
            silent_until = now() + _MAX_SILENT_SECONDS
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
                            silent_until = now() + _MAX_SILENT_SECONDS
                    if decoder.every_event_counts and decoder.chunks > chunks:
                        longest = (
                            self._timeouts.first_token
                            if timeout_failure is Failure.SLOW
                            else self._timeouts.idle
                        )
                        deadline = min(now() + longest, silent_until)
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
        refusals = 0
        try:
            async with asyncio.timeout_at(deadline):
                profile = self.profile
                if _has_image_urls(prompt) and not await self._endpoint.is_public():
                    # a client would choose what a machine inside the network fetches
                    profile = replace(profile, image_urls=False)
                self._check(prompt, options, profile)
                while True:
                    request = self._request(prompt, options, profile)
                    try:
                        response = await self._endpoint.create(self._dialect.path, request)
                    except APIStatusError as error:
                        change = change_for_refusal(
                            profile, error.status_code, error.response.text, request
                        )
                        refusals += 1
                        if change is None or refusals > _MAX_REFUSALS:
                            raise
                        profile = change.apply(profile)
                        if change.is_lasting:
                            self.profile = change.apply(self.profile)
                        self._check(prompt, options, profile)
                    else:
                        stack.push_async_callback(response.aclose)
                        return body_of(response)
        except TimeoutError:
            raise Failure.SLOW.error(self.name) from None
        except APIStatusError as error:
            raise self._error_of(error) from None
        except (APIConnectionError, *CONNECTION_ERRORS):
            raise Failure.UNREACHABLE.error(self.name) from None

    def _check(
        self, prompt: Sequence[PromptMessage], options: CallOptions, profile: ModelProfile
    ) -> None:
        """Check that everything of a request that must be sent whole can be sent.

        Raises:
            ProviderError: It cannot.
        """
        if not options.is_exact:
            return
        if options.tools and not profile.tools:
            raise Failure.TOOLS.error(self.name)
        if (not profile.images and any(_image_urls(prompt))) or (
            not profile.image_urls and _has_image_urls(prompt)
        ):
            raise Failure.REQUEST.error(self.name)

    def _request(
        self, prompt: Sequence[PromptMessage], options: CallOptions, profile: ModelProfile
    ) -> dict[str, Any]:
        request = self._dialect.project(prompt, options, self._model, profile, self.id)
        return {**self._fields, **request} if self._fields else request

    def _error_of(self, error: APIStatusError) -> ProviderError:
        failure = failure_of_status(error.status_code, ErrorDetails.of(error.body))
        wait = parse_retry_after(error.response.headers, datetime.now(UTC))
        return failure.error(self.name, wait)

    async def _next(
        self,
        chunks: AsyncIterator[bytes],
        limit: WaitLimit,
        timeout_failure: Failure,
        decoder: StreamDecoder,
    ) -> bytes | None:
        """The next bytes of the body, or None at its end."""
        try:
            with limit:
                return await anext(chunks, None)
        except TimeoutError:
            failure = timeout_failure
        except CONNECTION_ERRORS:
            failure = Failure.CUT_OFF
        if decoder.complete:
            return None
        raise failure.error(self.name)

    def _parse(self, parser: SSEParser, chunk: bytes) -> list[SSEvent]:
        try:
            return parser.feed(chunk)
        except SSETooLarge:
            raise Failure.MALFORMED.error(self.name) from None


def _image_urls(prompt: Sequence[PromptMessage]) -> Iterator[str]:
    parts = (part for message in prompt for part in message.parts)
    return (part["url"] for part in parts if part["type"] == "file")


def _has_image_urls(prompt: Sequence[PromptMessage]) -> bool:
    """Whether an image of a prompt is an address, which the provider's server would fetch."""
    return any(url.startswith("https:") for url in _image_urls(prompt))
