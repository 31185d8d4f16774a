"""The OpenAPI document (version 3.1), made from the declarations of the routes."""

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from starlette.routing import BaseRoute

from chat_app.api.families import FAMILIES, NATIVE, OTHER, ApiFamily, family_of
from chat_app.api.forms import EVERY_FORM, FORM_TYPE
from chat_app.api.problems import MEDIA_TYPE, TITLES, Problem
from chat_app.api.responses import NextPage
from chat_app.api.routing import EVENT_STREAM, ApiRoute, Operation

Json = dict[str, Any]

_TAGS = {
    "chat": "Answers: send, edit, regenerate and continue messages; follow and stop a run.",
    "ag-ui": "Answers for clients of AG-UI, the Agent-User Interaction Protocol.",
    "threads": "Conversations and their messages.",
    "search": "Full-text search.",
    "models": "The models that users can choose.",
    "account": "The signed-in user: profile, password, sessions, second factor, passkeys, export.",
    "admin": "The administration of the installation, for site admins.",
    "auth": "Sign-in, sign-up and sign-out, in the shapes of Auth.js (version 5).",
    "health": "Whether the process answers.",
    "docs": "The description of the API.",
    "assistant-cloud": "The API of AssistantCloud, for its client; with its tokens, or API keys.",
    "openai": "The API of OpenAI, for its clients; API keys only.",
    "anthropic": "The API of Anthropic, for its clients; API keys only.",
    "mcp": "The chats as tools of the Model Context Protocol; API keys only.",
}
_TEXT_PARAMETERS = {
    "provider": "The id of a sign-in method.",
    "model": "The id of a model.",
    "message": "Its id, or the one under which a client sent it.",
}
_EVENTS: Json = {EVENT_STREAM: {}}
"""No schema: readers of OpenAPI 3.1 disagree whether it is that of an event or of the stream."""
_CONVERTOR = re.compile(r":\w+}")
"""What Starlette has in a path behind the name of a parameter."""
_NAMED_THREADS = ("/api/threads/{id}", "/api/chat/{id}", "/v1/threads/{id}")
"""Paths in which the id of a thread may also be one that a program gave it."""
_SCHEMAS = "#/components/schemas/{model}"

_INTRODUCTION = """The conversations of the app, for programs.

A browser's requests carry the session cookie, and an `Origin` of the app if they change something.
Programs send an API key, as a bearer token or in `x-api-key`: it can call the operations whose
scope it has. AssistantCloud's client sends a token of `POST /api/cloud/token`, which its operations
alone accept. Errors below `/api` are problem details (RFC 9457), those below `/v1` and
`/mcp` have the form that the client knows. What another user owns looks like what does not exist:
404."""


class _Schemas(GenerateJsonSchema):
    """JSON Schemas without a title for every field, which only repeats its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never."""
        return False


def document(routes: Iterable[BaseRoute], *, session_cookie: str) -> Json:
    """The OpenAPI document of the routes below the prefixes of the API.

    Args:
        routes: The routes; those without a declaration are left out.
        session_cookie: The full name of the session cookie.
    """
    found = [
        (method, _CONVERTOR.sub("}", route.path), route.operation)
        for route in routes
        if isinstance(route, ApiRoute) and _family(route.path) is not OTHER
        for method in sorted((route.methods or set()) - {"HEAD"})
    ]
    schemas = _ComponentSchemas(operation for _, _, operation in found)
    paths: dict[str, Json] = {}
    names: set[str] = set()
    for method, path, operation in found:
        described = _operation(path, operation, schemas)
        if described["operationId"] in names:  # a handler of several paths
            described["operationId"] += f"_{path.rpartition('/')[2].strip('{}')}"
        names.add(described["operationId"])
        paths.setdefault(path, {})[method.lower()] = described
    tags = dict.fromkeys(_tag(path) for _, path, _ in found)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Chat API", "version": "1", "description": _INTRODUCTION},
        "servers": [{"url": "/"}],
        "tags": [
            {"name": tag, **({"description": _TAGS[tag]} if tag in _TAGS else {})} for tag in tags
        ],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": {
                _error_name(family, status): _error(family, status)
                for family in dict.fromkeys(_family(path) for _, path, _ in found)
                for status in (*TITLES, None)
            },
            "securitySchemes": {
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": session_cookie,
                    "description": "The cookie of a signed-in browser.",
                },
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key.",
                },
                "apiKey": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "x-api-key",
                    "description": "An API key.",
                },
                "cloudToken": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token of `POST /api/cloud/token`, for five minutes.",
                },
            },
        },
    }


class _ComponentSchemas:
    """The JSON Schemas of every body and response, by their types.

    Args:
        operations: The operations that are described.

    Attributes:
        components: The schemas that have a name.
    """

    def __init__(self, operations: Iterable[Operation]) -> None:
        wanted: dict[tuple[str, JsonSchemaMode], Any] = {
            **{
                (repr(family.error_model), "serialization"): family.error_model
                for family in FAMILIES
            },
            (repr(NextPage), "serialization"): NextPage,
        }
        for operation in operations:
            if operation.body is not None:
                wanted[repr(operation.body), "validation"] = operation.body
            if operation.response is not None:
                wanted[repr(operation.response), "serialization"] = operation.response
        self._by_type, defined = TypeAdapter.json_schemas(
            [(key, mode, TypeAdapter(type_)) for (key, mode), type_ in wanted.items()],
            ref_template=_SCHEMAS,
            schema_generator=_Schemas,
        )
        self.components: Json = defined.get("$defs", {})

    def of(self, type_: Any, mode: JsonSchemaMode) -> Json:
        """The schema of a type, or a reference to it."""
        return self._by_type[repr(type_), mode]


def _operation(path: str, operation: Operation, schemas: _ComponentSchemas) -> Json:
    handler = operation.handler
    summary, _, rest = inspect.cleandoc(handler.__doc__ or "").partition("\n")
    name = f"{handler.__module__.rpartition('.')[2]}_{handler.__name__}"
    described: Json = {
        "operationId": name,
        "tags": [_tag(path)],
        "summary": summary.removesuffix("."),
        "security": _security(path, operation),
        "responses": dict(_responses(path, operation, schemas)),
    }
    notes = [rest.strip()]
    if operation.access == "admin":
        notes.append("For site admins; to other users it does not exist: 404.")
    if operation.access in ("fresh", "admin"):
        notes.append("The user must have authenticated lately, else 403 `step_up_required`.")
    if text := "\n\n".join(note for note in notes if note):
        described["description"] = text
    if parameters := [*_path_parameters(path), *_query_parameters(operation, schemas)]:
        described["parameters"] = parameters
    if body := _body(operation, schemas):
        described["requestBody"] = body
    return described


def _family(path: str) -> ApiFamily:
    return family_of({"path": path, "headers": []})


def _tag(path: str) -> str:
    if (family := _family(path)).name != NATIVE.name:
        return family.name
    name = path.removeprefix("/api/").partition("/")[0]
    return "docs" if name == "openapi.json" else name


def _security(path: str, operation: Operation) -> list[Json]:
    if operation.access in ("public", "form"):
        return []
    family = _family(path)
    session: list[Json] = [{"session": []}] if family.takes_session else []
    if operation.scope is None:
        return session
    schemes = ["bearer", "apiKey"]
    if "cloud_token" in family.credentials:
        schemes.append("cloudToken")
    return [*session, *({scheme: [operation.scope]} for scheme in schemes)]


def _path_parameters(path: str) -> Iterator[Json]:
    for part in path.split("/"):
        if part.startswith("{"):
            name = part.strip("{}").partition(":")[0]
            parameter: Json = {"name": name, "in": "path", "required": True}
            if name in _TEXT_PARAMETERS:
                parameter["description"] = _TEXT_PARAMETERS[name]
            elif path.startswith(_NAMED_THREADS):
                parameter["description"] = "The id of a thread, or the one that a program gave it."
            else:
                yield {**parameter, "schema": {"type": "string", "format": "uuid"}}
                continue
            yield {**parameter, "schema": {"type": "string"}}


def _query_parameters(operation: Operation, schemas: _ComponentSchemas) -> Iterator[Json]:
    if operation.query is None:
        return
    schema = operation.query.model_json_schema(ref_template=_SCHEMAS, schema_generator=_Schemas)
    schemas.components.update(schema.get("$defs", {}))
    required = schema.get("required", ())
    for name, one in schema.get("properties", {}).items():
        parameter = {"name": name, "in": "query", "required": name in required}
        if description := one.pop("description", None):
            parameter["description"] = description
        yield {**parameter, "schema": one}


def _body(operation: Operation, schemas: _ComponentSchemas) -> Json | None:
    if operation.body is not None:
        # An empty body counts as {}.
        required = any(field.is_required() for field in operation.body.model_fields.values())
        content = {"application/json": {"schema": schemas.of(operation.body, "validation")}}
        return {"required": required, "content": content}
    if operation.takes:
        return {"required": True, "content": {operation.takes: {}}}
    if operation.access == "form" or operation.fields:
        names = dict.fromkeys((*operation.fields, *EVERY_FORM))
        schema = {
            "type": "object",
            "properties": {name: {"type": "string"} for name in names},
            "additionalProperties": {"type": "string"},
        }
        return {"required": False, "content": {FORM_TYPE: {"schema": schema}}}
    return None


def _responses(
    path: str, operation: Operation, schemas: _ComponentSchemas
) -> Iterator[tuple[str, Json]]:
    yield from _successes(operation, schemas)
    if operation.redirects:
        # a script is told where to go with the status of the error
        content = {
            MEDIA_TYPE: {"schema": schemas.of(Problem, "serialization")},
            "application/json": {"schema": schemas.of(NextPage, "serialization")},
        }
        yield "4XX", {"description": "An error.", "content": content}
    else:
        for status in sorted(_error_statuses(path, operation)):
            name = _error_name(_family(path), status)
            yield str(status), {"$ref": f"#/components/responses/{name}"}
    yield "default", {"$ref": f"#/components/responses/{_error_name(_family(path))}"}


def _error_statuses(path: str, operation: Operation) -> set[int]:
    """The statuses that an operation has of its own; others are those of the server's limits."""
    statuses = {403, *operation.errors}
    if operation.access != "public":
        statuses.add(401)
        if "{" in path or operation.access == "admin":
            statuses.add(404)
    if operation.query is not None:
        statuses.add(422)
    if operation.body is not None or operation.takes:
        statuses |= {413, 422}
    if operation.fields:
        statuses |= {413, 415, 422}
    return {_family(path).error_status(status) for status in statuses}


def _successes(operation: Operation, schemas: _ComponentSchemas) -> Iterator[tuple[str, Json]]:
    if operation.response is not None:
        schema = schemas.of(operation.response, "serialization")
        content: Json = {"application/json": {"schema": schema}}
        content |= _EVENTS if operation.is_stream else {}
        for status in (operation.status, *operation.statuses):
            yield str(status), {"description": "Success.", "content": content}
        if operation.etag:
            yield "304", {"description": "The client has this version (`If-None-Match`)."}
    elif operation.is_stream:
        yield "200", {"description": "An event stream.", "content": _EVENTS}
    if operation.accepted:
        yield "202", {"description": "Accepted; there is no response."}
    if operation.media_type:
        yield "200", {"description": "A file.", "content": {operation.media_type: {}}}
    if operation.redirects:
        # to a script that follows redirects itself (`X-Auth-Return-Redirect`)
        content = {"application/json": {"schema": schemas.of(NextPage, "serialization")}}
        yield "200", {"description": "Where to go, for a script.", "content": content}
        location = {"Location": {"schema": {"type": "string", "format": "uri-reference"}}}
        yield "303", {"description": "Where to go.", "headers": location}
    answers = operation.response is not None or operation.is_stream or operation.media_type
    if operation.no_content or not (answers or operation.redirects):
        yield "204", {"description": "No content."}


def _error_name(family: ApiFamily, status: int | None = None) -> str:
    return f"{family.error_model.__name__}{status or ''}"


def _error(family: ApiFamily, status: int | None) -> Json:
    schema = {"$ref": _SCHEMAS.format(model=family.error_model.__name__)}
    described: Json = {
        "description": f"{TITLES[status]}." if status else "An error.",
        "content": {family.media_type: {"schema": schema}},
    }
    if status == 429:
        described["headers"] = {
            "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}
        }
    return described
