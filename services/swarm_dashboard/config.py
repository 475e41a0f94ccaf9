"""What the dashboard is told at its start, checked: where it listens, who may look, and how much it takes on."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from msgspec import Struct, field

from swarm_shared.domain.errors import ConfigError
from swarm_shared.program.settings import Settings

THREADS = 32
SOCKETS = 16  # open WebSockets at most; each keeps a thread, so this stays well below THREADS
MIN_OWN_TOKEN_CHARS = 16


class DashboardConfig(Struct, frozen=True, kw_only=True):
    """One dashboard's settings."""

    db: Path
    host: str = "127.0.0.1"
    port: int = 8765
    port_is_asked: bool = False  # a port that somebody named is taken or refused, never changed
    open_to_all: bool = False  # SWARM_DASHBOARD_AUTH=none
    own_token: str = ""  # empty: the database's own
    sockets: int = SOCKETS
    threads: int = THREADS
    verbose: bool = False
    settings: Settings = field(default_factory=Settings)  # the swarm's: what the next attempt will be told

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)


def config_from(settings: Settings, *, verbose: bool = False) -> DashboardConfig:
    """Take what concerns the dashboard and refuse what would expose it.

    Raises:
        ConfigError: Beyond this machine without a token of one's own, or with no authentication at all.
    """
    host, own_token = settings.dashboard_host.strip("[]"), settings.dashboard_token
    open_to_all = settings.dashboard_auth == "none"
    if own_token and len(own_token) < MIN_OWN_TOKEN_CHARS:
        raise ConfigError(
            f"SWARM_DASHBOARD_TOKEN is shorter than {MIN_OWN_TOKEN_CHARS} characters",
            hint="make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    if not is_loopback(host):
        reach = f"{host} lets other machines reach the dashboard: everything agents wrote, and every control"
        if open_to_all:
            raise ConfigError(
                f"{reach}, without any token",
                hint="SWARM_DASHBOARD_AUTH=none is for 127.0.0.1 only",
            )
        if not own_token:
            raise ConfigError(reach, hint="set a token of your own in SWARM_DASHBOARD_TOKEN, or keep 127.0.0.1")
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
    """Whether only this machine can reach an address; a name other than localhost is taken for the world."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
