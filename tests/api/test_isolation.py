"""Every route with every credential header, through the gateway: exact verdicts.

A route without a case fails. `testing/route_cases.py` is the matrix: who may call a route, with
which scope, and what it responds.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

import httpx
import pytest

from chat_app.api.routes import routes
from chat_app.auth.keys.scopes import SCOPES
from chat_app.auth.keys.tokens import new_key as unknown_key
from chat_app.auth.principal import Scope
from testing.canary_users import (
    CANARY,
    CREDENTIAL_HEADERS,
    CanaryUser,
    canary_user,
    credential_headers,
    everything_in,
    new_key,
    rows_of,
)
from testing.database import DatabaseUnderTest
from testing.reflex_tabs import Harness, open_harness
from testing.route_callers import COOKIE, KEY_HEADERS, Caller, Verdict, is_as_expected, verdict
from testing.route_cases import CASES, NAMING, SECOND, Case

MINE = "myown"
"""The canary of the caller."""
INVITED = {"received", "declined"}
"""Two kinds of ids of one kind of row."""
OF_THE_REQUEST = "x-request-id"
"""A header that no two responses share."""


def each_header(*headers: str | None) -> pytest.MarkDecorator:
    """Each on both databases; but a second header for the same keys asks the same of them."""
    both = [
        (header, database)
        for header in headers
        for database in ("sqlite", "postgres")
        if (header, database) != (KEY_HEADERS[1], "postgres")
    ]
    return pytest.mark.parametrize(("header", "database"), both, indirect=["database"])


@pytest.fixture
async def harness(database: DatabaseUnderTest) -> AsyncIterator[Harness]:
    async with open_harness(database.folder, **database.settings, chat_model="fake:2x0") as harness:
        yield harness


class Untouched:
    """Checks at its end that a user's rows are as they were, and that no model was called.

    Args:
        harness: The services.
        user: The user.
        models_too: Whether no model may be called.
    """

    def __init__(self, harness: Harness, user: CanaryUser, *, models_too: bool = True) -> None:
        self._harness, self._user, self._models_too = harness, user, models_too

    async def __aenter__(self) -> None:
        self._before = await self._state()

    async def __aexit__(self, *error: object) -> None:
        if error[0] is None:
            assert await self._state() == self._before

    async def _state(self) -> tuple[Any, ...]:
        rows = await rows_of(self._harness.live.db, self._user.principal.user_id)
        models = self._harness.live.models.all() if self._models_too else ()
        return rows, sum(getattr(model, "calls", 0) for model in models)


def test_every_route_has_a_case() -> None:
    there = {
        (method, route.path) for route in routes for method in (route.methods or set()) - {"HEAD"}
    }
    assert len(routes) == len({route.path + str(route.methods) for route in routes})
    assert there == set(CASES)


@each_header(None, *CREDENTIAL_HEADERS)
async def test_without_a_session_or_a_key_only_public_routes_respond(
    harness: Harness, header: str | None
) -> None:
    ada = await canary_user(harness.live)
    headers = {} if header is None else credential_headers(harness.live, header, "forged")
    wrong = dict[str, Verdict]()
    async with Untouched(harness, ada):
        for (method, path), case in CASES.items():
            caller = Caller(harness.live, ada, headers)
            response = await caller.call(method, path)
            assert CANARY not in everything_in(response)
            expected: Verdict | int = case.anonymous or case.status if case.public else 401
            if header in KEY_HEADERS and not case.takes_keys:
                expected = (401, "invalid_api_key")
            if not is_as_expected(expected, response):
                wrong[f"{method} {path}"] = verdict(response)
    assert wrong == {}


async def test_a_session_reaches_what_is_the_users(harness: Harness) -> None:
    ada = await canary_user(harness.live)
    eve = await canary_user(harness.live, MINE)
    wrong = dict[str, Verdict]()
    async with Untouched(harness, ada, models_too=False):
        for (method, path), case in CASES.items():
            response = await Caller(harness.live, eve).call(method, path)
            if response.status_code != (case.status if case.takes_session else 401):
                wrong[f"{method} {path}"] = verdict(response)
            if method == "DELETE" or "set-cookie" in response.headers:
                eve = await canary_user(harness.live, MINE)  # something of theirs is gone
        found = [
            await Caller(harness.live, eve).send(
                "GET", path, params={"q": CANARY, "search": CANARY}
            )
            for path in ("/api/search", "/api/threads")
        ]
    assert wrong == {}
    assert [one.json() for one in found] == [{"hits": [], "nextCursor": None}, []]


def expected_of_key(case: Case, scopes: Sequence[Scope | None]) -> Verdict | int:
    if case.takes_keys or case.scope in scopes:
        return case.status
    return 403, "api_key_not_allowed" if case.scope is None else "insufficient_scope"


def has_challenge(case: Case, response: httpx.Response) -> bool:
    """Whether a refused key is told why, and of which scope (RFC 6750 §3)."""
    code, challenge = verdict(response)[1], response.headers.get("www-authenticate", "")
    if code not in ("api_key_not_allowed", "insufficient_scope"):
        return True
    is_told = challenge.startswith('Bearer error="insufficient_scope"')
    return is_told and (f', scope="{case.scope}"' in challenge) == (code == "insufficient_scope")


@each_header(*KEY_HEADERS)
async def test_a_key_reaches_what_its_scopes_name_and_nothing_else(
    harness: Harness, header: str
) -> None:
    ada = await canary_user(harness.live)
    wrong = dict[str, Verdict]()
    async with Untouched(harness, ada, models_too=False):
        for scopes in [*((scope,) for scope in SCOPES), SCOPES]:
            caller = await with_key(harness, header, *scopes)
            for (method, path), case in CASES.items():
                expected = expected_of_key(case, scopes)
                response = await caller.call(method, path)
                if not (is_as_expected(expected, response) and has_challenge(case, response)):
                    wrong[f"{' '.join(scopes)}: {method} {path}"] = verdict(response)
                if case.scope in scopes and method == "DELETE":
                    caller = await with_key(harness, header, *scopes)
    assert wrong == {}


async def with_key(harness: Harness, header: str, *scopes: Scope) -> Caller:
    """Another user, with an API key."""
    user = await canary_user(harness.live, MINE)
    key = await new_key(harness.live, user.principal, *scopes)
    return Caller(harness.live, user, credential_headers(harness.live, header, key))


def test_a_scope_reaches_no_route_for_signing_in_and_none_of_the_account() -> None:
    for (_, path), case in CASES.items():
        if path.startswith(("/api/auth/", "/api/account", "/api/docs")):
            assert (case.scope, case.takes_keys) == (None, False)


@each_header(*KEY_HEADERS)
async def test_a_key_that_is_over_reaches_nothing_not_even_with_a_cookie(
    harness: Harness, header: str
) -> None:
    ada = await canary_user(harness.live)
    key = await new_key(harness.live, ada.principal, *SCOPES)
    newest = (await harness.live.api_keys.list(ada.principal))[0]
    await harness.live.api_keys.revoke(ada.principal, newest.id)
    session = credential_headers(harness.live, COOKIE, ada.token)
    wrong = dict[str, Verdict]()
    async with Untouched(harness, ada):
        for token in (key, unknown_key(), ada.token):
            caller = Caller(
                harness.live, ada, session | credential_headers(harness.live, header, token)
            )
            for (method, path), case in CASES.items():
                response = await caller.call(method, path)
                if not case.takes_keys and verdict(response) != (401, "invalid_api_key"):
                    wrong[f"{method} {path}"] = verdict(response)
    assert wrong == {}


async def deleted_ones(harness: Harness) -> tuple[CanaryUser, dict[str, str]]:
    """A user, and ids of what they have deleted, by kind."""
    user = await canary_user(harness.live, MINE)
    sent = await harness.live.runs.send(user.principal, text="a", client_id="c", model="fake:2x0")
    async for _ in harness.live.runs.follow(user.principal, sent.run_id):
        pass
    await harness.live.threads.delete(user.principal, sent.thread_id)
    other = await canary_user(harness.live, MINE)
    for method, path in NAMING:
        case = CASES[method, path]
        deletes = method == "DELETE" and case.status == 204 and case.takes_session
        if deletes and "{message}" not in path:
            response = await Caller(harness.live, other).call(method, path)
            assert response.status_code == 204, (method, path)
    return user, {**other.ids, "thread": str(sent.thread_id), "run": str(sent.run_id)}


def comparable(response: httpx.Response) -> tuple[int, bytes, str]:
    headers = [pair for pair in response.headers.items() if pair[0] != OF_THE_REQUEST]
    return response.status_code, response.content, str(sorted(headers))


@each_header(*CREDENTIAL_HEADERS)
async def test_a_foreign_id_looks_like_a_missing_one_to_the_byte(
    harness: Harness, header: str
) -> None:
    ada = await canary_user(harness.live)
    eve, deleted = await deleted_ones(harness)
    token = eve.token
    if header != COOKIE:
        token = await new_key(harness.live, eve.principal, *SCOPES)
    caller = Caller(harness.live, eve, credential_headers(harness.live, header, token))
    wrong = dict[str, Any]()
    async with Untouched(harness, ada), Untouched(harness, eve):
        for method, path in NAMING:
            case = CASES[method, path]
            if not (case.takes_session if header == COOKIE else case.scope):
                continue
            foreign = [*ada.ids.values(), ada.ids[case.kind].upper()]
            missing = [str(uuid4()), deleted[case.kind], "not an id", "0" * 300]
            alike = INVITED if case.kind in INVITED else {case.kind}
            others = [one for kind, one in eve.ids.items() if kind not in alike]
            tried = [{case.kind: one} for one in (*foreign, *missing, *others)]
            for kind in SECOND:
                if f"{{{kind}}}" in path:
                    tried += [{kind: one} for one in (*foreign, *missing[:1], *missing[2:])]
            responses = [await caller.call(method, path, **ids) for ids in tried]
            seen = {comparable(response) for response in responses}
            if len(seen) != 1 or responses[0].status_code != case.missing:
                wrong[f"{method} {path}"] = {
                    str(ids): verdict(response)
                    for ids, response in zip(tried, responses, strict=True)
                }
    assert wrong == {}
