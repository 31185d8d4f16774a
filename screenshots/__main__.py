"""Makes the pictures: all of them, or those of the scenes that are named."""

import argparse
import asyncio
from pathlib import Path

from screenshots import account_scenes as account_scenes  # its scenes go on the list
from screenshots import admin_scenes as admin_scenes
from screenshots import answer_scenes as answer_scenes
from screenshots import chat_scenes as chat_scenes
from screenshots import current_organisation_scenes as current_organisation_scenes
from screenshots import organisation_scenes as organisation_scenes
from screenshots import viewports
from screenshots.programs import Programs, open_programs
from screenshots.scene import SCENES, Scene
from screenshots.viewports import COVER, DARK_PHONE, EVERY, LIGHT, Viewport
from testing.browser import close

ROOT = Path(__file__).parents[1]
README_PICTURE = ROOT / "docs" / "images" / "chat.png"
USUAL = (LIGHT, DARK_PHONE)
FULL = {"sign-in", "first-run", "conversation"}
"""Scenes that are kept in every theme and size."""


async def _shoot(
    programs: Programs, scene: Scene, wanted: tuple[Viewport, ...], folder: Path
) -> None:
    page = await scene.play(programs)
    if scene.name == "cover":
        await viewports.apply(page, COVER)
        await viewports.take(page, README_PICTURE)
        wanted = ()
    for viewport in wanted:
        await viewports.apply(page, viewport)
        if scene.before is not None:
            await scene.before(page, viewport)
        await viewports.take(page, folder / f"{scene.name}-{viewport.name}.png")
    await close(page.context)


async def _main(names: list[str], *, every: bool, folder: Path) -> None:
    async with open_programs() as programs:
        for scene in SCENES:
            if names and scene.name not in names:
                continue
            wanted = EVERY if every or scene.name in FULL else USUAL
            print(scene.name, flush=True)
            await _shoot(programs, scene, wanted, folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m screenshots", description=__doc__)
    parser.add_argument("scenes", nargs="*", help="names; without one, all of them")
    parser.add_argument("--every", action="store_true", help="every theme and size of each")
    parser.add_argument("--to", type=Path, default=ROOT / ".screenshots", help="the folder")
    given = parser.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    asyncio.run(_main(given.scenes, every=given.every, folder=given.to))
