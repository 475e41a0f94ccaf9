"""A dashboard app over a small queue, used without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from queue_harness import QueueHarness
from werkzeug.test import TestResponse

from swarm_dashboard.app import create_app
from swarm_dashboard.config import DashboardConfig

HOST = "127.0.0.1:8765"


class DashboardHarness(QueueHarness):
    """The queue of the store's tests, and the app that shows it; `get` and `post` come as the page itself would."""

    def __init__(self, folder: Path, *, environ: dict[str, str] | None = None, **settings: Any) -> None:
        super().__init__(folder)
        self.token = settings.get("own_token") or self.db.swarm.dashboard_token()
        self.app = create_app(DashboardConfig(db=self.path, **settings), clock=self.clock, environ=environ or {})
        self.client: FlaskClient = self.app.test_client()

    def headers(self, **changed: str | None) -> dict[str, str]:
        """Headers of the page's own request; None takes one away. Names with underscores."""
        usual: dict[str, str | None] = {
            "Host": HOST,
            "Origin": f"http://{HOST}",
            "Sec-Fetch-Site": "same-origin",
            "Authorization": f"Bearer {self.token}",
        }
        usual |= {name.replace("_", "-"): value for name, value in changed.items()}
        return {name: value for name, value in usual.items() if value is not None}

    def get(self, path: str, **headers: str | None) -> TestResponse:
        return self.client.get(path, headers=self.headers(**headers))

    def post(self, path: str, body: Any = None, **headers: str | None) -> TestResponse:
        return self.client.post(path, json={} if body is None else body, headers=self.headers(**headers))
