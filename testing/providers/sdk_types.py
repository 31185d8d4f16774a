"""Requests and stream events against the types that the providers' SDKs publish.

The SDKs' types of requests are `TypedDict`s that allow further fields when pydantic reads them;
here every field that is not published is an error, and no value is converted.
"""

from functools import cache
from typing import Any

from anthropic.types import RawMessageStreamEvent
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from openai.types.chat import ChatCompletionChunk
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from openai.types.responses import ResponseStreamEvent
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from pydantic import TypeAdapter, ValidationError
from pydantic_core import SchemaValidator

REQUESTS: dict[str, Any] = {
    "chat-completions": CompletionCreateParamsStreaming,
    "responses": ResponseCreateParamsStreaming,
    "anthropic": MessageCreateParamsStreaming,
}
"""The type of a streamed request of each dialect."""
EVENTS: dict[str, Any] = {
    "chat-completions": ChatCompletionChunk,
    "responses": ResponseStreamEvent,
    "anthropic": RawMessageStreamEvent,
}
"""The type of an event of its stream."""


def request_errors(dialect: str, request: dict[str, Any]) -> list[str]:
    """What in a request is not as its SDK types it; empty if all is."""
    return _errors(_request_validator(dialect), request)


def event_errors(dialect: str, event: dict[str, Any]) -> list[str]:
    """What in an event of a stream is not as its SDK types it; empty if all is."""
    return _errors(_event_types(dialect), event)


def published_fields(dialect: str) -> frozenset[str]:
    """The names of all fields of a request."""
    return frozenset(REQUESTS[dialect].__annotations__)


@cache
def _request_validator(dialect: str) -> SchemaValidator:
    return SchemaValidator(_strict(TypeAdapter(REQUESTS[dialect]).core_schema))


@cache
def _event_types(dialect: str) -> TypeAdapter[Any]:
    return TypeAdapter(EVENTS[dialect])


def _errors(validator: SchemaValidator | TypeAdapter[Any], value: dict[str, Any]) -> list[str]:
    try:
        validator.validate_python(value)
    except ValidationError as error:
        return [
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
            for each in error.errors(include_url=False, include_input=False)
        ]
    return []


def _strict(schema: Any) -> Any:
    """A pydantic schema in which no field is unknown, nothing is converted and lists are read."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if isinstance(schema, tuple):
        return tuple(_strict(each) for each in schema)
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(value) for key, value in schema.items()}
    match schema.get("type"):
        case "typed-dict" if _extra(schema) != "allow":
            strict["extra_behavior"] = "forbid"
        case "generator":
            strict["type"] = "list"  # pydantic reads an `Iterable` only when it is iterated
            strict["strict"] = True
        case "model":  # of a response; a request holds none
            return {"type": "is-instance", "cls": schema["cls"], "ref": schema.get("ref")}
        case "str" | "int" | "float" | "bool" | "list" | "dict":
            strict["strict"] = True
    return strict


def _extra(schema: dict[str, Any]) -> str | None:
    return schema.get("extra_behavior") or schema.get("config", {}).get("extra_fields_behavior")
