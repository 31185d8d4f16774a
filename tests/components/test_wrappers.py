"""The Python faces of the scripts say the same as the scripts."""

import json
import posixpath
import re
from pathlib import Path
from typing import Any

import pytest
import reflex as rx
from reflex_base.constants.installer import PackageJson

from chat_app.components import FOLDER, LIBRARIES, NAMES
from chat_app.components.auth.account import account_form
from chat_app.components.auth.api_keys import api_key_create
from chat_app.components.auth.fields import code_field
from chat_app.components.auth.mfa import passkey_sign_in
from chat_app.components.auth.sign_in import auth_form, email_link
from chat_app.components.chat.composer import chat_options, composer, model_picker
from chat_app.components.chat.context_meter import context_meter
from chat_app.components.chat.message import answer_details, clamped, scroller
from chat_app.components.chat.thread_list import undo_button
from chat_app.components.markdown.message_text import chunk_feed, copy_button, message_text
from chat_app.components.ui.document import own_origin, page_effects
from chat_app.components.ui.feedback import dismissible, offline_bar
from chat_app.components.ui.sidebar import drawer
from chat_app.states.model_views import CapsItem, ModelItem, OptionsItem
from chat_app.states.views import ContextItem, MetricItem, OutlookItem

ROOT = Path(__file__).parents[2]


class Wired(rx.State):
    @rx.event
    def none(self):
        pass

    @rx.event
    def resync(self, stream_id: str, part: int, have: int):
        pass

    @rx.event
    def show(self, message_id: str):
        pass

    @rx.event
    def save(self, request: str, options: dict[str, Any]):
        pass

    @rx.event
    def send(self, client_id: str, text: str):
        pass


MADE = {
    "answer_details": lambda: answer_details(
        message="m",
        shown_message="m",
        items=[MetricItem("Model", "M")],
        loading=False,
        on_show=Wired.show,
    ),
    "message_text": lambda: message_text(
        parts=[{"type": "text", "text": "a"}],
        stream_id="r",
        status="running",
        message="m",
        plain=True,
    ),
    "copy_button": lambda: copy_button(parts=[{"type": "text", "text": "a"}], stream_id="r"),
    "chunk_feed": lambda: chunk_feed(chunk=rx.Var.create([]).to(list[Any]), on_resync=Wired.resync),
    "account_form": lambda: account_form(
        action="/a",
        method="PUT",
        problem_id="p",
        done="d",
        file_name="f",
        ends_session=True,
        on_done=Wired.none,
    ),
    "api_key_create": lambda: api_key_create(
        action="/a", owner="o", problem_id="p", on_done=Wired.none
    ),
    "auth_form": lambda: auth_form(action="/a"),
    "code_field": lambda: code_field(described_by="p", offers_backup=False),
    "dismissible": lambda: dismissible(class_name="undo"),
    "email_link": lambda: email_link(lookup="/a", actions={}, purpose="reset_password"),
    "passkey_sign_in": lambda: passkey_sign_in(options="/a", action="/b"),
    "clamped": lambda: clamped(rx.el.p()),
    "model_picker": lambda: model_picker(
        models=rx.Var.create([ModelItem("m", "M")]),
        value=rx.Var.create("m"),
        on_pick=Wired.show,
        on_open=Wired.none,
    ),
    "chat_options": lambda: chat_options(
        thread="t",
        options=rx.Var.create(OptionsItem()),
        caps=rx.Var.create(CapsItem()),
        models=rx.Var.create([ModelItem("m", "M")]),
        model="m",
        saved="r",
        refused="r",
        problem="p",
        is_disconnected=False,
        on_save=Wired.save,
    ),
    "composer": lambda: composer(
        on_send=Wired.send,
        on_stop=Wired.none,
        on_open=Wired.none,
        opens_chat=True,
        is_disconnected=False,
        notice="Hm.",
    ),
    "context_meter": lambda: context_meter(
        context=rx.Var.create(ContextItem(1, "1", "2", "3")),
        outlook=rx.Var.create(OutlookItem(summarized=1, can_summarize=True)),
        busy=False,
        compacting=False,
        is_disconnected=False,
        on_look=Wired.none,
        on_compact=Wired.none,
    ),
    "drawer": lambda: drawer(id="d", label="l", class_name="c"),
    "own_origin": lambda: own_origin(origins=["http://localhost:3000"]),
    "undo_button": lambda: undo_button("Undo", thread="t", on_undo=Wired.none),
    "offline_bar": offline_bar,
    "page_effects": lambda: page_effects(
        title="t", product="p", deleted="t", on_zone=Wired.show, on_deleted=Wired.none
    ),
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
    source = (FOLDER / "/".join(component.library.rsplit("/", 2)[1:])).read_text()
    start = re.search(
        rf"(?:function {component.tag}\(|const {component.tag} = \()(.*?)\n\}}", source, re.DOTALL
    )
    assert start
    for prop in component.render()["props"]:
        name = prop.split(":", 1)[0]
        assert re.search(rf"\b{name}\b", start.group(1)), name


def test_every_script_that_is_imported_is_given_to_the_build() -> None:
    for name in NAMES:
        source = (FOLDER / f"{name}.jsx").read_text()
        siblings = re.findall(r"""(?:from|import\() ?["'](\.[\w./]+)\.jsx["']""", source)
        packages = re.findall(r"""from ["']([^."'][^/"']*)""", source)
        folder = name.split("/")[0]
        assert {posixpath.normpath(f"{folder}/{path}") for path in siblings} <= set(NAMES), name
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
        assert writes == (["reader"] if name == "markdown/links" else []), name


def test_scripts_are_checked_against_the_versions_that_the_page_is_built_with() -> None:
    checked = json.loads((ROOT / "package.json").read_text())["devDependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in checked.values())
    built = dict(library.rsplit("@", 1) for library in LIBRARIES)
    built |= {
        name: PackageJson.DEPENDENCIES[name] for name in ("react", "react-dom", "react-router")
    }
    assert {name: checked[name] for name in built} == built
    assert "http" not in (ROOT / "bun.lock").read_text(), "a registry of one machine"


def test_every_script_is_checked_for_types() -> None:
    for name in NAMES:
        assert (FOLDER / f"{name}.jsx").read_text().startswith("// @ts-check\n"), name
