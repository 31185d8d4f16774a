"""Profiles: what a server accepts of one model, as far as its refusals have told. Pure.

Servers that speak the same dialect differ in what they reject, and few say so before they are
asked. A request begins with what most accept. When one is refused, `change_for_refusal` looks for a
reason that it knows in the server's words; the request is then sent again without the cause, before
the first token, and the later requests of this model are right at once.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from chat_app.llm.catalog import BUDGET_CLAUDE
from chat_app.llm.errors import ErrorDetails, Failure, failure_of_status

Request = Mapping[str, Any]

_BUDGET_ONLY = re.compile(BUDGET_CLAUDE)
_NEVER_THINKS = re.compile(r"gpt-[34]|chatgpt|gpt-5[^/]*-chat")
"""The models of OpenAI without reasoning."""
_BINDS = re.compile(r"claude-[a-z]+-(5[-.][1-9](?!\d)|[6-9])")
"""The Claude models whose thinking is bound to all that is before it."""


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """What a server accepts of one model. A dialect reads the fields that it has a use for.

    Args:
        system: Whether there is a system role; else the prompt begins the user's first turn.
        limit_field: The field of chat completions with the most tokens of an answer.
        max_output: The most tokens that may be asked for; None if it is not known.
        usage: Whether chat completions may be asked to count tokens.
        temperature: Whether the temperature may be set.
        effort: Whether the thinking effort may be set.
        thinking: How a Claude model is told to think: as it needs, up to a number of tokens, or
            not at all.
        thinking_off: Whether a Claude model may be told not to think.
        summaries: Whether Responses may be asked for summaries of the reasoning.
        encrypted: Whether Responses may be asked for encrypted reasoning.
        item_ids: Whether reasoning is sent back to Responses with its id.
        native: Whether native items are sent back.
        history: Whether those of earlier answers are, too; some models bind them to every word
            before, which an edit or another system prompt changes.
        reasoning_content: Whether chat completions want the reasoning with every answer.
        signatures: Whether chat completions want a signature with every call of a tool.
        tools: Whether tools may be offered.
        images: Whether images may be sent.
        image_urls: Whether they may be sent as an address.
        cache: Whether a request may say what to keep for the next one.
    """

    system: bool = True
    limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    max_output: int | None = None
    usage: bool = True
    temperature: bool = True
    effort: bool = True
    thinking: Literal["adaptive", "budget", ""] = "adaptive"
    thinking_off: bool = True
    summaries: bool = True
    encrypted: bool = True
    item_ids: bool = True
    native: bool = True
    history: bool = True
    reasoning_content: bool = False
    signatures: bool = False
    tools: bool = True
    images: bool = True
    image_urls: bool = True
    cache: bool = True


def first_profile(model: str) -> ModelProfile:
    """The profile that a model begins with.

    Args:
        model: Its name on the server.
    """
    if _BUDGET_ONLY.search(model):
        return ModelProfile(thinking="budget", effort=False)
    thinks = not _NEVER_THINKS.search(model)
    return ModelProfile(history=not _BINDS.search(model), summaries=thinks, encrypted=thinks)


@dataclass(frozen=True, slots=True)
class Change:
    """What a refusal teaches.

    Args:
        apply: Changes a profile.
        is_lasting: Whether it is true of the model, and not only of the refused request. What only
            the client's own words say, which some servers repeat, never is; nor is what is said of
            tools and images, which a client can make invalid in ways that no server names alike.
    """

    apply: Callable[[ModelProfile], ModelProfile]
    is_lasting: bool


def change_for_refusal(
    profile: ModelProfile, status: int, body: str, request: Request
) -> Change | None:
    """What to change after a refusal; None if the profile has nothing to do with it.

    Args:
        profile: The profile of the request.
        status: The HTTP status.
        body: The server's words.
        request: The body of the refused request.
    """
    try:
        decoded = json.loads(body)
    except (ValueError, RecursionError):
        decoded = body
    if failure_of_status(status, ErrorDetails.of(decoded)) in _OTHER_REASONS:
        return None
    text = body if decoded is body else json.dumps(decoded, ensure_ascii=False)
    words = _NO_REASON.sub(" ", text.lower())
    own: str | None = None
    for rule in _RULES:
        if status in rule.statuses and rule.applies(request):
            match = rule.words.search(words)
            if match is None:
                continue
            if own is None:
                own = _without_said(words, request)
            own_match = rule.words.search(own)
            apply = partial(rule.change, own_match or match)
            if apply(profile) != profile:
                return Change(apply, rule.is_lasting and own_match is not None)
    return None


def _without_said(words: str, request: Request) -> str:
    """The server's words without those that it repeats of the conversation."""
    found = list(_WORD.finditer(words))
    spoken = [match[0] for match in found]
    places: dict[tuple[str, ...], list[int]] = {}
    for length in range(1, _REPEATED_WORDS + 1):
        for start in range(len(spoken) - length + 1):
            places.setdefault(tuple(spoken[start : start + length]), []).append(start)
    repeated: set[int] = set()
    for text in _said(request):
        if len(text) < _LEAST_CHARS:
            continue
        said: list[str] = _WORD.findall(text[:_MAX_BODY].lower())
        length = min(len(said), _REPEATED_WORDS)
        for start in range(len(said) - length + 1 if length else 0):
            for place in places.get(tuple(said[start : start + length]), ()):
                repeated.update(range(place, place + length))
    left, end = [], 0
    for index in sorted(repeated):
        left.append(words[end : found[index].start()])
        end = found[index].end()
    return " ".join([*left, words[end:]])


def _said(request: Request) -> Iterator[str]:
    """The texts of a request that a client or a model wrote."""
    for field in _CONVERSATION:
        yield from _texts(request.get(field), names=False)
    # the schema of a client's tool has field names of its own
    yield from _texts(request.get("tools"), names=True)


def _texts(value: object, *, names: bool) -> Iterator[str]:
    """The texts in a value, and the names of its fields if they are a client's, too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, each in value.items():  # pyright: ignore[reportUnknownVariableType]
            if names:
                yield str(name)  # pyright: ignore[reportUnknownArgumentType]
            if names or name not in _PROTOCOL_FIELDS:
                yield from _texts(each, names=names)  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, list):
        for each in value:  # pyright: ignore[reportUnknownVariableType]
            yield from _texts(each, names=names)  # pyright: ignore[reportUnknownArgumentType]


@dataclass(frozen=True, slots=True)
class _Rule:
    """A known reason to refuse.

    Args:
        words: How servers say it, in lower case.
        applies: Whether a request has what is refused.
        change: What the profile becomes.
        statuses: The HTTP statuses that it comes with.
        is_lasting: See `Change`.
    """

    words: re.Pattern[str]
    applies: Callable[[Request], bool]
    change: Callable[[re.Match[str], ModelProfile], ModelProfile]
    statuses: tuple[int, ...] = (400, 422)
    is_lasting: bool = True


def _set(**fields: Any) -> Callable[[re.Match[str], ModelProfile], ModelProfile]:
    return lambda _match, profile: replace(profile, **fields)


def _cap(match: re.Match[str], profile: ModelProfile) -> ModelProfile:
    return replace(profile, max_output=int(match[1]))


def _says(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.DOTALL)


def _no_system(system: str) -> str:
    return (
        rf"{system}\b.{{0,60}}(not (be )?(supported|allowed|enabled|permitted|valid)|unsupported"
        r"|invalid)"
        rf"|(not|n't|unsupported|invalid|unexpected|unknown)\b.{{0,60}}{system}\b"
        r"|developer instruction is not|roles must alternate"
        r"|only (support\w* )?.?user.? and .?assistant|(should|must) be .?user.? or .?assistant"
    )


def _has(*fields: str) -> Callable[[Request], bool]:
    return lambda request: any(field in request for field in fields)


def _has_system(request: Request) -> bool:
    return any(message.get("role") == "system" for message in request.get("messages", ()))


def _has_images(request: Request) -> bool:
    contents = [item.get("content") for item in _items(request)]
    blocks = (block for content in contents if isinstance(content, list) for block in content)
    return any("image" in block.get("type", "") for block in blocks)


def _has_image_urls(request: Request) -> bool:
    return _has_images(request) and "'url': 'https:" in str(request)


def _has_answers(request: Request) -> bool:
    return any(item.get("role") == "assistant" for item in _items(request))


def _has_cache(request: Request) -> bool:
    return "prompt_cache_key" in request or "cache_control" in str(request)


def _thinks(*kinds: str) -> Callable[[Request], bool]:
    return lambda request: request.get("thinking", {}).get("type") in kinds


def _items(request: Request) -> list[Mapping[str, Any]]:
    return request.get("messages") or request.get("input") or []


_OTHER_REASONS = (
    Failure.WITHHELD,
    Failure.CONTEXT,
    Failure.QUOTA,
    Failure.RATE_LIMIT,
    Failure.API_KEY,
)
"""Failures that have a reason of their own."""
_NO_REASON = re.compile(
    r"invalid_(request|value|argument)\w*"  # types of errors that stand in every body
    r"|https?://[^\s\"'`<>()\\]+"
    r"|input_value=.{0,80}?(?=, input_type=)"  # Pydantic repeats both ends of a value
    r"|\\[nrt]",
    re.DOTALL,
)
"""What says nothing about what a server does not accept."""
_WORD = re.compile(r"\w+")
_REPEATED_WORDS = 4
"""So many words in a row, or a whole text, are repeated from the conversation."""
_LEAST_CHARS = 5
"""A shorter text is in many words by chance, and none of a rule."""
_MAX_BODY = 32_768
"""As much of a text could be in the body of an error; see `endpoint`."""
_CONVERSATION = ("messages", "input", "instructions", "system")
"""The fields of a request with what was said."""
_PROTOCOL_FIELDS = ("type", "role")
"""The fields in them with words of the API itself, which servers name as their reason."""
_REFUSES = (
    r"(not (be )?(support|allow|enabl|permit|valid|available)|unsupported|invalid|unknown"
    r"|unrecogni[sz]ed|unexpected|extra inputs|deprecated|removed)"
)
_RULES = (
    _Rule(_says("stream_options"), _has("stream_options"), _set(usage=False)),
    _Rule(
        _says("max_completion_tokens"),
        _has("max_tokens"),
        _set(limit_field="max_completion_tokens"),
    ),
    _Rule(
        # Anthropic: max_tokens: 9000 > 8192, which is the maximum allowed number of output tokens
        # OpenAI: max_tokens is too large: 9000. This model supports at most 4096 completion tokens
        _says(r"(?:max_tokens: \d+ >|supports at most) (\d{2,7})\b"),
        _has("max_tokens", "max_completion_tokens"),
        _cap,
    ),
    _Rule(_says(_no_system(r"\bsystem")), _has_system, _set(system=False)),
    _Rule(
        # a server that runs the model's chat template may report its error as a 500
        _says(_no_system(r"(\bsystem.? (role|message|prompt)s?|['\"`]system)")),
        _has_system,
        _set(system=False),
        statuses=(500,),
    ),
    _Rule(
        _says(r"reasoning_details|extra_content"),
        _has_answers,
        _set(native=False, signatures=False),
    ),
    _Rule(_says("thought_signature"), _has_answers, _set(signatures=True)),
    _Rule(
        # DeepSeek: The `reasoning_content` in the thinking mode must be passed back to the API.
        # Moonshot: reasoning_content is missing in assistant tool call message at index 2
        _says(r"reasoning_content.{0,60}(passed back|missing)|missing.{0,20}reasoning_content"),
        _has_answers,
        _set(reasoning_content=True),
    ),
    _Rule(_says("reasoning_content"), _has_answers, _set(reasoning_content=False)),
    _Rule(
        # OpenAI: Invalid 'temperature': decimal above maximum value. Expected a value <= 2
        _says(
            r"temperature.{0,80}(\brange\b|\bbetween\b|(less|greater) than|above|below"
            r"|at (most|least)|(max|min)imum|[<>])"
        ),
        _has("temperature"),
        _set(temperature=False),
        is_lasting=False,
    ),
    _Rule(
        _says(rf"temperature.{{0,80}}({_REFUSES}|only )|{_REFUSES}.{{0,60}}temperature"),
        _has("temperature"),
        _set(temperature=False),
    ),
    _Rule(
        # Anthropic: "thinking.type.enabled" is not supported for this model. Use
        # "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.
        _says(r"thinking\.type\.adaptive|thinking\.type\.enabled"),
        _thinks("enabled"),
        _set(thinking="adaptive"),
    ),
    _Rule(_says("adaptive"), _thinks("adaptive"), _set(thinking="budget", effort=False)),
    _Rule(
        # the reasoning of another request of the same answer is missing
        _says("expected .?thinking"),
        _thinks("enabled", "adaptive"),
        _set(thinking=""),
        is_lasting=False,
    ),
    _Rule(_says("bound to a different conversation"), _has_answers, _set(history=False)),
    _Rule(
        _says(r"thinking.{0,60}cannot be modified|(signature|data).{0,20} in .{0,12}thinking"),
        _has_answers,
        _set(native=False),
        is_lasting=False,
    ),
    _Rule(_says("thinking|disabled"), _thinks("disabled"), _set(thinking_off=False)),
    _Rule(
        _says(rf"thinking.{{0,60}}{_REFUSES}|{_REFUSES}.{{0,60}}thinking"),
        _thinks("enabled", "adaptive"),
        _set(thinking=""),
    ),
    _Rule(
        # OpenAI: Unsupported value: 'minimal' is not supported with the 'gpt-5.4' model
        # Pydantic: reasoning_effort: Input should be 'low', 'medium' or 'high'
        _says(
            r"unsupported value.{0,400}effort|effort.{0,400}unsupported value"
            r"|effort.{0,80}((should|must) be|one of)"
        ),
        _has("reasoning", "reasoning_effort"),
        _set(effort=False),
        is_lasting=False,
    ),
    _Rule(_says("summar|must be verified"), _has("reasoning"), _set(summaries=False)),
    _Rule(
        _says("reasoning|effort|thinking|output_config"),
        _has("reasoning_effort", "output_config"),
        _set(effort=False),
    ),
    _Rule(
        _says(r"encrypted content is not supported|include\b.{0,60}encrypted_content"),
        _has("include"),
        _set(encrypted=False),
    ),
    _Rule(
        _says("not persisted|item with id"),
        _has("input"),
        _set(item_ids=False),
        statuses=(400, 404, 422),
    ),
    _Rule(
        _says("not persisted|item with id|encrypted.content|without its required"),
        _has("input"),
        _set(native=False),
        statuses=(400, 404, 422),
        is_lasting=False,
    ),
    _Rule(_says("reasoning"), _has("reasoning"), _set(effort=False, summaries=False)),
    _Rule(
        # Ollama: "x" does not support tools. OpenRouter: No endpoints found that support tool use.
        # vLLM: "auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser
        _says(
            r"not support tool|support tool use|tool.{0,3}choice.{0,80}(requires|not support)"
            rf"|\b(tools?|function.calling)\b.{{0,40}}{_REFUSES}"
        ),
        _has("tools"),
        _set(tools=False),
        statuses=(400, 404, 422, 500, 501),
        is_lasting=False,  # it may be the schema of one client that is refused
    ),
    _Rule(
        # one image cannot be read: the model sees the next one
        _says(
            r"uploaded an unsupported image|represent a valid image|could not process image"
            r"|failed to (download|process|decode|load) (the )?image|image_url'\. expected"
            r"|image url is invalid|\bimage\.source\.|image exceeds"
        ),
        _has_images,
        _set(images=False),
        is_lasting=False,
    ),
    _Rule(_says("base64"), _has_image_urls, _set(image_urls=False), is_lasting=False),
    _Rule(
        _says(
            r"(image|vision|multimodal).{0,80}(not|n't|only|unsupported|requires)"
            r"|(not|n't|unsupported|unknown).{0,80}(image|vision|multimodal)"
            r"|support image input|content must be a string|expected a string"
        ),
        _has_images,
        _set(images=False),
        statuses=(400, 404, 415, 422, 500),
        is_lasting=False,  # servers say the same of one image that they cannot read
    ),
    _Rule(_says("cache"), _has_cache, _set(cache=False)),
)
