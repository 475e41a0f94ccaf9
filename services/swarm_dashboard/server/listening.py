"""The listening socket: the requested port or an error, or else the default port or the next free one."""

from __future__ import annotations

import errno
import socket

from swarm_dashboard.config import DashboardConfig
from swarm_shared.domain.errors import ConfigError

PORTS_TRIED = 100
BACKLOG = 128


def open_listener(config: DashboardConfig) -> socket.socket:
    """Bind and listen immediately, so that only one of two dashboards that start together gets the port.

    Raises:
        ConfigError: The requested port is in use, none is free, or the address is not this machine's.
    """
    tries = 1 if config.port_is_asked or config.port == 0 else PORTS_TRIED
    for port in range(config.port, min(config.port + tries, 65_536)):
        try:
            return _listen(config.host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise ConfigError(
                    f"cannot listen on {config.host} port {port}: {error.strerror or error}",
                    hint="choose another address or a port above 1023",
                ) from error
    if tries == 1:
        raise ConfigError(
            f"port {config.port} is in use",
            hint="choose another one (--port), or none to use the next free one",
        )
    raise ConfigError(f"no free port from {config.port} on", hint="choose one with --port")


def address_of(listener: socket.socket) -> tuple[str, int]:
    """Host and port as a URL has them; what listens on every address is reached by this machine's own."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1"
    return (f"[{host}]" if ":" in host else host), int(port)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        # Without it a restart would find the port blocked by connections that have just closed.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Head and body of a response are two writes: without it the second waits 40 ms for a delayed acknowledgement.
        # The server would set it on its own socket; accepted connections inherit it from this one.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener
