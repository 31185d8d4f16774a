"""The command `reflex run`: its ports, the addresses that it prints, and what it cannot serve."""

import functools
import inspect
import os
import sys
from urllib.parse import urlsplit

import reflex as rx
from reflex.utils import exec as run_commands
from reflex.utils import processes


def refused_run(*, is_dev: bool, has_pages: bool) -> str | None:
    """Why `reflex run` cannot serve what it is asked for, in one line; None when it can.

    Args:
        is_dev: Whether it serves for development, on two ports.
        has_pages: Whether this server has the pages too.
    """
    if os.environ.get("__REFLEX_COMPILE_CONTEXT") != "run" or is_dev:
        return None
    if has_pages and _runs_only("FRONTEND"):
        return "--frontend-only needs REFLEX_API_URL: the pages must know where the server is"
    if not has_pages and not _runs_only("FRONTEND") and not _runs_only("BACKEND"):
        return "REFLEX_API_URL is set, so pages and server start apart: add --backend-only"
    return None


def _runs_only(part: str) -> bool:
    return os.environ.get(f"REFLEX_{part}_ONLY", "").lower() == "true"


def take_configured_ports() -> None:
    """Let `reflex run` take the configured ports, or stop when one is in use.

    It chooses its ports before it reads the configuration of its mode, and moves to the next free
    ones, where every Origin would be wrong.
    """
    handle_port = inspect.unwrap(processes.handle_port)

    @functools.wraps(handle_port)
    def handle_configured_port(service_name: str, port: int, auto_increment: bool) -> int:
        config = rx.config.get_config()
        configured = config.backend_port if service_name == "backend" else config.frontend_port
        if auto_increment and configured:
            return handle_port(service_name, configured, auto_increment=False)
        return handle_port(service_name, port, auto_increment)

    processes.handle_port = handle_configured_port


_FOR_DEVELOPMENT = (
    "For development on this machine: pages come without their content security policy. "
    "To serve users: chat-app run"
)


def print_own_addresses(url: str, api_url: str, *, is_dev: bool) -> None:
    """Let `reflex run` print the addresses that answer, and what development is not for.

    It would print the address it listens on; under another one than ours the socket refuses a page
    as a foreign origin.

    Args:
        url: The origin of the pages.
        api_url: The origin of the socket.
        is_dev: Whether it serves for development, on two ports.
    """
    notify_frontend = inspect.unwrap(run_commands.notify_frontend)
    notify_backend = inspect.unwrap(run_commands.notify_backend)

    @functools.wraps(notify_frontend)
    def notify_own_frontend(_url: str, backend_present: bool) -> None:
        notify_frontend(api_url if _runs_only("BACKEND") else url, backend_present)
        if is_dev:
            sys.stdout.write(f"{_FOR_DEVELOPMENT}\n")

    @functools.wraps(notify_backend)
    def notify_own_backend(_host: str | None = None) -> None:
        notify_backend(urlsplit(api_url).hostname)

    run_commands.notify_frontend = notify_own_frontend
    run_commands.notify_backend = notify_own_backend
