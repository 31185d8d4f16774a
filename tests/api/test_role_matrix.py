"""Every route as every actor, through the gateway: exact verdicts.

They follow from the access that a route declares (`RULES`), and within an organisation from the
role there (`ROLES`): a route that names an organisation needs a line. What is named otherwise is a
colleague's, and missing for everyone. What is refused changes no row.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import pytest

from chat_app.api import mcp_tools
from chat_app.api.families import family_of
from chat_app.api.routes import routes
from chat_app.auth.keys.scopes import SCOPES
from chat_app.auth.principal import Principal, Scope
from testing.canary_users import (
    CANARY,
    CanaryUser,
    credential_headers,
    everything_in,
    new_key,
)
from testing.database import DatabaseUnderTest, only_sqlite
from testing.email_flows import ROOMY
from testing.reflex_tabs import open_harness
from testing.role_actors import Company, company, digests
from testing.route_callers import COOKIE, Caller, Verdict, verdict
from testing.route_cases import CASES, NAMING, Case, tool_call

RULES = """
            anonymous  disabled  session  stale  demoted  site-admin  stale-admin
public      ok         ok        ok       ok     ok       ok          ok
form        ok         ok        ok       ok     ok       ok          ok
signed_in   401        401       ok       ok     ok       ok          ok
fresh       401        401       ok       step   ok       ok          step
admin       401        401       404      404    404      200         step
key         401        401       401      401    401      401         401
"""
"""The verdict on a session, by the access of the route; `key` are those that take no session.

`ok` is the status in `route_cases.py`, or 404 for what is a colleague's. `stale` has not
authenticated lately; `demoted` was a site admin a moment ago.
"""

ROLES = """
                                                              other member admin owner site-admin
GET    /api/organisations/{id}                                404   200    200   200   404
PATCH  /api/organisations/{id} {"name": "New"}                404   role   204   204   404
PATCH  /api/organisations/{id} {"allowsAdminReading": true}   404   role   role  204   404
DELETE /api/organisations/{id}                                404   role   role  409   404
POST   /api/organisations/{id}/leave                          404   204    204   204   404
GET    /api/organisations/{id}/members                        404   200    200   200   404
PATCH  /api/organisations/{id}/members/{member} {"role": "admin"}  404 role 204  204   404
PATCH  /api/organisations/{id}/members/{member} {"role": "owner"}  404 role role 204   404
PATCH  /api/organisations/{id}/members/{owner} {"role": "member"}  404 role role 204   404
DELETE /api/organisations/{id}/members/{member}               404   role   204   204   404
DELETE /api/organisations/{id}/members/{owner}                404   role   role  204   404
GET    /api/organisations/{id}/invitations                    404   200    200   200   404
POST   /api/organisations/{id}/invitations {"email": "new@example.com"}  404 role 201 201 404
POST   /api/organisations/{id}/invitations {"email": "new@example.com", "role": "owner"} \
                                                              404   role   role  201   404
POST   /api/organisations/{id}/invitations/{invitation}/resend     404 role 200  200   404
POST   /api/organisations/{id}/invitations/{of_owner}/resend       404 role role 200   404
DELETE /api/organisations/{id}/invitations/{invitation}       404   role   204   204   404
DELETE /api/organisations/{id}/invitations/{of_owner}         404   role   role  204   404
POST   /api/threads {"orgId": "{id}"}                         404   201    201   201   404
GET    /api/threads?organisation={id}                         404   200    200   200   404
"""
"""The verdict by the role in the organisation; `role` is 403 with `role_required`."""

NAMED_AS = {"owner": "member", "of_owner": "invitation"}
"""What is named in `ROLES` beside the kinds of ids that routes have."""

WORDS: dict[str, Verdict] = {
    "404": (404, "not_found"),
    "409": (409, "conflict"),
    "step": (403, "step_up_required"),
    "role": (403, "role_required"),
    "no key": (403, "api_key_not_allowed"),
    "no scope": (403, "insufficient_scope"),
}

CREDENTIALS: dict[str, Sequence[Scope]] = {
    **{f"key {scope}": (scope,) for scope in SCOPES},
    "cloud token": ("chat", "threads:read", "threads:write"),
    "cloud token of key threads:read": ("threads:read",),
}
"""What may be done with which credential of an owner who is a site admin."""


@dataclass(frozen=True)
class Call:
    """A request and the verdict on it.

    Args:
        method: Its method.
        path: Its path, with ids to be filled in.
        body: Its body, as httpx takes it.
        case: How the route is called.
        expected: A word of the tables.
        named: The kinds of ids that stand for others.
    """

    method: str
    path: str
    case: Case
    expected: str
    query: str = ""
    named: tuple[tuple[str, str], ...] = ()

    @property
    def is_refused(self) -> bool:
        return self.expected in WORDS or self.expected in ("401", "missing")

    def __str__(self) -> str:
        body = "" if self.case.body is None else f" {json.dumps(self.case.body)}"
        return f"{self.method} {self.path}{self.query}{body}"


def columns(table: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The lines of a table: their beginning, and a word for each column."""
    heads, *lines = [line for line in table.replace("\\\n", "").splitlines() if line.strip()]
    names = heads.split()
    for line in lines:
        words = line.split()
        yield " ".join(words[: -len(names)]), dict(zip(names, words[-len(names) :], strict=True))


def rule_of(method: str, path: str) -> str:
    """The line of `RULES` for a route."""
    (route,) = [one for one in routes if one.path == path and method in (one.methods or ())]
    takes_session = family_of({"path": path, "headers": []}).takes_session
    is_public = route.operation.access in ("public", "form")
    return route.operation.access if takes_session or is_public else "key"


def by_rule(actor: str) -> list[Call]:
    """What follows from the access of each route."""
    rules = dict(columns(RULES))
    return [
        Call(method, path, case, "missing" if expected == "ok" and names_another else expected)
        for (method, path), case in CASES.items()
        for expected in [rules[rule_of(method, path)][actor]]
        for names_another in [(method, path) in NAMING]
        if expected != "ok" or case.kind != "organisation"
    ]


def by_role(actor: str) -> list[Call]:
    """What follows from a role."""
    calls: list[Call] = []
    for line, expected in columns(ROLES):
        method, target, *rest = line.split(" ", 2)
        path, _, query = target.partition("?")
        named: list[tuple[str, str]] = []
        for name, kind in NAMED_AS.items():
            if f"{{{name}}}" in path:
                path = path.replace(f"{{{name}}}", f"{{{kind}}}")
                named.append((kind, name))
        case = replace(CASES[method, path], kind="organisation")
        if rest:
            case = replace(case, body=json.loads(rest[0]))
        query = f"?{query}" if query else ""
        calls.append(Call(method, path, case, expected[actor], query, tuple(named)))
    return calls


def test_every_route_of_an_organisation_has_a_verdict_for_each_role() -> None:
    there = {key for key, case in CASES.items() if case.kind == "organisation"}
    assert there <= {(call.method, call.path) for call in by_role("member")}


def test_the_cases_say_what_the_routes_declare() -> None:
    for (method, path), case in CASES.items():
        rule = rule_of(method, path)
        (route,) = [one for one in routes if one.path == path and method in (one.methods or ())]
        assert case.public == (rule in ("public", "form")), (method, path)
        assert case.scope == route.operation.scope, (method, path)
        assert case.takes_session or case.public or rule == "key", (method, path)


@pytest.fixture
async def acme(database: DatabaseUnderTest) -> AsyncIterator[Company]:
    given: dict[str, Any] = {**database.settings, **ROOMY, "chat_model": "fake:2x0"}
    async with open_harness(database.folder, **given, limit_threads="1000/minute") as harness:
        yield await company(harness.live)


Meet = Callable[[], Any]
"""Makes a new actor of a kind: who is called as, and by which headers."""


async def check(acme: Company, calls: Sequence[Call], meet: Meet) -> dict[str, Any]:
    """Make calls, first those that are refused; which had another verdict than expected.

    Args:
        acme: The organisation.
        calls: The calls.
        meet: Makes an actor: one for all that is refused, and another after each change of them.
    """
    wrong = dict[str, Any]()
    ids = await acme.renewed()

    async def make(call: Call, caller: Caller) -> httpx.Response:
        given = ids | {kind: ids[name] for kind, name in call.named}
        _, path, body = call.case.request(call.method, call.path, given, caller.user.email)
        query = call.query.replace("{id}", given["organisation"])
        response = await caller.send(call.method, path + query, **body)
        if not fits(call, response):
            wrong[str(call)] = {"expected": call.expected, "is": verdict(response)}
        return response

    refused = [call for call in calls if call.is_refused]
    if refused:
        caller = await meet()
        before = await digests(acme.live.db)
        for call in refused:
            await make(call, caller)
        after = await digests(acme.live.db)
        changed = [name for name in before if before[name] != after[name]]
        if changed:
            wrong["changed by what is refused"] = changed
    caller = None
    for call in calls:
        if not call.is_refused:
            caller = caller or await meet()
            response = await make(call, caller)
            if call.case.kind == "organisation" and call.method != "GET":
                ids, caller = await acme.renewed(), None
            if call.method == "DELETE" or "set-cookie" in response.headers:
                caller = None  # something of theirs is gone
    return wrong


async def all_wrong(
    acme: Company, plans: Mapping[str, tuple[Sequence[Call], Meet]]
) -> dict[str, dict[str, Any]]:
    """What is wrong with the verdicts on each actor."""
    found = {name: await check(acme, calls, meet) for name, (calls, meet) in plans.items()}
    return {name: wrong for name, wrong in found.items() if wrong}


def fits(call: Call, response: httpx.Response) -> bool:
    if call.expected == "401":
        return response.status_code == 401
    if call.expected in WORDS:
        return verdict(response) == WORDS[call.expected]
    if call.expected == "missing":
        return response.status_code == call.case.missing
    status = call.case.status if call.expected == "ok" else int(call.expected)
    return response.status_code == status


class Actors:
    """Makes actors, each at an address of their own: wrong passwords are counted by address."""

    def __init__(self, acme: Company) -> None:
        self.acme, self._made = acme, 0

    def caller(self, user: CanaryUser, headers: dict[str, str] | None = None) -> Caller:
        self._made += 1
        client_ip = f"10.{self._made >> 8}.{self._made & 255}.1"
        return Caller(self.acme.live, user, headers, client_ip)

    async def with_role(self, role: str, *, is_site_admin: bool = False) -> Caller:
        return self.caller(await self.acme.actor(role, is_site_admin=is_site_admin))

    async def anonymous(self) -> Caller:
        return self.caller(await self.acme.actor(""), {})

    async def disabled(self) -> Caller:
        user = await self.acme.actor("owner", is_site_admin=True)
        caller = self.caller(user)
        assert (await caller.call("GET", "/api/organisations")).status_code == 200
        await self.acme.live.user_access.disable(user.principal.user_id)
        return caller

    async def stale(self, *, is_site_admin: bool = False) -> Caller:
        user = await self.acme.actor("owner", is_site_admin=is_site_admin)
        await self.acme.age(user)
        return self.caller(user)

    async def demoted(self) -> Caller:
        """Who was a site admin a moment ago."""
        caller = await self.with_role("", is_site_admin=True)
        assert (await caller.call("GET", "/api/admin/audit")).status_code == 200
        await self.acme.live.site_roles.demote(caller.user.principal.user_id)
        return caller

    async def owner_until_now(self, role: str) -> Caller:
        """Who was an owner a moment ago, and is something else now; "" for removed."""
        caller = await self.with_role("owner")
        organisation = {"organisation": str(self.acme.org_id)}
        found = await caller.call("GET", "/api/organisations/{id}", **organisation)
        assert found.json()["role"] == "owner"
        members, chief = self.acme.live.members, self.acme.owner
        who = caller.user.principal.user_id
        if role:
            await members.change_role(chief, self.acme.org_id, who, role)
        else:
            await members.remove(chief, self.acme.org_id, who)
        return caller


@only_sqlite  # the rules read no row of the database
async def test_what_each_session_may(acme: Company) -> None:
    actors = Actors(acme)
    meets: dict[str, Meet] = {
        "anonymous": actors.anonymous,
        "disabled": actors.disabled,
        "session": lambda: actors.with_role("owner"),
        "stale": actors.stale,
        "demoted": actors.demoted,
        "site-admin": lambda: actors.with_role("", is_site_admin=True),
        "stale-admin": lambda: actors.stale(is_site_admin=True),
    }
    plans = {name: (expected_of(by_rule(name), name), meet) for name, meet in meets.items()}
    assert await all_wrong(acme, plans) == {}


def expected_of(calls: list[Call], actor: str) -> list[Call]:
    """The statuses of public routes for who is anonymous."""
    if actor not in ("anonymous", "disabled"):
        return calls
    return [
        replace(call, expected=str(call.case.anonymous)) if call.case.anonymous else call
        for call in calls
    ]


async def test_what_each_role_in_an_organisation_may(acme: Company) -> None:
    actors = Actors(acme)
    meets: dict[tuple[str, str], Meet] = {
        ("other", "an admin of another organisation"): lambda: actors.with_role("other"),
        ("other", "removed a moment ago"): lambda: actors.owner_until_now(""),
        ("member", "member"): lambda: actors.with_role("member"),
        ("member", "demoted a moment ago"): lambda: actors.owner_until_now("member"),
        ("admin", "admin"): lambda: actors.with_role("admin"),
        ("admin", "demoted to admin a moment ago"): lambda: actors.owner_until_now("admin"),
        ("owner", "owner"): lambda: actors.with_role("owner"),
        ("site-admin", "site admin"): lambda: actors.with_role("", is_site_admin=True),
    }
    plans = {name: (by_role(role), meet) for (role, name), meet in meets.items()}
    assert await all_wrong(acme, plans) == {}


@only_sqlite
async def test_letting_admins_read_chats_needs_a_fresh_session(acme: Company) -> None:
    owner, path = await Actors(acme).stale(), f"/api/organisations/{acme.org_id}"
    changes = {"name": "New"}, {"allowsAdminReading": False}, {"allowsAdminReading": True}
    told = [verdict(await owner.send("PATCH", path, json=change)) for change in changes]
    assert told == [(204, None), (204, None), WORDS["step"]]
    found = await owner.send("GET", path)
    assert (found.json()["name"], found.json()["allowsAdminReading"]) == ("New", False)


@only_sqlite
async def test_no_key_and_no_token_has_a_role(acme: Company) -> None:
    actors = Actors(acme)

    async def meet(name: str) -> Caller:
        user = await acme.actor("owner", is_site_admin=True)
        live, principal = acme.live, user.principal
        if name == "cloud token":
            token = live.cloud_tokens.issue(principal).token
        else:
            token = await new_key(live, principal, *CREDENTIALS[name])
        if name == "cloud token of key threads:read":
            (listed,) = await live.api_keys.list(principal)
            of_key = Principal(principal.user_id, listed.id, scopes=frozenset(CREDENTIALS[name]))
            token = live.cloud_tokens.issue(of_key).token
        return actors.caller(user, credential_headers(live, "Authorization", token))

    plans = {name: (by_scope(name), partial(meet, name)) for name in CREDENTIALS}
    assert await all_wrong(acme, plans) == {}


def by_scope(name: str) -> list[Call]:
    """What follows from the scopes of a credential."""
    calls: list[Call] = []
    for (method, path), case in CASES.items():
        kind = "cloud_token" if name.startswith("cloud") else "api_key"
        takes_it = kind in family_of({"path": path, "headers": []}).credentials
        if case.takes_keys:
            expected = "ok"
        elif kind == "cloud_token" and not takes_it:
            expected = "401"
        elif case.scope is None:
            expected = "no key"
        elif case.scope not in CREDENTIALS[name]:
            expected = "no scope"
        else:
            expected = "missing" if (method, path) in NAMING else "ok"
        calls.append(Call(method, path, case, expected))
    return calls


ADMINS = {"admin": ("admin", False), "owner": ("owner", False), "site admin": ("", True)}
READS = (
    *(f"/api/threads?organisation={place}" for place in ("{organisation}", "private", "all")),
    *(f"/api/threads?organisation={place}&search=title" for place in ("{organisation}", "all")),
    *("/api/threads?organisation=all&status=archived", "/v1/threads", "/v1/threads?is_archived=1"),
    *("/api/search?q=text", "/api/search?q=title:title", "/api/account/export"),
    *("/api/organisations/{organisation}/members", "/api/organisations/{organisation}/invitations"),
    *("/api/admin/audit", "/api/admin/audit?format=csv", "/api/admin/audit?email={colleague}"),
)
"""What lists, finds or exports; what names a thing by its id is in `CASES`."""
TOOLS = {
    "search_threads": {"query": "text"},
    "read_thread": {"thread_id": "{thread}"},
    "ask": {"thread_id": "{thread}", "question": "What was said?"},
}


async def read_by_grant(acme: Company, who: CanaryUser) -> UUID:
    """Let an admin read the colleague's chat by a grant, which stays open."""
    live, org_id = acme.live, acme.org_id
    await live.organisations.change(acme.owner, org_id, allows_admin_reading=True)
    grant = await live.reading_grants.ask(
        *(who.principal, org_id, acme.colleague.principal.user_id),
        reason="A customer asks what was promised.",
        minutes=15,
    )
    thread = UUID(acme.colleague.ids["thread"])
    found = await live.granted_threads.window(who.principal, grant, thread)
    assert CANARY in "".join(message.text for message in found.messages)
    return grant


async def read_all(caller: Caller, acme: Company, ids: Mapping[str, str]) -> str:
    """All that a user is told who reads whatever can be read."""
    named = {**ids, "organisation": str(acme.org_id), "colleague": acme.colleague.email}
    told = list[str]()
    for path in READS:
        told.append(everything_in(await caller.send("GET", path.format(**named))))
    for tool, arguments in TOOLS.items():
        given = {name: value.format(**named) for name, value in arguments.items()}
        answer = await caller.send("POST", "/mcp", json=tool_call(tool, **given))
        told.append(everything_in(answer))
    return "\n".join(told)


@pytest.mark.parametrize("name", ADMINS)
async def test_what_admins_read_has_no_text_of_a_colleague(acme: Company, name: str) -> None:
    assert {*mcp_tools.TOOLS} == {*TOOLS}
    live, (role, is_site_admin) = acme.live, ADMINS[name]
    user = await acme.actor(role, is_site_admin=is_site_admin)
    grant = await read_by_grant(acme, user) if role else None
    key = await new_key(live, user.principal, *SCOPES)
    token = live.cloud_tokens.issue(user.principal).token
    theirs = credential_headers(live, COOKIE, acme.colleague.token)
    their_key = await new_key(live, acme.colleague.principal, *SCOPES)
    for ids in (acme.colleague.ids, acme.private_ids):
        found = [
            await read_all(Caller(live, user, headers), acme, ids)
            for headers in (
                None,
                credential_headers(live, "x-api-key", key),
                credential_headers(live, "Authorization", token),
            )
        ]
        assert CANARY not in "".join(found)
        # named by id, with each credential
        for (method, path), case in CASES.items():
            if (method, path) in NAMING and case.kind in ids and case.kind != "organisation":
                for headers in (None, credential_headers(live, "x-api-key", key)):
                    assert CANARY not in everything_in(
                        await Caller(live, replace(user, ids=ids), headers).call(method, path)
                    )
    if grant is not None:
        assert await live.reading_grants.open(user.principal, grant), "it was open meanwhile"
    # the same requests tell the colleague
    own = replace(acme.colleague, email=CANARY)
    for headers in (theirs, credential_headers(live, "x-api-key", their_key)):
        assert CANARY in await read_all(Caller(live, own, headers), acme, acme.colleague.ids)
