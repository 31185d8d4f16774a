"""The Python faces of the scripts say the same as the scripts."""

import re

import pytest
import reflex as rx

from chat_app.components.composer import composer
from chat_app.components.message_text import copy_button, frame_feed, message_text
from chat_app.components.scripts import FOLDER, LIBRARIES, NAMES
from chat_app.components.scroller import scroller


class Wired(rx.State):
    @rx.event
    def none(self):
        pass

    @rx.event
    def gap(self, run: str, have: int):
        pass

    @rx.event
    def send(self, client_id: str, text: str):
        pass


MADE = {
    "message_text": lambda: message_text(text="a", run="r", status="running", plain=True),
    "copy_button": lambda: copy_button(text="a", run="r"),
    "frame_feed": lambda: frame_feed(rx.Var.create([]).to(list[str | int]), Wired.gap),
    "composer": lambda: composer(on_send=Wired.send, on_stop=Wired.none, notice="Hm."),
    "scroller": lambda: scroller(
        rx.el.article(),
        on_top=Wired.none,
        on_bottom=Wired.none,
        on_end=Wired.none,
        thread="t",
        sent="",
        older=False,
        newer=True,
    ),
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_a_component_passes_only_properties_that_its_script_takes(make) -> None:
    component = make()
    source = (FOLDER / f"{component.library.rsplit('/', 1)[1]}").read_text()
    start = re.search(rf"function {component.tag}\((.*?)\n\}}", source, re.DOTALL)
    assert start
    for prop in component.render()["props"]:
        name = prop.split(":", 1)[0]
        assert re.search(rf"\b{name}\b", start.group(1)), name


def test_every_script_that_is_imported_is_given_to_the_build() -> None:
    for name in NAMES:
        source = (FOLDER / f"{name}.jsx").read_text()
        siblings = re.findall(r"""(?:from|import\() ?["']\./(\w+)\.jsx["']""", source)
        packages = re.findall(r"""from ["']([^."'][^/"']*)""", source)
        assert set(siblings) <= set(NAMES), name
        assert set(packages) <= {
            "react",
            "react-dom",
            "react-router",
            *(library.split("@")[0] for library in LIBRARIES),
        }, name


def test_no_script_evaluates_text_or_writes_html_into_the_page() -> None:
    for name in NAMES:
        source = (FOLDER / f"{name}.jsx").read_text()
        assert not re.search(
            r"\beval\(|new Function|dangerouslySet|insertAdjacent|outerHTML", source
        ), name
        writes = re.findall(r"(\w+)\.innerHTML\s*=", source)
        assert writes == (["reader"] if name == "links" else []), name


def test_libraries_are_pinned_to_one_version() -> None:
    assert all(re.fullmatch(r"[a-z.]+@\d+\.\d+\.\d+", library) for library in LIBRARIES)
