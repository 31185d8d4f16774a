"""Is the port free? Asked before anything slow is done."""

import errno
import socket

from chat_app.errors import Conflict


class PortTaken(Conflict):
    """The port cannot be used; the sentence says what to do."""

    code = "port_taken"


def check_port(host: str, port: int) -> None:
    """Refuse to start beside another server.

    The server itself would not notice: it shares its port with whoever also shares. And a
    browser asks `localhost` on IPv6 first, so a stranger there would answer in our place.

    Args:
        host: The address to listen on.
        port: The port, 1 to 65535.

    Raises:
        PortTaken: The port is in use, or may not be used by this user.
    """
    hosts = (host, "::1") if host in ("127.0.0.1", "localhost") else (host,)
    for address in hosts:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                # Connections that are merely fading away must not count.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((address, port))
        except OSError as error:
            _explain(error, address, port)


def _explain(error: OSError, address: str, port: int) -> None:
    if error.errno == errno.EADDRINUSE:
        raise PortTaken(
            f"Port {port} is taken by another program; stop it, or choose another port "
            f"with PORT={port + 1 if port < 65535 else 3001}."
        ) from None
    if error.errno == errno.EACCES:
        raise PortTaken(
            f"Port {port} is reserved for the system; choose one above 1023 with PORT=3000."
        ) from None
    if address == "::1":
        return  # this machine has no IPv6
    raise PortTaken(f"Cannot listen on {address} port {port}: {error.strerror}.") from None
