"""Which models are on for whom: how the rules decide, who changes them, and their cache."""

import asyncio
from collections.abc import Iterable
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app.auth.account.memberships import delete_organisation
from chat_app.auth.principal import Principal
from chat_app.core.errors import Forbidden, InvalidInput, NotFound
from chat_app.core.signals import MODEL_RULES, PublishedSignal, Signal
from chat_app.db.scoped_session import SystemSession
from chat_app.db.tables import ModelRule
from chat_app.orgs.model_rules import (
    EVERYONE,
    INSTALLATION,
    Choice,
    ModelRules,
    RuleKey,
    is_allowed,
)
from testing.audit_log import events_of
from testing.database import DatabaseUnderTest, only_postgres, until_waiting
from testing.organisations import OrgHarness, locked_elsewhere

ACME, OTHER = UUID(int=1), UUID(int=2)
MODELS = st.sampled_from(["small", "large"])
PLACES = st.sampled_from([INSTALLATION, ACME, OTHER])
ROLES = st.sampled_from([EVERYONE, "owner", "admin", "member"])
RULES = st.dictionaries(st.tuples(MODELS, PLACES, ROLES), st.booleans())
CALLS = st.fixed_dictionaries(
    {"org_id": PLACES, "role": st.sampled_from(["owner", "admin", "member"])}
    | {"site_role": st.sampled_from(["", "admin"])}
)


def fitting(model: str, call: dict) -> list[RuleKey]:
    """The rules that fit a call, the most specific one first, written another way."""
    ours = [(model, call["org_id"], role) for role in (call["role"], EVERYONE)]
    if call["org_id"] == INSTALLATION:
        ours = []
    theirs = [(model, INSTALLATION, call["site_role"]), (model, INSTALLATION, EVERYONE)]
    return [*ours, *(theirs if call["site_role"] else theirs[1:])]


@given(RULES, MODELS, CALLS)
def test_the_most_specific_rule_decides(rules: dict, model: str, call: dict) -> None:
    found = [rules[key] for key in fitting(model, call) if key in rules]
    assert is_allowed(rules, model, **call) is (found[0] if found else True)


@given(RULES, MODELS, CALLS, st.tuples(MODELS, PLACES, ROLES), st.booleans())
def test_a_rule_for_others_changes_nothing(
    rules: dict, model: str, call: dict, key: RuleKey, allowed: bool
) -> None:
    before = is_allowed(rules, model, **call)
    if key not in fitting(model, call):
        assert is_allowed({**rules, key: allowed}, model, **call) is before


@given(RULES, MODELS, CALLS)
def test_what_is_off_in_the_installation_is_off_but_where_a_rule_says_on(
    rules: dict, model: str, call: dict
) -> None:
    off = {**rules, (model, INSTALLATION, EVERYONE): False}
    says_on = [key for key in fitting(model, call)[:-1] if off.get(key)]
    if not says_on:
        assert not is_allowed(off, model, **call)


@given(MODELS, CALLS)
def test_without_rules_every_model_is_on(model: str, call: dict) -> None:
    assert is_allowed({}, model, **call)


async def admin_of(harness: OrgHarness) -> Principal:
    root = await harness.person("root")
    await harness.live.site_roles.promote(root.user_id)
    return root


async def test_an_admin_switches_models_on_and_off_and_the_log_says_so(
    harness: OrgHarness,
) -> None:
    root, ada = await admin_of(harness), await harness.person("ada")
    org_id = await harness.organisation(ada)
    rules = harness.live.model_rules
    changes: list[tuple[UUID, str, Choice]] = [
        (INSTALLATION, "", "off"),
        (INSTALLATION, "admin", "on"),
        (org_id, "owner", "on"),
    ]
    for place, role, choice in [*changes, changes[-1]]:  # the same twice is one change
        await rules.change(root, "a@b/large", org_id=place, role=role, choice=choice)
    found = await rules.current()
    assert [found.choice("a@b/large", place, role) for place, role, _ in changes] == [
        choice for *_, choice in changes
    ]
    await rules.change(root, "a@b/large", org_id=INSTALLATION, role="", choice="")
    assert (await rules.current()).choice("a@b/large", INSTALLATION, "") == ""
    events = [one for one in await events_of(harness.live.db) if one.action == "model_rule_changed"]
    assert [(one.org_id, one.details) for one in events] == [
        (None, '{"model":"a_b/large","role":"everyone","value":"off"}'),
        (None, '{"model":"a_b/large","role":"admin","value":"on"}'),
        (org_id, '{"model":"a_b/large","role":"owner","value":"on"}'),
        (None, '{"model":"a_b/large","role":"everyone","value":"default"}'),
    ]


async def test_only_a_site_admin_changes_a_rule(harness: OrgHarness) -> None:
    ada = await harness.person("ada")
    org_id = await harness.organisation(ada)
    rules = harness.live.model_rules
    for place in (INSTALLATION, org_id):
        with pytest.raises(Forbidden):
            await rules.change(ada, "large", org_id=place, role="", choice="off")
    root = await admin_of(harness)
    for place, role in ((INSTALLATION, "member"), (org_id, "guest")):
        with pytest.raises(InvalidInput):
            await rules.change(root, "large", org_id=place, role=role, choice="off")
    with pytest.raises(NotFound):
        await rules.change(root, "large", org_id=uuid4(), role="", choice="off")
    await harness.live.site_roles.demote(root.user_id)
    with pytest.raises(Forbidden):
        await rules.change(root, "large", org_id=INSTALLATION, role="", choice="off")
    assert dict((await rules.current()).rules) == {}


async def test_rules_are_read_once_in_five_seconds_and_after_a_change(
    harness: OrgHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, root = harness.live, await admin_of(harness)
    now, reads = 100.0, list[str]()
    system = live.db.system

    def counted(reason: str, **more: bool):
        if reason in ("model rules", "administration"):  # timers use others
            reads.append(reason)
        return system(reason, **more)

    monkeypatch.setattr(live.db, "system", counted)
    rules = ModelRules(live.db, live.bus, lambda: now)
    await asyncio.gather(*(rules.current() for _ in range(100)))
    assert reads == ["model rules"]
    now += 4.9
    await rules.current()
    assert len(reads) == 1
    now += 0.1
    await rules.current()
    assert len(reads) == 2
    await live.model_rules.change(root, "large", org_id=INSTALLATION, role="", choice="off")
    assert (await rules.current()).choice("large", INSTALLATION, "") == "off"
    assert reads[2:] == ["administration", "model rules"]


async def test_a_change_by_another_process_is_heard(harness: OrgHarness) -> None:
    root, live = await admin_of(harness), harness.live
    stored: list[PublishedSignal] = []

    async def store(_session: SystemSession, published: Iterable[PublishedSignal]) -> None:
        stored.extend(published)

    live.db.store_signals(store)
    await live.model_rules.change(root, "large", org_id=INSTALLATION, role="", choice="off")
    assert stored == [PublishedSignal(MODEL_RULES, Signal("model_rules"))]


async def test_what_was_read_before_a_change_is_not_kept(
    harness: OrgHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = harness.live
    rules = ModelRules(live.db, live.bus)
    system = live.db.system

    def changed_meanwhile(reason: str, **more: bool):
        live.bus.publish(MODEL_RULES, Signal("model_rules"))
        return system(reason, **more)

    with monkeypatch.context() as patch:
        patch.setattr(live.db, "system", changed_meanwhile)
        await rules.current()
    async with live.db.system("administration", write=True) as session:
        row = ModelRule(model="large", org_id=INSTALLATION, role="", allowed=False)
        session.add(row)
    assert (await rules.current()).choice("large", INSTALLATION, "") == "off"


@pytest.mark.parametrize("by", ["owner", "site admin", "account"])
async def test_the_rules_of_an_organisation_end_with_it(harness: OrgHarness, by: str) -> None:
    live, root, ada = harness.live, await admin_of(harness), await harness.person("ada")
    org_id = await harness.organisation(ada)
    await live.model_rules.change(root, "large", org_id=org_id, role="", choice="off")
    await live.model_rules.change(root, "large", org_id=INSTALLATION, role="", choice="off")
    match by:
        case "owner":
            await live.organisations.delete(ada, org_id)
        case "site admin":
            await live.organisation_administration.delete(root, org_id)
        case _:
            await live.administration.delete(ada.user_id)
    fresh = await ModelRules(live.db, live.bus).current()
    assert list(fresh.rules) == [("large", INSTALLATION, "")]


@only_postgres
async def test_an_organisation_that_is_deleted_meanwhile_gets_no_rule(
    database: DatabaseUnderTest, harness: OrgHarness
) -> None:
    live, root, ada = harness.live, await admin_of(harness), await harness.person("ada")
    org_id = await harness.organisation(ada)
    async with locked_elsewhere(database, org_id) as session:
        work = live.model_rules.change(root, "large", org_id=org_id, role="", choice="off")
        changing = asyncio.create_task(work)
        await until_waiting(database, changing)
        await delete_organisation(session, org_id)
    with pytest.raises(NotFound):
        await asyncio.wait_for(changing, 30)
    assert dict((await live.model_rules.current()).rules) == {}


async def test_two_changes_at_once_leave_one_rule(harness: OrgHarness) -> None:
    live, root = harness.live, await admin_of(harness)
    await asyncio.gather(
        *(
            live.model_rules.change(root, "large", org_id=INSTALLATION, role="", choice=choice)
            for choice in ("off", "on")
        )
    )
    assert (await live.model_rules.current()).choice("large", INSTALLATION, "") in ("on", "off")
