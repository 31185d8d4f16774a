"""Viewports (theme and size), and the size limit of a picture."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.async_api import Page

MAX_BYTES = 150_000
_COLOURS = (0, 256, 128, 64, 32)
"""How many a picture may have; 0 is all that it has."""


@dataclass(frozen=True)
class Viewport:
    """A theme and a size in CSS pixels."""

    theme: Literal["light", "dark"]
    width: int
    height: int

    @property
    def name(self) -> str:
        """What the picture's name ends with."""
        return f"{self.theme}-{self.width}"

    @property
    def is_narrow(self) -> bool:
        """Whether the list of threads is a drawer."""
        return self.width < 768


LIGHT, DARK = Viewport("light", 1440, 900), Viewport("dark", 1440, 900)
LIGHT_PHONE, DARK_PHONE = Viewport("light", 360, 640), Viewport("dark", 360, 640)
EVERY = (LIGHT, DARK, LIGHT_PHONE, DARK_PHONE)
COVER = Viewport("light", 1280, 800)


async def apply(page: Page, viewport: Viewport) -> None:
    """Show the page in a theme and a size, and wait until it stands still."""
    await page.emulate_media(color_scheme=viewport.theme)
    await page.set_viewport_size({"width": viewport.width, "height": viewport.height})
    await page.evaluate(
        """async () => {
            await document.fonts.ready;
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
            // What is out of sight may never finish.
            const enough = new Promise((done) => setTimeout(done, 600));
            const ending = document.getAnimations().map((one) => one.finished);
            await Promise.race([enough, Promise.allSettled(ending)]);
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        }"""
    )


async def take(page: Page, path: Path) -> None:
    """Write a picture of what is in sight."""
    _write(await page.screenshot(animations="allow"), path)


def _write(shot: bytes, path: Path) -> None:
    """Keep a picture with as many colours as its size allows.

    Raises:
        ValueError: It does not get small enough.
    """
    seen = Image.open(io.BytesIO(shot)).convert("RGB")
    for colours in _COLOURS:
        made = io.BytesIO()
        few = seen.quantize(colours, method=Image.Quantize.MAXCOVERAGE) if colours else seen
        few.save(made, "PNG", optimize=True)
        if made.tell() < MAX_BYTES:
            path.write_bytes(made.getvalue())
            return
    raise ValueError(f"{path.name} does not get smaller than {MAX_BYTES} bytes")
