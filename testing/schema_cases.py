"""Requests that schemathesis makes from the OpenAPI document, and what is wrong with the responses.

For each operation: requests as its schemas say, and requests that break them, with ids of another
user's rows among the random ones, and each of them with every credential.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok

from chat_app.api.forms import FORM_TYPE
from chat_app.api.routes import http_app
from chat_app.auth.keys.scopes import SCOPES
from chat_app.auth.principal import Scope
from chat_app.gateway import Gateway
from chat_app.gateway.paths import API_DOCS, PUBLIC_API_PREFIX
from chat_app.services import services
from testing.canary_users import (
    CANARY,
    CREDENTIAL_HEADERS,
    canary_user,
    credential_headers,
    everything_in,
    new_key,
    rows_of,
)
from testing.reflex_tabs import Harness, open_harness
from testing.route_cases import described_case

HOME = "http://localhost:3000"
OFTEN = "1000000/minute"
UNLIMITED: dict[str, Any] = {
    f"limit_{name}": OFTEN
    for name in (
        *("messages", "threads", "sign_up_address", "start_address", "mail_address"),
        *("sign_in_address", "sign_in_pair", "sign_in_account"),
    )
}
"""Settings with which no request is refused for its number: 429 would hide other responses."""
SERVER_STATUSES = {"400", "408", "421", "429"}
"""Errors that any operation can have, which the document has under `default`."""
_NAMED = ("id", "before", "after", "head")
_NAMED_ENDINGS = ("Id", "_id")
_JUNK = st.fixed_dictionaries(
    {},
    optional={
        "query": st.dictionaries(st.text("abcxyz_", min_size=1), st.text(max_size=8), max_size=2),
        "accept": st.sampled_from(["application/json", "*/*", "application/problem+json", "x"]),
        "language": st.sampled_from(["en", "de-DE, *;q=0.1", ";;"]),
        "agent": st.text("abc/().;", max_size=12),
    },
)
"""What every request may have besides; it makes cases of operations without any parameter."""


@dataclass(frozen=True)
class Identity:
    """A user who sends requests, or an anonymous client.

    Args:
        headers: What authenticates a request.
        ids: Ids of their own rows, by kind.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Credential:
    """How requests are authenticated.

    Args:
        name: For the report.
        identity: A new user; called again when a request may have changed what the last one has, or
            ended the session.
        refusal: The status that every request of an operation gets, by the operation in the
            document; None for one that the credential may use.
        is_key: Whether it is an API key, whose requests an operation never refuses by itself.
    """

    name: str
    identity: Callable[[], Identity]
    refusal: Callable[[str, Mapping[str, Any]], int | None]
    is_key: bool = False


@dataclass
class Checked:
    """What was found.

    Attributes:
        cases: How many requests each operation got, by operation and credential.
        statuses: The statuses that it responded.
        wrong: What is wrong: one line for each kind.
    """

    cases: dict[tuple[str, str], int] = field(default_factory=dict)
    statuses: dict[tuple[str, str], set[int]] = field(default_factory=dict)
    wrong: dict[tuple[str, str], str] = field(default_factory=dict)

    def statuses_of(self, credential: Credential) -> set[int]:
        """The statuses of all operations."""
        found = self.statuses.items()
        return {status for (_, name), some in found if name == credential.name for status in some}


@dataclass(frozen=True)
class SchemaCases:
    """Makes the requests.

    Args:
        document: The OpenAPI document.
        base_url: The origin of the server.
        send: Sends a request and reads the whole response.
        foreign_ids: Ids of another user's rows.
        foreign_words: What only their owner may be told.
    """

    document: Mapping[str, Any]
    base_url: str
    send: Callable[[httpx.Request], httpx.Response]
    foreign_ids: Sequence[str]
    foreign_words: Sequence[str]

    def check(self, credentials: Iterable[Credential], examples: int, only: str = "") -> Checked:
        """Send the requests of every operation, each with all credentials.

        Args:
            credentials: Authenticate them.
            examples: How many requests per operation and credential.
            only: The only operation, as `GET /api/threads`.
        """
        checked, users = Checked(), dict[str, Identity]()
        schema = schemathesis.openapi.from_dict(dict(self.document), config=_config())
        for found in schema.get_all_operations():
            assert isinstance(found, Ok), found  # a part of the document is invalid
            operation = found.ok()
            name = f"{operation.method.upper()} {operation.path}"
            if only in ("", name):
                self._check_operation(name, operation, users, list(credentials), examples, checked)
        return checked

    def _check_operation(
        self,
        name: str,
        operation: Any,
        users: dict[str, Identity],
        credentials: Sequence[Credential],
        examples: int,
        checked: Checked,
    ) -> None:
        kind = described_case(operation.method, operation.path).kind
        for one in credentials:
            if one.name not in users:
                users[one.name] = one.identity()
            checked.cases[name, one.name], checked.statuses[name, one.name] = 0, set()

        @settings(
            max_examples=examples,
            database=None,
            derandomize=True,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            phases=[Phase.generate],
        )
        @given(
            case=_cases(operation),
            junk=_JUNK,
            chosen=st.lists(st.integers(0, 29), min_size=4, max_size=4),
        )
        def run(case: Case, junk: dict[str, Any], chosen: list[int]) -> None:
            for one in credentials:
                key = (name, one.name)
                own = users[one.name].ids
                right = [own[kind]] * 6 if kind in own else []
                sent = _with_ids(case, [*right, *own.values(), *self.foreign_ids], chosen)
                response = self.send(self._request(sent, junk, users[one.name].headers))
                checked.cases[key] += 1
                checked.statuses[key].add(response.status_code)
                for problem in self.wrong_with(sent, response, one):
                    checked.wrong.setdefault(key, f"{problem} ({sent!r})"[:500])
                if response.status_code == 401 or "set-cookie" in response.headers:
                    users[one.name] = one.identity()

        run()
        for one in credentials:
            if operation.method != "get" and one.refusal(operation.path, _raw(operation)) is None:
                del users[one.name]  # what it had may be changed

    def _request(
        self, case: Case, junk: Mapping[str, Any], headers: Mapping[str, str]
    ) -> httpx.Request:
        wanted = case.as_transport_kwargs(base_url=self.base_url)
        wanted.pop("cookies", None)
        prepared = requests.Request(**wanted).prepare()
        sent = {
            key: str(value)
            for key, value in prepared.headers.items()
            if key.lower() in ("content-type", "content-length")
        }
        named = {"accept": "accept", "language": "accept-language", "agent": "user-agent"}
        more = {named[key]: value for key, value in junk.items() if key in named}
        url = httpx.URL(str(prepared.url))
        for key, value in junk.get("query", {}).items():
            if key not in case.query:
                url = url.copy_add_param(key, value)
        body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body
        assert body is None or isinstance(body, bytes)
        return httpx.Request(
            str(prepared.method), url, headers={**sent, **more, **headers}, content=body
        )

    def wrong_with(
        self, case: Case, response: httpx.Response, credential: Credential
    ) -> Iterator[str]:
        """What is wrong with the response to a request."""
        try:
            case.validate_response(response, checks=_checks(case))
        except (Failure, FailureGroup) as failure:
            yield str(failure)
        operation = _raw(case.operation)
        status = str(response.status_code)
        if not {status, f"{status[0]}XX"} & (set(operation["responses"]) | SERVER_STATUSES):
            yield f"{status} is not documented"
        told, asked = everything_in(response), f"{response.request.url}{case.body!r}"
        if any(word in told for word in self.foreign_words if word not in asked):
            yield "tells what is another user's"
        refusal = credential.refusal(case.path, operation)
        if refusal is not None and response.status_code != refusal:
            yield f"{status} instead of {refusal}"
        is_refused = response.status_code in (401, 403)
        if refusal is None and credential.is_key and is_refused and operation["security"]:
            yield f"{status} with the right scope"


def _raw(operation: Any) -> Mapping[str, Any]:
    """An operation as the document has it."""
    return operation.definition.raw


def _with_ids(case: Case, known: Sequence[str], chosen: Sequence[int]) -> Case:
    """A copy of a request, with known ids in some of the places where ids belong.

    Args:
        case: The request.
        known: The ids.
        chosen: Which of them, place by place; a number that is too high leaves what is there.
    """
    indices = iter(chosen)

    def placed(value: Any, *, is_named: bool) -> Any:
        if isinstance(value, dict):
            return {key: placed(one, is_named=names_an_id(key)) for key, one in value.items()}
        if isinstance(value, list):
            return [placed(one, is_named=False) for one in value]
        if is_named and (index := next(indices, len(known))) < len(known):
            return known[index]
        return value

    copy = case.derive()
    for name, value in case.path_parameters.items():
        copy.path_parameters[name] = placed(value, is_named=True)
    copy.query.update(placed(dict(case.query), is_named=False))
    if isinstance(case.body, dict):
        copy.body = placed(case.body, is_named=False)
    return copy


def names_an_id(name: str) -> bool:
    """Whether a field holds the id of something."""
    return name in _NAMED or name.endswith(_NAMED_ENDINGS)


def _config() -> SchemathesisConfig:
    """The credentials are the caller's, not generated; a wrong body may also be too large."""
    refusals = ["4XX"]
    return SchemathesisConfig.from_dict(
        {
            "generation": {"with-security-parameters": False},
            "checks": {"negative_data_rejection": {"expected-statuses": refusals}},
        }
    )


def _checks(case: Case) -> list[Any]:
    names = [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ]
    if case.media_type != FORM_TYPE:  # every field of a form is text by the time that it arrives
        names.append("negative_data_rejection")
    return CHECKS.get_by_names(names)


def _cases(operation: Any) -> st.SearchStrategy[Case]:
    """Requests as the schemas say, as they do not where that is possible, and a known one."""
    right = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    if not (operation.body or operation.query or operation.path_parameters):
        return right
    found = [right, operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)]
    if (body := described_case(operation.method, operation.path).body) is not None:
        ids = {parameter.name: str(uuid4()) for parameter in operation.path_parameters}
        more = {"body": body, "media_type": "application/json"}
        found.append(st.builds(lambda: operation.Case(path_parameters=dict(ids), **more)))
    return st.one_of(found)


@contextmanager
def schema_cases(folder: Path, **given: Any) -> Iterator[tuple[SchemaCases, list[Credential]]]:
    """The requests on the routes behind the gateway, in process, and the credentials to try.

    The credentials are a session, none, and API keys with each scope and with all, in each of the
    two headers.

    Raises:
        AssertionError: At the end, what the other user has was changed.
    """
    with asyncio.Runner() as runner:
        opened = open_harness(
            folder,
            **{"chat_model": "fake:2x0", "sign_up": "open", "app_url": HOME, **UNLIMITED, **given},
        )
        harness = runner.run(opened.__aenter__())
        try:
            ada = runner.run(canary_user(harness.live))
            owner = ada.principal.user_id
            before = runner.run(rows_of(harness.live.db, owner))
            clients = count(1)

            async def gateway(scope: Any, receive: Any, send: Any) -> None:
                # an address for each request, as some limits are per address
                address = str(ip_address(next(clients) + (10 << 24)))
                await behind({**scope, "client": (address, 1)}, receive, send)

            behind = Gateway(http_app(), services=services)
            client = httpx.AsyncClient(transport=httpx.ASGITransport(gateway))
            cases = SchemaCases(
                runner.run(_document(client)),
                HOME,
                lambda request: runner.run(client.send(request)),
                foreign_ids=list(ada.ids.values()),
                foreign_words=[CANARY, *ada.ids.values()],
            )
            yield cases, list(_credentials(runner, harness))
            assert runner.run(rows_of(harness.live.db, owner)) == before
            runner.run(client.aclose())
        finally:
            runner.run(opened.__aexit__(None, None, None))


def _credentials(runner: asyncio.Runner, harness: Harness) -> Iterator[Credential]:
    session, *headers = CREDENTIAL_HEADERS
    origin = {"Origin": HOME}

    async def identity(header: str, scopes: tuple[Scope, ...]) -> Identity:
        user = await canary_user(harness.live, "myown")
        token = user.token
        if header != session:
            token = await new_key(harness.live, user.principal, *scopes)
        return Identity(origin | credential_headers(harness.live, header, token), user.ids)

    def user_of(header: str, scopes: tuple[Scope, ...] = ()) -> Callable[[], Identity]:
        return lambda: runner.run(identity(header, scopes))

    yield Credential("session", user_of(session), _refusal_without_key({"session"}))
    yield Credential("signed out", lambda: Identity(origin), _refusal_without_key(set()))
    for header in headers:
        for name, scopes in {"all": SCOPES, **{scope: (scope,) for scope in SCOPES}}.items():
            refusal = _refusal_of_key(frozenset(scopes))
            yield Credential(f"{header} {name}", user_of(header, scopes), refusal, is_key=True)


def _refusal_without_key(
    schemes: Set[str],
) -> Callable[[str, Mapping[str, Any]], int | None]:
    def refusal(_path: str, operation: Mapping[str, Any]) -> int | None:
        is_open = not operation["security"]
        return None if is_open or any(schemes & {*one} for one in operation["security"]) else 401

    return refusal


def _refusal_of_key(
    scopes: frozenset[str],
) -> Callable[[str, Mapping[str, Any]], int | None]:
    def refusal(path: str, operation: Mapping[str, Any]) -> int | None:
        if path.startswith(PUBLIC_API_PREFIX) or path == API_DOCS:
            return 403
        if not operation["security"]:
            return None
        named = {scope for one in operation["security"] for some in one.values() for scope in some}
        return None if named & scopes else 403

    return refusal


async def _document(client: httpx.AsyncClient) -> dict[str, Any]:
    return (await client.get(f"{HOME}/api/openapi.json")).json()
