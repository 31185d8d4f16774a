"""The page that describes the HTTP API: the OpenAPI document as HTML, without a script."""

import inspect
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from chat_app.api.problems import TITLES
from chat_app.core.errors import ChatError
from chat_app.gateway.errors import GATEWAY_ERRORS

Json = dict[str, Any]

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{
  color-scheme: light dark;
  font: 16px/1.6 system-ui, sans-serif;
  --text: light-dark(#1f1d1a, #ecebe6); --quiet: light-dark(#57524a, #bdbbb3);
  --page: light-dark(#fcfbf9, #161715); --raised: light-dark(#f3f1ec, #20211f);
  --line: light-dark(#ddd8cf, #3a3b38); --link: light-dark(#0b6a56, #74cfb3);
}}
* {{ box-sizing: border-box; }}
html {{ background: var(--page); color: var(--text); scroll-padding-top: 1rem; }}
body {{ margin: 0; }}
a {{ color: var(--link); text-underline-offset: 0.2em; }}
:focus-visible {{ outline: 2px solid var(--link); outline-offset: 2px; border-radius: 0.25rem; }}
:target {{ scroll-margin-top: 1rem; }}
.skip {{ position: absolute; left: -99rem; }}
.skip:focus {{ left: 1rem; top: 1rem; background: var(--page); padding: 0.5rem; }}
.columns {{ display: grid; grid-template-columns: minmax(0, 1fr); }}
nav, main {{ padding: 1.5rem 1rem; min-width: 0; }}
main {{ max-width: 56rem; }}
nav {{ border-bottom: 1px solid var(--line); }}
nav h2 {{ font-size: 1rem; margin: 0; }}
nav ul {{ list-style: none; margin: 0.25rem 0 1rem; padding: 0; }}
nav li a {{
  display: block; padding: 0.25rem 0; color: var(--text); text-decoration: none;
  overflow-wrap: anywhere; font-size: 0.875rem;
}}
nav li a:hover {{ text-decoration: underline; }}
@media (min-width: 60rem) {{
  .columns {{ grid-template-columns: 20rem minmax(0, 1fr); }}
  nav {{
    position: sticky; top: 0; height: 100vh; overflow-y: auto;
    border-bottom: 0; border-right: 1px solid var(--line);
  }}
  main {{ padding: 1.5rem 2.5rem; }}
}}
h1 {{ font-size: 1.75rem; line-height: 1.3; margin: 0 0 1rem; }}
main h2 {{ margin: 3rem 0 0.5rem; font-size: 1.375rem; }}
main h3 {{
  margin: 2.5rem 0 0.5rem; padding-top: 1rem; border-top: 1px solid var(--line);
  font: 600 1rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere;
}}
main h4 {{ margin: 1rem 0 0.25rem; font-size: 0.9375rem; }}
p {{ margin: 0.5rem 0; }}
.quiet {{ color: var(--quiet); }}
.method {{ display: inline-block; min-width: 3.75rem; color: var(--link); font-weight: 600; }}
nav .method {{ font-size: 0.75rem; min-width: 3.5rem; }}
code {{ font: 0.875em ui-monospace, monospace; overflow-wrap: anywhere; }}
table {{ border-collapse: collapse; width: 100%; font-size: 0.9375rem; }}
th, td {{
  text-align: left; vertical-align: top; padding: 0.375rem 0.75rem 0.375rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere;
}}
th {{ font-weight: 600; color: var(--quiet); white-space: nowrap; }}
@media (min-width: 40rem) {{
  td:first-child, td:first-child code {{ overflow-wrap: normal; }}
}}
@media (max-width: 39.99rem) {{
  thead {{ display: none; }}
  tr, td {{ display: block; }}
  tr {{ padding: 0.375rem 0; border-bottom: 1px solid var(--line); }}
  td {{ padding: 0.0625rem 0; border: 0; }}
}}
</style>
</head>
<body>
<a class="skip" href="#content">Skip to content</a>
<div class="columns">
<nav aria-label="Contents">
{contents}
</nav>
<main id="content" tabindex="-1">
<h1>{title}</h1>
{introduction}
<p><a href="/api/openapi.json">OpenAPI document</a> (JSON)</p>
{sections}
</main>
</div>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """A kind of problem.

    Args:
        code: Its code.
        status: The HTTP status.
        meaning: One sentence.
    """

    code: str
    status: int
    meaning: str


def problem_kinds() -> list[ProblemKind]:
    """Every kind of problem, by its code; an error of the gateway before one of a route."""
    kinds: dict[str, ProblemKind] = {}
    for error in (*GATEWAY_ERRORS, *_subclasses(ChatError)):
        meaning = inspect.cleandoc(error.__doc__ or "").partition("\n")[0]
        kinds.setdefault(error.code, ProblemKind(error.code, error.status, meaning))
    return sorted(kinds.values(), key=lambda kind: kind.code)


def _subclasses(kind: type[ChatError]) -> Iterator[type[ChatError]]:
    for one in kind.__subclasses__():
        yield one
        yield from _subclasses(one)


def docs_page(document: Json, problems: Iterable[ProblemKind]) -> str:
    """The page.

    Args:
        document: The OpenAPI document.
        problems: What an error's `code` can be.
    """
    by_tag: dict[str, list[tuple[str, str, Json]]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            by_tag[operation["tags"][0]].append((method.upper(), path, operation))
    sections = [
        *(_tag_section(tag, by_tag[tag["name"]], document) for tag in document["tags"]),
        _schemas_section(document["components"]["schemas"]),
        _problems_section(problems),
    ]
    return _PAGE.format(
        title=escape(document["info"]["title"]),
        introduction=_paragraphs(document["info"]["description"]),
        contents="\n".join(_contents(by_tag)),
        sections="\n".join(sections),
    )


def _contents(by_tag: dict[str, list[tuple[str, str, Json]]]) -> Iterator[str]:
    for tag, operations in by_tag.items():
        yield f'<h2><a href="#tag-{escape(tag)}">{escape(tag)}</a></h2>\n<ul>'
        for method, path, operation in operations:
            target = escape(operation["operationId"])
            yield f'<li><a href="#{target}">{_endpoint(method, path)}</a></li>'
        yield "</ul>"
    yield '<h2><a href="#schemas">Schemas</a></h2>\n<h2><a href="#problems">Problems</a></h2>'


def _tag_section(tag: Json, operations: list[tuple[str, str, Json]], document: Json) -> str:
    name = escape(tag["name"])
    described = _paragraphs(tag.get("description", ""))
    shown = "\n".join(_operation_section(*one, document) for one in operations)
    return f'<section>\n<h2 id="tag-{name}">{name}</h2>\n{described}\n{shown}\n</section>'


def _operation_section(method: str, path: str, operation: Json, document: Json) -> str:
    parts = [
        f'<h3 id="{escape(operation["operationId"])}">{_endpoint(method, path)}</h3>',
        f"<p>{_inline(operation['summary'])}.</p>",
        _paragraphs(operation.get("description", "")),
        f'<p class="quiet">{_callers(operation["security"])}</p>',
    ]
    if parameters := operation.get("parameters"):
        rows = [
            (
                f"<code>{escape(one['name'])}</code>",
                escape(one["in"]) + (", required" if one["required"] else ""),
                _type(one["schema"]),
                _inline(one.get("description", "")),
            )
            for one in parameters
        ]
        parts += ["<h4>Parameters</h4>", _table(("Name", "In", "Type", "Description"), rows)]
    if body := operation.get("requestBody"):
        parts += ["<h4>Body</h4>", *(f"<p>{one}</p>" for one in _contents_of(body))]
        for content in body["content"].values():
            schema = content.get("schema", {})
            if "properties" in schema:
                parts.append(_properties(schema))
    rows = [
        (f"<code>{escape(status)}</code>", *_response(response, document))
        for status, response in operation["responses"].items()
    ]
    parts += ["<h4>Responses</h4>", _table(("Status", "Meaning", "Body"), rows)]
    return "\n".join(part for part in parts if part)


def _endpoint(method: str, path: str) -> str:
    return f'<span class="method">{escape(method)}</span> {escape(path)}'


def _callers(security: list[Json]) -> str:
    if not security:
        return "Open to everyone."
    schemes = {scheme for one in security for scheme in one}
    scopes = {scope for one in security for names in one.values() for scope in names}
    if not scopes:
        return "A session; API keys are refused."
    key = f"API key with the scope <code>{escape(', '.join(scopes))}</code>."
    if "session" in schemes:
        return f"A session, or an {key}"
    if "cloudToken" in schemes:
        return f"A token of AssistantCloud's client, or an {key}"
    return f"An {key}"


def _response(response: Json, document: Json) -> tuple[str, str]:
    if reference := response.get("$ref"):
        response = document["components"]["responses"][reference.rpartition("/")[2]]
    return escape(response["description"]), "<br>".join(_contents_of(response))


def _contents_of(described: Json) -> list[str]:
    """Each media type with its schema."""
    return [
        f"<code>{escape(media_type)}</code>"
        + (f": {_type(content['schema'])}" if content.get("schema") else "")
        for media_type, content in described.get("content", {}).items()
    ]


def _schemas_section(schemas: Json) -> str:
    parts = ['<section>\n<h2 id="schemas">Schemas</h2>']
    for name, schema in sorted(schemas.items()):
        parts += [
            f'<h3 id="schema-{escape(name)}">{escape(name)}</h3>',
            _paragraphs(schema.get("description", "")),
            _properties(schema) if "properties" in schema else f"<p>{_type(schema)}</p>",
        ]
    return "\n".join([*parts, "</section>"])


def _properties(schema: Json) -> str:
    required = schema.get("required", ())
    rows = [
        (
            f"<code>{escape(name)}</code>" + ("" if name in required else " (optional)"),
            _type(one),
            _inline(one.get("description", "")),
        )
        for name, one in schema["properties"].items()
    ]
    return _table(("Field", "Type", "Description"), rows)


def _problems_section(problems: Iterable[ProblemKind]) -> str:
    rows = [
        (
            f'<code id="problem-{escape(one.code)}">{escape(one.code)}</code>',
            f"{one.status} {escape(TITLES.get(one.status, ''))}",
            _inline(one.meaning),
        )
        for one in problems
    ]
    intro = "<p>The <code>code</code> of an error, and its <code>type</code> leads here.</p>"
    table = _table(("Code", "Status", "Meaning"), rows)
    return f'<section>\n<h2 id="problems">Problems</h2>\n{intro}\n{table}\n</section>'


def _type(schema: Json) -> str:
    """A JSON Schema in a few words."""
    if reference := schema.get("$ref"):
        name = escape(reference.rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return " or ".join(_type(one) for one in schema[word])
    if "allOf" in schema:
        return " and ".join(_type(one) for one in schema["allOf"])
    if "enum" in schema:
        return " or ".join(f"<code>{_json(value)}</code>" for value in schema["enum"])
    if "const" in schema:
        return f"<code>{_json(schema['const'])}</code>"
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    values = schema.get("additionalProperties")
    if kind == "object" and isinstance(values, dict) and values:
        return f"object of {_type(values)}"
    text = escape(schema.get("format", kind) if kind == "string" else str(kind))
    limits = [f"{word} {schema[key]}" for key, word in _LIMITS.items() if key in schema]
    default = f", default <code>{_json(schema['default'])}</code>" if "default" in schema else ""
    return text + (f" ({', '.join(limits)})" if limits else "") + default


_LIMITS = {
    "minimum": "at least",
    "maximum": "at most",
    "minLength": "at least characters:",
    "maxLength": "at most characters:",
    "minItems": "at least items:",
    "maxItems": "at most items:",
}


def _json(value: object) -> str:
    return escape(json.dumps(value, ensure_ascii=False))


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f'<th scope="col">{one}</th>' for one in heads)
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"


def _paragraphs(text: str) -> str:
    return "\n".join(f"<p>{_inline(one)}</p>" for one in text.split("\n\n") if one.strip())


def _inline(text: str) -> str:
    """A text with its `code` marked."""
    return re.sub(r"`+([^`]+)`+", r"<code>\1</code>", escape(text))
