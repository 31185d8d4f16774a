"""The built front ends of `examples/`, served beside the pages where the settings say so.

A front end is any folder with a `dist` that has an `index.html`. It gets the policy of the pages:
files of this server, no script inside the page.
"""

from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from chat_app.gateway.paths import EXAMPLES_PREFIX, is_under


def with_examples(app: ASGIApp, folder: Path | None) -> ASGIApp:
    """The app with each built front end below `/examples/`, or the app itself if there is none.

    Args:
        app: Everything else.
        folder: Where the front ends are, each in a folder with its name.
    """
    built = sorted(folder.glob("*/dist/index.html")) if folder is not None else []
    if not built:
        return app
    mounts = [
        Mount(
            f"{EXAMPLES_PREFIX}/{page.parent.parent.name}",
            StaticFiles(directory=page.parent, html=True),
        )
        for page in built
    ]
    examples = Starlette(routes=mounts)

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        is_example = scope["type"] == "http" and is_under(scope["path"], EXAMPLES_PREFIX)
        await (examples if is_example else app)(scope, receive, send)

    return respond
