"""UI components: properties in, a component out. Each Python wrapper stands beside its `.jsx` file.

Shelves: `chat` (message list, composer, thread list), `markdown` (the text of a message), `auth`
(sign-in and account forms) and `ui` (icons, notices, skeletons).

This module gives the `.jsx` files to Reflex's build. They keep their folders there, so that they
can import each other with relative paths, as they do here. A new file needs no entry: it is found,
linted and checked for types (`make lint`) by its name.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import reflex as rx

FOLDER = Path(__file__).parent
"""The folder that script names are relative to."""

NAMES = tuple(
    sorted(path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.glob("*/*.jsx"))
)
"""All scripts, for example `chat/composer`."""

LIBRARIES = ["dompurify@3.4.18", "highlight.js@11.12.0", "katex@0.19.1"]
"""npm packages that the scripts import, pinned. The root `package.json` has the same versions,
for the type check."""

_BUILD_FOLDER = Path("assets", "external", *__name__.split("."))


def _add_to_build(name: str) -> str:
    (_BUILD_FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
    return rx.asset(f"{name}.jsx", shared=True).importable_path


# `rx.asset` reads the whole call stack to find its caller, and the stack of an import is deep: that
# takes half a second at every start. The stack of a new thread is short.
with ThreadPoolExecutor(1) as _thread:
    _IMPORT_PATHS = dict(zip(NAMES, _thread.map(_add_to_build, NAMES), strict=True))


def script(name: str) -> str:
    """The `library` of a component.

    Args:
        name: Folder and file name without its ending, for example `chat/composer`.

    Raises:
        KeyError: There is no such script.
    """
    return _IMPORT_PATHS[name]
