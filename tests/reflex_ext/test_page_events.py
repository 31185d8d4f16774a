"""What is taken from an event of a page: whatever its URL is, the event itself is never dropped."""

from typing import Any

import pytest

from chat_app.reflex_ext.event_namespace import MAX_ARGUMENTS, MAX_ROUTE_LENGTH, parse_event

LONG = "x" * 5_000
PLAIN = {"pathname": "/c/1", "asPath": "/c/1?a=b", "query": {"thread": "1", "a": "b"}}


def route_of(router: Any) -> Any:
    event = parse_event({"name": "load", "payload": {"a": 1}, "router_data": router})
    assert event is not None
    assert (event["name"], event["payload"]) == ("load", {"a": 1})
    return event["router_data"]


def test_the_route_of_a_page_comes_whole() -> None:
    assert route_of(PLAIN) == PLAIN
    assert route_of(None) == {"pathname": "/", "asPath": "/", "query": {}}


@pytest.mark.parametrize(
    ("query", "taken"),
    [
        ({"splat": ["no", "such", "page"]}, {}),
        ({"thread": "1", "splat": ["x"], "n": 1}, {"thread": "1"}),
        ({"a": LONG}, {"a": LONG[:MAX_ROUTE_LENGTH]}),
        ({LONG: "a"}, {LONG[:MAX_ROUTE_LENGTH]: "a"}),
        ({"a": "\ud800"}, {"a": "\ufffd"}),
        (
            {str(number): "" for number in range(100)},
            {str(number): "" for number in range(100 - MAX_ARGUMENTS, 100)},
        ),
    ],
)
def test_a_page_with_an_odd_query_is_loaded(query: Any, taken: Any) -> None:
    assert route_of(PLAIN | {"query": query})["query"] == taken


def test_a_url_with_many_arguments_opens_its_chat_all_the_same() -> None:
    # The page puts the route's own arguments last.
    query = {f"utm{number}": "x" for number in range(MAX_ARGUMENTS)} | {"thread": "1"}
    taken = route_of(PLAIN | {"query": query})["query"]
    assert taken["thread"] == "1"
    assert len(taken) == MAX_ARGUMENTS
    assert list(taken) == list(query)[1:]


def test_a_page_with_a_long_or_broken_path_is_loaded() -> None:
    route = route_of({"pathname": f"/{LONG}", "asPath": f"/\ud800?{LONG}", "query": {}})
    assert route["pathname"] == f"/{LONG}"[:MAX_ROUTE_LENGTH]
    assert route["asPath"].startswith("/\ufffd?x")
    assert len(route["asPath"]) == MAX_ROUTE_LENGTH


@pytest.mark.parametrize(
    "data",
    [None, [], "text", {}, {"name": 1}, {"name": "a", "payload": []}]
    + [
        {"name": "a", "router_data": router}
        for router in (["x"], "x", {"query": ["x"]}, {"pathname": 1}, {"asPath": {}})
    ],
)
def test_what_is_no_event_is_dropped(data: Any) -> None:
    assert parse_event(data) is None
