"""The program deployed with `reflex deploy`: its pages on one host, the server on another.

Both hosts are on loopback and of one site: a browser takes `app.localhost` and `api.localhost` for
two sites, because `localhost` is no domain that anyone can register.
"""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from testing.asgi_server import serve
from testing.hosting_service import HostingService
from testing.program import ROOT, Program, free_port

# The command stops when PyPI has a newer version of itself.
_REFLEX = """
from reflex_cli.v2 import deployments
deployments.check_version = lambda: None
from reflex.reflex import cli
cli()
"""
PATIENCE = 30
"""Seconds; only a test that will fail waits so long."""
PRIVATE = (
    *("data/chat.db", "data/chat.db-wal", "data/secret", "data/backups/old.db"),
    *(".env", ".env.hosted", "hosted.env", "server.key", "uploaded_files/photo.png"),
    *("node_modules/left/index.js", "examples/one/node_modules/left/index.js"),
    *("chat_app.egg-info/PKG-INFO", "frontend.zip"),
    *("chat_app/__pycache__/x.pyc", ".build/pages/1/index.html", ".hypothesis/examples/1"),
)
"""What the folder of an operator holds besides the program."""


def copy_project(folder: Path) -> None:
    """Copy what git knows of the project, as it is now, and put private files beside it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    for name in PRIVATE:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("# private\n")


@dataclass(frozen=True)
class Deployment:
    """What one `reflex deploy` did.

    Args:
        service: The hosting service, with what was uploaded.
        code: The exit code of the command.
        output: What it said.
    """

    service: HostingService
    code: int
    output: str


async def deploy(
    folder: Path,
    service: HostingService,
    envs: Mapping[str, str],
    overrides: Mapping[str, str],
) -> Deployment:
    """Run the real command in a copy of the project.

    Args:
        folder: The copy.
        service: Where it deploys to.
        envs: The settings of the server there.
        overrides: The URLs of the hosts, in place of those that the service has for them.
    """
    (folder / ".env.hosted").write_text("".join(f"{k}={v}\n" for k, v in envs.items()))
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("REFLEX_", "__REFLEX"))}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _REFLEX, "deploy", "--no-interactive", "--token", "a-token"),
        *("--app-name", "chat", "--envfile", ".env.hosted"),
        cwd=folder,
        env={
            **clean,
            **overrides,
            "PYTHONPATH": str(folder),
            "REFLEX_CLOUD_BACKEND_URL": service.url,
            "XDG_DATA_HOME": str(folder / ".home"),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Deployment(service, process.returncode or 0, said.decode(errors="replace"))


@dataclass(frozen=True)
class SplitHost:
    """The deployed program.

    Args:
        pages_url: The URL that users open.
        api_url: The URL of the server.
        program: The server, which was started from its archive alone.
        deployment: How it was deployed.
    """

    pages_url: str
    api_url: str
    program: Program
    deployment: Deployment

    async def link_in_log(self) -> str:
        """The last link of an email that the server wrote to its log, once there is one."""
        async with asyncio.timeout(PATIENCE):
            while True:
                found = re.findall(r"https?://\S+#\S+", self.program.log.read_text())
                if found:
                    return found[-1]
                await asyncio.sleep(0.05)


@asynccontextmanager
async def deployed(folder: Path, given: Mapping[str, str]) -> AsyncIterator[SplitHost]:
    """Deploy the program, and serve what was uploaded as a hosting service would.

    Args:
        folder: An empty folder.
        given: Settings of the server.
    """
    project, server, pages = (folder / name for name in ("project", "server", "pages"))
    project.mkdir()
    copy_project(project)
    program = Program(
        folder,
        command=[sys.executable, "-m", "reflex", "run", "--env", "prod", "--backend-only"],
        root=server,
    )
    page_port = free_port()
    pages_url = f"http://app.chat.localhost:{page_port}"
    api_url = f"http://api.chat.localhost:{program.port}"
    service = HostingService(free_port())
    envs = {"APP_URL": pages_url, "REFLEX_API_URL": api_url}
    overrides = {
        "REFLEX_OVERRIDE_FRONTEND_URL": pages_url,
        "REFLEX_OVERRIDE_BACKEND_URL": api_url,
    }
    async with serve(service.app(), service.port):
        deployment = await deploy(project, service, envs, overrides)
    assert deployment.code == 0, deployment.output
    for archive, target in (("backend", server), ("frontend", pages)):
        zipfile.ZipFile(BytesIO(service.archives[archive])).extractall(target)
    program.given(**envs, **given)
    try:
        await asyncio.to_thread(program.start)
        static_host = Starlette(routes=[Mount("/", StaticFiles(directory=pages, html=True))])
        async with serve(static_host, page_port):
            yield SplitHost(pages_url, api_url, program, deployment)
    finally:
        program.end()
