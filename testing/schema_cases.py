"""Requests that schemathesis makes from the OpenAPI document, and what is wrong with the responses.

For each operation: requests as its schemas say, and requests that break them, with ids of another
user's rows among the random ones.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

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

from chat_app.api.routes import http_app
from chat_app.auth.principal import Principal
from chat_app.db.tables import User
from chat_app.gateway import Gateway, cookies
from chat_app.services import services
from testing.reflex_tabs import Harness, open_harness

HOME = "http://localhost:3000"
SECRET = "kept between us"
SERVER_STATUSES = {"400", "408", "421", "429"}
"""Errors that any operation can have, which the document has under `default`."""
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
        ids: Ids of their own rows.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    ids: Sequence[str] = ()


@dataclass(frozen=True)
class Credential:
    """How requests are authenticated.

    Args:
        name: For the report.
        identity: A new user; called for each operation, and again when a request may have ended
            the session.
        refused: The status that every operation responds which is not open to everyone; None for
            a credential that they accept.
    """

    name: str
    identity: Callable[[], Identity]
    refused: int | None = None


@dataclass
class Checked:
    """What was found.

    Attributes:
        cases: How many requests each operation got.
        statuses: The statuses that each operation responded.
        wrong: What is wrong: one line for each kind, by operation.
    """

    cases: dict[str, int] = field(default_factory=dict)
    statuses: dict[str, set[int]] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)


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

    def check(self, credential: Credential, examples: int, only: str = "") -> Checked:
        """Send the requests of every operation.

        Args:
            credential: Authenticates them.
            examples: How many requests per operation.
            only: The only operation, as `GET /api/threads`.
        """
        checked = Checked()
        schema = schemathesis.openapi.from_dict(dict(self.document), config=_config())
        for found in schema.get_all_operations():
            assert isinstance(found, Ok), found  # a part of the document is invalid
            operation = found.ok()
            name = f"{operation.method.upper()} {operation.path}"
            if only in ("", name):
                self._check_operation(name, operation, credential, examples, checked)
        return checked

    def _check_operation(
        self, name: str, operation: Any, credential: Credential, examples: int, checked: Checked
    ) -> None:
        checked.cases[name], checked.statuses[name] = 0, set()
        who = credential.identity()
        ids = st.lists(st.integers(0, 9), min_size=2, max_size=2)

        @settings(
            max_examples=examples,
            database=None,
            derandomize=True,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            phases=[Phase.generate],
        )
        @given(case=_cases(operation), junk=_JUNK, chosen=ids)
        def run(case: Case, junk: dict[str, Any], chosen: list[int]) -> None:
            nonlocal who
            known = [*who.ids, *self.foreign_ids]
            for name_, index in zip(case.path_parameters, chosen, strict=False):
                if index < len(known):
                    case.path_parameters[name_] = known[index]
            response = self.send(self._request(case, junk, who.headers))
            checked.cases[name] += 1
            checked.statuses[name].add(response.status_code)
            for problem in self._wrong_with(case, response, credential):
                checked.wrong.setdefault(name, f"{problem} ({case!r})"[:500])
            if response.status_code == 401 or "set-cookie" in response.headers:
                who = credential.identity()

        run()

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

    def _wrong_with(
        self, case: Case, response: httpx.Response, credential: Credential
    ) -> Iterator[str]:
        try:
            case.validate_response(response, checks=_checks())
        except (Failure, FailureGroup) as failure:
            yield str(failure)
        documented = case.operation.definition.raw["responses"]
        status = str(response.status_code)
        if not {status, f"{status[0]}XX"} & (set(documented) | SERVER_STATUSES):
            yield f"{status} is not documented"
        if any(word in response.text for word in self.foreign_words):
            yield "tells what is another user's"
        is_open = not case.operation.definition.raw["security"]
        if credential.refused and not is_open and response.status_code != credential.refused:
            yield f"{status} instead of {credential.refused}"


def _config() -> SchemathesisConfig:
    """The credentials are the caller's, not generated; a wrong body may also be too large."""
    refusals = ["4XX"]
    return SchemathesisConfig.from_dict(
        {
            "generation": {"with-security-parameters": False},
            "checks": {"negative_data_rejection": {"expected-statuses": refusals}},
        }
    )


def _checks() -> list[Any]:
    names = (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
    )
    return CHECKS.get_by_names(list(names))


def _cases(operation: Any) -> st.SearchStrategy[Case]:
    """Requests as the schemas say, and as they do not where that is possible."""
    right = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    if not (operation.body or operation.query or operation.path_parameters):
        return right
    return st.one_of(right, operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))


@contextmanager
def schema_cases(folder: Path, **given: Any) -> Iterator[tuple[SchemaCases, list[Credential]]]:
    """The requests on the routes behind the gateway, in process, and the credentials to try.

    Raises:
        AssertionError: At the end, what the other user has was changed.
    """
    with asyncio.Runner() as runner:
        opened = open_harness(
            folder,
            **{"chat_model": "fake:2x0", "sign_up": "open", "app_url": HOME, **given},
        )
        harness = runner.run(opened.__aenter__())
        try:
            ada = runner.run(_person(harness, SECRET))
            before = runner.run(_everything(harness, ada))
            transport = httpx.ASGITransport(Gateway(http_app(), services=services))
            client = httpx.AsyncClient(transport=transport)
            cases = SchemaCases(
                runner.run(_document(client)),
                HOME,
                lambda request: runner.run(client.send(request)),
                foreign_ids=ada.ids,
                foreign_words=[SECRET, *ada.ids],
            )
            origin = {"Origin": HOME}
            yield (
                cases,
                [
                    Credential("session", lambda: runner.run(_person(harness, "my own"))),
                    Credential("signed out", lambda: Identity(origin), refused=401),
                ],
            )
            assert runner.run(_everything(harness, ada)) == before
            runner.run(client.aclose())
        finally:
            runner.run(opened.__aexit__(None, None, None))


@dataclass(frozen=True)
class _Person(Identity):
    """A signed-in user with a thread."""

    principal: Principal = field(kw_only=True)


async def _person(harness: Harness, words: str) -> _Person:
    person = User(email=f"{uuid4().hex}@example.com", name=words)
    async with harness.live.db.system("auth", write=True) as session:
        session.add(person)
    issued = await harness.live.sessions.issue(
        person.id, method="password", remember=False, client_ip="127.0.0.1", user_agent="test"
    )
    principal = Principal(person.id, issued.session_id)
    sent = await harness.live.runs.send(principal, text=words, client_id="c1", model="fake:2x0")
    async for _ in harness.live.runs.follow(principal, sent.run_id):
        pass
    name = cookies.full_name(harness.live.settings, cookies.SESSION)
    headers = {"Origin": HOME, "Cookie": f"{name}={issued.token}"}
    ids = [str(sent.thread_id), str(sent.message_id), str(issued.session_id)]
    return _Person(headers, ids, principal=principal)


async def _everything(harness: Harness, person: _Person) -> tuple[Any, ...]:
    """What a user has, to compare before and after."""
    live, principal = harness.live, person.principal
    return (
        await live.threads.page(principal),
        await live.threads.window(principal, UUID(person.ids[0])),
        await live.accounts.profile(principal),
        [session.id for session in await live.sessions.list(principal)],
    )


async def _document(client: httpx.AsyncClient) -> dict[str, Any]:
    return (await client.get(f"{HOME}/api/openapi.json")).json()
