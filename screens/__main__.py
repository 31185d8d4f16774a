"""Makes the pictures: all of them, or those of the scenes that are named."""

import argparse
import asyncio
import os
from pathlib import Path

from screens import accounts as accounts  # its scenes go on the list
from screens import looks
from screens import scenes as scenes
from screens.looks import COVER, DARK_PHONE, EVERY, LIGHT, Look
from screens.scene import SCENES, Scene
from screens.stage import Stage, stage

DOCS = Path(__file__).parents[1] / "docs"
USUAL = (LIGHT, DARK_PHONE)
FULL = {"sign-in", "first-run", "conversation"}
"""Scenes that are kept in every theme and size."""


async def _shoot(on: Stage, scene: Scene, wanted: tuple[Look, ...], folder: Path) -> None:
    page = await scene.play(on)
    if scene.name == "cover":
        await looks.dress(page, COVER)
        await looks.take(page, folder.parent / "images" / "chat.png")
        wanted = ()
    for look in wanted:
        await looks.dress(page, look)
        if scene.before is not None:
            await scene.before(page, look)
        await looks.take(page, folder / f"{scene.name}-{look.name}.png")
    await page.context.close()


async def _main(names: list[str], *, every: bool, folder: Path) -> None:
    async with stage(os.environ.get("CHROMIUM")) as on:
        for scene in SCENES:
            if names and scene.name not in names:
                continue
            wanted = EVERY if every or scene.name in FULL else USUAL
            print(scene.name, flush=True)
            await _shoot(on, scene, wanted, folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m screens", description=__doc__)
    parser.add_argument("scenes", nargs="*", help="names; without one, all of them")
    parser.add_argument("--every", action="store_true", help="every theme and size of each")
    parser.add_argument("--to", type=Path, default=DOCS / "screens", help="the folder")
    given = parser.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    (given.to.parent / "images").mkdir(exist_ok=True)
    asyncio.run(_main(given.scenes, every=given.every, folder=given.to))
