"""State keys, the rate limit of sockets, the connection registry, origins."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app.core.rate_limit import TokenBucket
from chat_app.core.signals import Signal
from chat_app.gateway.connections import ConnectionRegistry, Quota, TooManyConnections
from chat_app.gateway.origins import Origins
from chat_app.gateway.sockets import client_token, handshake_query, state_key

ONE, TWO = UUID(int=1), UUID(int=2)


class Line:
    """A connection that only notes that it was ended."""

    def __init__(self, credential_id: UUID | None) -> None:
        self.credential_id = credential_id
        self.user_id: UUID | None = None
        self.ended: list[int] = []

    def end(self, code: int) -> None:
        self.ended.append(code)


def test_a_state_key_depends_on_the_secret_the_session_and_the_token() -> None:
    made = {
        state_key(b"secret", ONE, "token-aa"),
        state_key(b"secret", TWO, "token-aa"),
        state_key(b"secret", None, "token-aa"),
        state_key(b"secret", ONE, "token-ab"),
        state_key(b"other", ONE, "token-aa"),
    }
    assert len(made) == 5
    assert state_key(b"secret", ONE, "token-aa") in made


@given(session=st.uuids(), token=st.from_regex(r"[0-9A-Za-z-]{8,64}", fullmatch=True))
def test_a_state_key_differs_from_the_token_and_is_a_valid_one(session: UUID, token: str) -> None:
    key = state_key(b"secret", session, token)
    assert key != token
    assert client_token(handshake_query(key)) == key


@given(st.binary(max_size=200))
def test_any_query_string_is_parsed_or_refused(query: bytes) -> None:
    token = client_token(query)
    assert token is None or 8 <= len(token) <= 64


def test_a_bucket_allows_a_burst_then_a_steady_rate() -> None:
    bucket = TokenBucket(rate=2, burst=3, now=100)
    assert [bucket.take(100) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(100.5), bucket.take(100.5)] == [True, False]
    assert [bucket.take(1_000) for _ in range(4)] == [True, True, True, False]


def test_ending_a_session_ends_its_connections_once_and_no_others() -> None:
    registry = ConnectionRegistry()
    mine, other, anonymous = Line(ONE), Line(TWO), Line(None)
    with registry.open(mine), registry.open(other), registry.open(anonymous):
        assert len(registry) == 3
        assert registry.credential_ids() == {ONE, TWO}
        assert registry.count(None) == 1
        registry.end_credential(ONE)
        registry.on_signal(Signal("session_ended", credential_id=uuid4()))
        registry.on_signal(Signal("session_ended"))
        registry.end_all(1001, anonymous=False)
    assert (mine.ended, other.ended, anonymous.ended) == ([4401, 1001], [1001], [])
    assert len(registry) == 0
    assert registry.credential_ids() == frozenset()
    registry.end_credential(ONE)


class Socket(Line):
    """A socket that only notes that it was ended."""

    messages = 0

    def __init__(self, credential_id: UUID, user_id: UUID) -> None:
        super().__init__(credential_id)
        self.user_id, self.peer = user_id, ("127.0.0.1", credential_id.int)


def test_a_change_of_roles_ends_every_socket_of_the_user_and_nothing_else() -> None:
    registry, user = ConnectionRegistry(), uuid4()
    phone, laptop, other = Socket(ONE, user), Socket(TWO, user), Socket(UUID(int=3), uuid4())
    stream = Line(ONE)
    with (
        registry.open(phone),
        registry.open(laptop),
        registry.open(other),
        registry.open(stream),
    ):
        registry.on_signal(Signal("roles_changed"))
        registry.on_signal(Signal("roles_changed", user_id=user))
    assert (phone.ended, laptop.ended, other.ended, stream.ended) == ([4403], [4403], [], [])


def test_a_connection_counts_under_every_key_or_none() -> None:
    registry = ConnectionRegistry()
    person, place = Quota("requests", ONE, 2), Quota("connections", "10.0.0.1", 1)
    with registry.reserve([person]), registry.reserve([person, place]):
        for quotas in ([person], [place], [place, Quota("requests", TWO, 1)]):
            with pytest.raises(TooManyConnections), registry.reserve(quotas):
                pass
        with registry.reserve([Quota("requests", TWO, 1)]):
            pass
    with registry.reserve([person, place]):
        pass
    assert not registry._counts


def test_a_pending_connection_records_only_later_revocations() -> None:
    registry = ConnectionRegistry()
    registry.end_credential(TWO)
    with registry.pending() as pending:
        registry.end_credential(ONE)
        assert pending.revoked == {ONE}


@given(st.text(max_size=80))
def test_only_exact_origins_are_ours(origin: str) -> None:
    origins = Origins(["https://chat.example"])
    assert (origins.judge([origin]) == "ours") == (origin.lower() == "https://chat.example")
