"""A secret that an agent writes is stored as it is, for its owner, and shown on no page."""

from __future__ import annotations

from pathlib import Path

import pytest
from dashboard_desk import DashboardDesk
from queue_desk import failed

from swarm_shared.models import FailureClass, Role, Stage

SECRET = "sk-" + "a1B2c3D4" * 4
PATHS = [
    "/api/status",
    "/api/tasks",
    "/api/tasks/1",
    "/api/tasks/1/attempts/1/log",
    "/api/tasks/1/attempts/1/prompts",
    "/api/log",
    "/api/workers",
    "/api/control",
]


@pytest.fixture
def desk(tmp_path: Path) -> DashboardDesk:
    return DashboardDesk(tmp_path)


@pytest.mark.parametrize("is_over", [False, True], ids=["while it runs", "afterwards"])
def test_a_secret_that_an_agent_wrote_is_shown_nowhere(desk: DashboardDesk, is_over: bool) -> None:
    desk.add("1")
    claim = desk.take()
    session = desk.db.queue.open_session(claim, role=Role.BUILDER, name="b", stage=Stage.BUILDING, prompt=SECRET)
    half = len(SECRET) // 2
    for position, text in ((0, f"key={SECRET[:half]}"), (4 + half, f"{SECRET[half:]}\n")):
        desk.db.output.append(session, [(1, text.encode())], position=position, limit_bytes=10**6)
    desk.db.queue.note_event(claim, "checked", f"echo {SECRET}")
    if is_over:
        told = {"summary": f"I used {SECRET}"}
        checks = [{"command": "x", "passed": False, "exit_code": 1, "output": SECRET}]
        result = failed(FailureClass.QUALITY, f"it said {SECRET}", builder_result=told, check_results=checks)
        desk.settle(claim, result)
    shown = {path: desk.get(path) for path in PATHS}
    assert {path for path, response in shown.items() if SECRET in response.get_data(as_text=True)} == set()
    assert {response.status_code for response in shown.values()} == {200}
    assert "masked" in shown["/api/tasks/1/attempts/1/log"].get_data(as_text=True)
    assert SECRET.encode() in b"".join(chunk.data for chunk in desk.db.output.read(session))
