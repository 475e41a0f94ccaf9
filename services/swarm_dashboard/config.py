"""The dashboard's checked configuration: where it listens, who has access, and its limits."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from msgspec import Struct, field

from swarm_shared.domain.errors import ConfigError
from swarm_shared.settings.settings import Settings

THREADS = 32
SOCKETS = 16  # open WebSockets at most; each keeps a thread, so this stays well below THREADS
MIN_OWN_TOKEN_CHARS = 16


class DashboardConfig(Struct, frozen=True, kw_only=True):
    """One dashboard's settings."""

    db: Path
    host: str = "127.0.0.1"
    port: int = 8765
    port_is_asked: bool = False  # a port that the user chose is used or refused, never changed
    open_to_all: bool = False  # SWARM_DASHBOARD_AUTH=none
    own_token: str = ""  # empty: the database's own
    sockets: int = SOCKETS
    threads: int = THREADS
    verbose: bool = False
    settings: Settings = field(default_factory=Settings)  # the swarm's: for the prompt of the next attempt

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)


def config_from(settings: Settings, *, verbose: bool = False) -> DashboardConfig:
    """Take the dashboard's settings, and refuse those that would expose it.

    Raises:
        ConfigError: Other machines could reach it without a token that the user has set, or without any authentication.
    """
    host, own_token = settings.dashboard_host.strip("[]"), settings.dashboard_token
    open_to_all = settings.dashboard_auth == "none"
    if own_token and len(own_token) < MIN_OWN_TOKEN_CHARS:
        raise ConfigError(
            f"SWARM_DASHBOARD_TOKEN is shorter than {MIN_OWN_TOKEN_CHARS} characters",
            hint="generate one with: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    if not is_loopback(host):
        reach = f"{host} makes the dashboard reachable from other machines, with all agent output and every control"
        if open_to_all:
            raise ConfigError(
                f"{reach}, without any token",
                hint="SWARM_DASHBOARD_AUTH=none is for 127.0.0.1 only",
            )
        if not own_token:
            raise ConfigError(reach, hint="set your own token in SWARM_DASHBOARD_TOKEN, or keep 127.0.0.1")
    return DashboardConfig(
        db=settings.db,
        host="127.0.0.1" if host == "localhost" else host,
        port=settings.dashboard_port,
        port_is_asked=settings.origins.get("dashboard_port", "default") != "default",
        open_to_all=open_to_all,
        own_token=own_token,
        verbose=verbose,
        settings=settings,
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address; any name other than localhost counts as public."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
