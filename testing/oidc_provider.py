"""OpenID providers (OIDC) from npm, each in a process of its own."""

import contextlib
import json
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from testing import bun

PACKAGES = ("oidc-provider@9.13.3", "oauth2-mock-server@9.3.0")
HERE = Path(__file__).parent
START_SECONDS = 60

ISSUER = "https://id.acme.example"
DISCOVERY_DOCUMENT = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/auth",
    "token_endpoint": "https://tokens.acme.example/token",
    "jwks_uri": f"{ISSUER}/jwks",
    "id_token_signing_alg_values_supported": ["RS256"],
}


@contextlib.contextmanager
def run_oidc(script: str, **given: Any) -> Iterator[None]:
    """Run one of the scripts beside this file until the block ends.

    Args:
        script: Its name.
        given: What it is told, as JSON.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(HERE / script, folder)
        (folder / "node_modules").symlink_to(bun.packages(*PACKAGES) / "node_modules")
        log = folder / "log"
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [bun.program(), script, json.dumps(given)],
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        try:
            assert _listens(process), log.read_text()
            yield
        finally:
            process.kill()
            process.communicate()


def _listens(process: subprocess.Popen[bytes]) -> bool:
    assert process.stdout is not None
    impatient = threading.Timer(START_SECONDS, process.kill)
    impatient.start()
    try:
        # Anything it says before is a warning about what is fit for tests alone.
        return any(b"listening" in line for line in process.stdout)
    finally:
        impatient.cancel()
