"""A scene: one state of a page, and the list of all."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from playwright.async_api import Page

from screenshots.programs import Programs
from screenshots.viewports import Viewport

Play = Callable[[Programs], Awaitable[Page]]
Before = Callable[[Page, Viewport], Awaitable[None]]


@dataclass(frozen=True)
class Scene:
    """One state.

    Attributes:
        name: What the pictures are called.
        play: Gets there.
        before: What is done for each viewport, once the page is shown in it.
    """

    name: str
    play: Play
    before: Before | None = None


SCENES: list[Scene] = []
"""Every scene, in the order in which their modules list them."""


def scene(name: str, before: Before | None = None) -> Callable[[Play], Play]:
    """Put a function on the list as the scene of this name; see `Scene`."""

    def add(play: Play) -> Play:
        SCENES.append(Scene(name, play, before))
        return play

    return add
