"""`/api/account/api-keys`: create, list and revoke."""

from uuid import UUID, uuid4

import pytest

from chat_app.api import api_keys
from testing.auth_api import browser
from testing.auth_services import AuthHarness

PATH = "/api/account/api-keys"
NEW = {"name": "Script", "scopes": ["chat", "models"], "expiresInDays": 30}


async def signed_in(harness: AuthHarness, user_id: UUID):
    issued = await harness.sign_in(user_id)
    cookie = f"chat_session={issued.token}"
    return browser(harness, routes=api_keys.routes, Cookie=cookie)


async def test_a_key_is_shown_once_and_listed_without_it(harness: AuthHarness, ada: UUID) -> None:
    here = await signed_in(harness, ada)
    response = await here.post(PATH, json=NEW)
    assert response.status_code == 201
    made = response.json()
    found = await harness.api_keys.resolve(made["key"])
    assert found is not None
    assert str(found.principal.credential_id) == made["id"]
    await harness.api_keys.idle()
    listed = await here.get(PATH)
    assert made["key"] not in listed.text
    assert listed.json() == {
        "apiKeys": [
            {
                "id": made["id"],
                "name": "Script",
                "scopes": ["chat", "models"],
                "createdAt": "2026-03-01T12:00:00.000Z",
                "lastUsedAt": "2026-03-01T12:00:00.000Z",
                "expiresAt": "2026-03-31T12:00:00.000Z",
                "expired": False,
            }
        ]
    }


async def test_a_key_is_made_only_while_fresh(harness: AuthHarness, ada: UUID) -> None:
    here = await signed_in(harness, ada)
    harness.time.passes(minutes=harness.settings.fresh_minutes, seconds=1)
    response = await here.post(PATH, json=NEW)
    assert (response.status_code, response.json()["error"]) == (403, "step_up_required")
    assert (await here.get(PATH)).json() == {"apiKeys": []}


async def test_a_key_is_revoked_without_a_step_up(harness: AuthHarness, ada: UUID) -> None:
    here = await signed_in(harness, ada)
    made = (await here.post(PATH, json=NEW)).json()
    harness.time.passes(minutes=harness.settings.fresh_minutes, seconds=1)
    assert (await here.delete(f"{PATH}/{made['id']}")).status_code == 204
    assert await harness.api_keys.resolve(made["key"]) is None
    assert harness.ended == [(UUID(made["id"]), "revoked")]


async def test_a_foreign_key_is_a_missing_one_to_the_byte(harness: AuthHarness, ada: UUID) -> None:
    here = await signed_in(harness, ada)
    made = (await here.post(PATH, json=NEW)).json()
    eve = await signed_in(harness, await harness.person("eve@example.org"))
    ids = (made["id"], str(uuid4()), "x", made["id"].upper(), "0" * 300)
    answers = [await eve.delete(f"{PATH}/{one}") for one in ids]
    assert {(one.status_code, one.content) for one in answers} == {(404, answers[1].content)}
    assert await harness.api_keys.resolve(made["key"]) is not None


@pytest.mark.parametrize(
    "changed",
    [
        {"scopes": []},
        {"scopes": ["admin"]},
        {"scopes": "chat"},
        {"scopes": ["chat"] * 6},
        {"scopes": [7]},
        {"scopes": None},
        {"expiresInDays": 8},
        {"expiresInDays": "30"},
        {"expiresInDays": 30.5},
        {"expiresInDays": True},
        {"name": "x" * 101},
        {"name": "a\u0000b"},
        {"name": None},
        {"userId": "7"},
        {"user_id": "7"},
    ],
)
async def test_an_invalid_request_makes_nothing_and_says_why(
    harness: AuthHarness, ada: UUID, changed: dict[str, object]
) -> None:
    here = await signed_in(harness, ada)
    response = await here.post(PATH, json={**NEW, **changed})
    assert response.status_code == 422
    assert response.json()["message"].endswith(".")
    assert (await here.get(PATH)).json() == {"apiKeys": []}
