"""A port for a program that is asked to listen on it a little later."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_LOWEST, _USUALLY_FROM = 10_000, 32_768
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """A port of 127.0.0.1 that is free, and that the system assigns to no program that does not ask for it.

    One that the system chose itself for a moment might be given to any program's next connection.
    """
    given_away_from = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else _USUALLY_FROM
    highest = given_away_from if given_away_from > 2 * _LOWEST else _USUALLY_FROM
    while True:
        port = random.SystemRandom().randrange(_LOWEST, highest)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def free_ports(number: int) -> list[int]:
    """As many different ones."""
    ports: set[int] = set()
    while len(ports) < number:
        ports.add(free_port())
    return [*ports]
