"""The options of a chat: what a row stores, what a cap refuses, and what a model is asked for."""

import math
from typing import Any

import pytest

from chat_app.core.errors import InvalidInput
from chat_app.llm.base import EFFORTS, CallOptions, Effort, ModelInfo, nearest_effort
from chat_app.settings import Settings, read_settings
from chat_app.threads.options import (
    NO_OPTIONS,
    ChatOptions,
    allowed_efforts,
    call_options,
    cap_options,
    changed_options,
    system_prompt,
)


@pytest.fixture
def settings() -> Settings:
    return read_settings(
        chat_instructions_chars=20, chat_max_temperature=1.5, chat_max_effort="medium"
    )


def test_a_row_stores_what_is_chosen_and_no_more() -> None:
    assert NO_OPTIONS.row == {}
    options = ChatOptions("Be brief.", 0.0, "none")
    assert options.row == {"instructions": "Be brief.", "temperature": 0.0, "effort": "none"}
    assert ChatOptions.of_row(options.row) == options


def test_a_row_of_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert ChatOptions.of_row({"effort": "ultra", "voice": "alto", "temperature": 1}) == (
        ChatOptions(temperature=1)
    )


def test_a_change_keeps_what_it_does_not_name(settings: Settings) -> None:
    stored = ChatOptions("Be brief.", 1.0, "low").row
    assert changed_options(stored, {"temperature": None}, settings) == (
        ChatOptions("Be brief.", None, "low")
    )
    assert changed_options(stored, {"instructions": "  \n"}, settings).instructions == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"instructions": "x" * 21}, "at most 20 characters"),
        ({"temperature": 1.6}, "can be 0 to 1.5"),
        ({"temperature": -0.1}, "can be 0 to 1.5"),
        ({"temperature": math.nan}, "can be 0 to 1.5"),
        ({"temperature": math.inf}, "can be 0 to 1.5"),
        ({"effort": "high"}, "can be at most Medium"),
    ],
)
def test_a_choice_beyond_its_cap_is_refused(
    settings: Settings, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        changed_options({}, change, settings)


def test_what_was_chosen_under_a_higher_cap_does_not_refuse_another_choice(
    settings: Settings,
) -> None:
    stored = ChatOptions("x" * 30, 2.0, "max").row
    changed = changed_options(stored, {"temperature": 1.0}, settings)
    assert changed == ChatOptions("x" * 30, 1.0, "max")
    assert cap_options(changed, settings) == ChatOptions("x" * 20, 1.0, "medium")


def test_a_server_without_instructions_takes_and_sends_none() -> None:
    settings = read_settings(chat_instructions_chars=0, chat_system_prompt="Help.")
    with pytest.raises(InvalidInput, match="are turned off"):
        changed_options({}, {"instructions": "x"}, settings)
    assert changed_options({}, {"instructions": " "}, settings) == NO_OPTIONS
    assert system_prompt(ChatOptions("x"), settings) == "Help."


def test_instructions_follow_the_operators_system_prompt() -> None:
    settings = read_settings(chat_system_prompt="Help.")
    assert system_prompt(NO_OPTIONS, settings) == "Help."
    assert system_prompt(ChatOptions("Be brief."), settings) == "Help.\n\nBe brief."
    without = read_settings(chat_system_prompt="")
    assert system_prompt(ChatOptions("Be brief."), without) == "Be brief."
    assert system_prompt(NO_OPTIONS, without) == ""


@pytest.mark.parametrize(
    ("chosen", "has", "asked"),
    [
        ("medium", ("low", "medium", "high"), "medium"),
        ("xhigh", ("low", "medium", "high"), "high"),
        ("minimal", ("low", "high"), "low"),
        ("max", (), None),
    ],
)
def test_an_effort_that_a_model_does_not_have_becomes_the_nearest_one(
    chosen: Effort, has: tuple[Effort, ...], asked: Effort | None
) -> None:
    assert nearest_effort(chosen, has) == asked


def test_a_call_asks_for_what_the_model_takes_of_the_choices_within_the_caps(
    settings: Settings,
) -> None:
    chosen = ChatOptions("Be brief.", 2.0, "max")
    most = settings.chat_max_tokens
    every = ModelInfo(efforts=EFFORTS)
    assert call_options(chosen, every, settings) == CallOptions(most, 1.5, "medium")
    # no effort that the model has is allowed, so none is asked for
    assert call_options(chosen, ModelInfo(efforts=("high",)), settings).effort is None
    plain = ModelInfo(temperature=False)
    assert call_options(chosen, plain, settings) == CallOptions(most)
    assert call_options(NO_OPTIONS, every, settings) == CallOptions(most)


def test_a_user_may_choose_the_efforts_of_a_model_up_to_the_cap(settings: Settings) -> None:
    info = ModelInfo(efforts=("none", "low", "medium", "high", "max"))
    assert allowed_efforts(info.efforts, settings) == ("none", "low", "medium")
    assert allowed_efforts(EFFORTS, settings) == EFFORTS[:4]


def test_instructions_fit_into_a_frame_beside_the_longest_message() -> None:
    assert read_settings().instructions_limit == 4_000
    tight = read_settings(message_bytes=1_000, socket_frame_bytes=8_000)
    assert tight.instructions_limit == (8_000 - 4_096 - 2_000) // 4
