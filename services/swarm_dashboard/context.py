"""Shared by the routes within one process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response
from msgspec import Struct

from swarm_dashboard.config import DashboardConfig
from swarm_dashboard.live.live_updates import Live
from swarm_dashboard.web.access import Access
from swarm_dashboard.web.database_reader import Reader
from swarm_dashboard.web.json_responses import answer, written
from swarm_shared.domain.clock import Clock
from swarm_shared.redaction.redaction import Redaction


class Context(Struct, frozen=True, kw_only=True):
    """Made once per process, after the fork."""

    config: DashboardConfig
    clock: Clock
    reader: Reader
    access: Access
    live: Live
    redaction: Redaction
    environ: Mapping[
        str, str
    ]  # the environment of agents, as far as it is known here: `start` passes the same to all programs

    def written(self, body: Any) -> str:
        """The text of a response without secrets, for a response that is sent more than once."""
        return written(self.redaction, body)

    def answer(self, body: Any, status: int = 200) -> Response:
        return answer(self.redaction, body, status)
