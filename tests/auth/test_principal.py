from dataclasses import FrozenInstanceError
from uuid import UUID, uuid4

import pytest

from chat_app.auth.principal import Principal


class Imposter(UUID):
    pass


@pytest.mark.parametrize("bad", [None, "", str(UUID(int=1)), 0, b"x" * 16, Imposter(int=1)])
def test_a_principal_needs_real_ids(bad: object) -> None:
    with pytest.raises(TypeError, match="user_id"):
        Principal(bad, uuid4())  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="credential_id"):
        Principal(uuid4(), bad)  # pyright: ignore[reportArgumentType]


def test_a_principal_cannot_become_another_user() -> None:
    principal = Principal(uuid4(), uuid4())
    with pytest.raises(FrozenInstanceError):
        principal.user_id = uuid4()  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(TypeError):
        principal.memberships[uuid4()] = "owner"  # pyright: ignore[reportIndexIssue]
