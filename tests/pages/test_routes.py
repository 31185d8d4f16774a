"""Which pages there are, and what they are made of."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from chat_app.components.ui.icons import icon
from chat_app.gateway.paths import MOVED_PAGES
from chat_app.pages import add_pages
from chat_app.pages.admin import pages as admin
from chat_app.pages.chat import chat
from chat_app.pages.email_links import new_password
from chat_app.pages.settings.pages import MENU, PAGES
from chat_app.pages.settings.security import password, sessions
from chat_app.pages.sign_in import sign_in, sign_up
from chat_app.reflex_ext import build
from chat_app.settings import read_settings
from chat_app.states.announcements import AnnouncementState

ASSETS = Path(__file__).parents[2] / "assets"


class _App:
    def __init__(self) -> None:
        self.stylesheets = ["/style.css"]
        self.head_components: list[Any] = []
        self.pages: dict[str, dict[str, Any]] = {}

    def add_page(self, page: Any, *, route: str, **given: Any) -> None:
        self.pages[route] = {"page": page} | given


@pytest.fixture
def app() -> Any:
    made = _App()
    add_pages(made)  # pyright: ignore[reportArgumentType]
    return made


def test_signed_out_people_find_pages_that_load_nothing(app: _App) -> None:
    public = {route for route, page in app.pages.items() if "on_load" not in page}
    for route in ("/signin", "/signup"):  # but for whether an account can be created
        assert app.pages[route]["on_load"].fn.__name__ == "load_policy"
    assert public == {
        "/signin/code",
        "/signin/link",
        "/reset",
        "/reset/new",
        "/confirm",
        "/setup",
        "404",
    }


def test_every_page_of_the_settings_first_asks_who_this_is(app: _App) -> None:
    for menu in (MENU, admin.MENU):
        listed = {route: page for route, page in app.pages.items() if route.startswith(menu.path)}
        assert {page["on_load"][0].fn.__name__ for page in listed.values()} == {"on_auth_change"}
        assert {menu.path, *(page.path for page in menu.pages)} == set(listed)
        assert tuple(listed[menu.path]["on_load"][1:-1]) == menu.pages[0].loads
        assert {page["on_load"][-1] for page in listed.values()} == {AnnouncementState.watch}
    listed = {route for route in app.pages if route.startswith(MENU.path)}
    assert "/settings/confirm" in listed  # `auth/request.jsx` goes there for a step-up


def test_the_settings_are_seven_pages_and_each_marks_itself_in_the_menu() -> None:
    listed = [page for page in PAGES if page.about]
    titles = ["Account", "Security", "Chat", "API keys", "Organisations", "Usage", "Data"]
    assert [page.title for page in listed] == titles
    for page in PAGES:
        shown = str(MENU.shown(page)().render())
        assert all((other.path in shown) is (other in listed) for other in PAGES)
        assert shown.count("aria-current") == (page in listed or page.parent != "")


def test_the_pages_of_earlier_versions_lead_to_sections_that_exist() -> None:
    paths = {page.path: page for page in PAGES}
    for moved in MOVED_PAGES.values():
        path, _, section = moved.partition("#")
        assert f'id:"{section}"' in str(paths[path].sections().render()) or not section


def test_a_new_password_says_how_long_it_must_be() -> None:
    for page in (sign_up, new_password, password):
        assert "At least 10 characters." in str(page().render())


def test_the_sessions_page_explains_nothing_that_it_does_not_show() -> None:
    assert "Location" not in str(sessions().render())


def _inside(node: dict[str, Any]) -> list[dict[str, Any]]:
    branches = [node[name] for name in ("true_value", "false_value") if node.get(name)]
    return [*node.get("children", []), *branches]


def _every(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for one in _inside(node):
        yield from _every(one)


def _words(node: dict[str, Any]) -> str:
    """What is read aloud of a rendered element; a value is three dots."""
    text = node.get("contents")
    if text is None:
        return "".join(map(_words, _inside(node)))
    return json.loads(text) if text.startswith('"') else "..."


@pytest.mark.parametrize(
    "page",
    [
        *(sign_up, new_password),
        *(page.sections for page in (*PAGES, *admin.PAGES) if page.path != "/admin/overview"),
    ],
)
def test_a_label_and_its_hint_are_not_read_as_one_word(page: Any) -> None:
    nodes = _every(page().render())
    labels = [node for node in nodes if node.get("name") in ('"label"', '"strong"', '"th"')]
    assert labels
    for node in labels:
        pieces = list(filter(None, map(_words, _inside(node))))
        for before, after in pairwise(pieces):
            assert before[-1].isspace() or after[0].isspace(), (before, after)


def test_a_new_chat_and_a_thread_are_one_page(app: _App) -> None:
    new, thread = app.pages["/"], app.pages["/c/[thread]"]
    assert new == thread
    assert new["on_load"][0].fn.__name__ == "on_auth_change"


def test_every_style_sheet_exists(app: _App) -> None:
    assert [s for s in app.stylesheets if not (ASSETS / s.strip("/")).is_file()] == []
    on_disk = {f"/styles/{path.name}" for path in (ASSETS / "styles").glob("*.css")}
    assert on_disk <= set(app.stylesheets)


@pytest.mark.parametrize(
    "page",
    [
        *(chat, sign_in, sign_up, MENU.index(), admin.MENU.index()),
        *(menu.shown(page) for menu in (MENU, admin.MENU) for page in menu.pages),
    ],
)
def test_no_page_brings_a_component_library(page: Any) -> None:
    libraries = " ".join(page()._get_all_imports())
    for heavy in ("radix", "lucide", "sonner", "react-markdown", "shiki"):
        assert heavy not in libraries


@pytest.mark.parametrize(
    ("mode", "url"),
    [
        ("prod", "/api/auth/signup"),
        ("preview", "/api/auth/signup"),
        ("dev", "http://localhost:8000/api/auth/signup"),
    ],
)
def test_forms_are_posted_to_the_server_in_every_mode(
    monkeypatch: pytest.MonkeyPatch, mode: str, url: str
) -> None:
    monkeypatch.setattr(build, "settings", lambda: read_settings(reflex_env_mode=mode))
    assert build.api_url("/api/auth/signup") == url


def test_a_picture_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError):
        icon("unheard of")
