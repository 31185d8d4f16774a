"""The program refuses to start with unsafe settings."""

import asyncio
import os
import sys
import tempfile

from resilience.report import Result
from testing.program import ROOT, free_port

REFUSED: dict[str, dict[str, str]] = {
    "a short secret": {"AUTH_SECRET": "changeme"},
    "every origin": {"APP_ORIGINS": "*"},
    "an origin pattern": {"APP_ORIGINS": "https://*.example.com"},
    "an origin with a path": {"APP_ORIGINS": "https://chat.example/path"},
    "a public address without a name": {"HOST": "0.0.0.0"},
    "a public name without TLS": {"HOST": "0.0.0.0", "APP_URL": "http://chat.example"},
    "a name that is no origin": {"APP_URL": "chat.example"},
    "an unknown database": {"DATABASE_URL": "mysql://root@localhost/chat"},
    "a limit that is none": {"LIMIT_SIGN_IN_PAIR": "unlimited"},
    "passwords of four": {"PASSWORD_MIN_LENGTH": "4"},
    "a negative number of proxies": {"TRUSTED_PROXY_HOPS": "-1"},
    "a provider with a user": {"OPENAI_BASE_URL": "https://user:key@host/v1", "CHAT_MODELS": "x"},
    "a provider that is a file": {"OPENAI_BASE_URL": "file:///etc/passwd", "CHAT_MODELS": "x"},
    "endless sessions": {"SESSION_MAX_HOURS": "0"},
}


async def bad_settings() -> Result:
    """Start with each; it must end with one line that does not repeat a secret."""
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for what, given in REFUSED.items():
            fixed = {"PORT": str(free_port()), "DATA_DIR": folder, "PYTHONPATH": str(ROOT)}
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "chat_app.cli", "run"),
                cwd=ROOT,
                env={**os.environ, **fixed, **given},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                async with asyncio.timeout(30):
                    said = (await process.communicate())[1].decode()
            except TimeoutError:
                process.kill()
                await process.wait()
                said = "it started"
            lines = [line for line in said.splitlines() if line.strip()]
            if process.returncode in (0, None, -9) or len(lines) != 1 or "changeme" in said:
                wrong.append(f"{what}: {process.returncode} {said[-100:]!r}")
    return Result(
        "bad settings", len(REFUSED), len(wrong), "; ".join(wrong)[:300] or "one line each"
    )
