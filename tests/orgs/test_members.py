"""The list of members: pages of it, and a search."""

from datetime import timedelta
from uuid import uuid4

import pytest

from chat_app.core.errors import NotFound
from chat_app.db.tables import Membership, User
from chat_app.orgs.members import MEMBERS
from testing.organisations import OrgHarness


async def test_members_are_found_page_by_page(harness: OrgHarness) -> None:
    ada, eve = await harness.person("ada"), await harness.person("eve")
    org = await harness.organisation(ada)
    await harness.organisation(eve)
    # several of one moment, so that a page begins among them
    users = [User(email=f"m{number}@many.example", name="A_b") for number in range(2 * MEMBERS)]
    async with harness.live.db.system("organisations", write=True) as session:
        session.add_all(users)
        await session.flush()
        at = harness.time() + timedelta(hours=1)
        for user in users:
            session.add(Membership(user_id=user.id, org_id=org, role="member", created_at=at))
    find = harness.live.members.find
    first = await find(ada, org)
    assert (first.total, len(first.members), first.members[0].is_self) == (101, MEMBERS, True)
    second = await find(ada, org, after=first.after)
    third = await find(ada, org, after=second.after)
    assert (second.total, len(second.members)) == (101, MEMBERS)
    assert (len(third.members), third.after) == (1, None)
    seen = [one.user_id for page in (first, second, third) for one in page.members]
    assert len(set(seen)) == 101
    assert await harness.live.organisations.member_counts(ada) == {org: 101}

    one = await find(ada, org, " M7@Many.example ")
    assert ([member.email for member in one.members], one.total) == (["m7@many.example"], 1)
    assert one.after is None
    named = await find(ada, org, "a_B")
    assert (named.total, len(named.members)) == (100, MEMBERS)
    for nothing in ("a%b", "ab", "eve"):
        assert (await find(ada, org, nothing)).total == 0
    for org_id in (org, uuid4()):
        with pytest.raises(NotFound):
            await find(eve, org_id)
