"""The reading routes: shapes, filters, pages and logs; odd parameters are clamped or refused with a message."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from dashboard_harness import DashboardHarness
from queue_harness import failed

from swarm_shared.domain.models import FailureClass, Role, Stage, TaskSpec

ODD_IDS = (
    "a/b",
    "a/b/retry",
    "x y",
    "Änderung №1",
    "100%",
    "a//b",
    "/lead",
    "trail/",
    "q?x=1#y",
    "<img src=x>",
    "..x",
    "a/../b",
    "kill",
    "bulk",
    "x/attempts/1/log",
    "x/attempts/1/log/lines",
    "x/attempts/1/prompts",
    "x/why",
    "%2F",
)
XSS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "</textarea><svg onload=alert(1)>",
    "{{7*7}}${7*7}",
    "\u202egnp.exe\u2028",
)


@pytest.fixture
def harness(tmp_path: Path) -> DashboardHarness:
    return DashboardHarness(tmp_path)


def test_status_counts_tasks_and_names_running_ones(harness: DashboardHarness) -> None:
    harness.add(TaskSpec(id="1", name="one", estimated_hours=2), TaskSpec(id="2", name="two", estimated_hours=1))
    claim = harness.start()
    session = harness.db.connection.value("SELECT max(id) FROM sessions")
    harness.db.output.append(session, [(1, b"\x1b[32mfirst\x1b[0m\nlast line\n\n")], position=0, limit_bytes=10**6)
    status = harness.get("/api/status").get_json()
    assert status["tasks"]["total"] == {"count": 2, "hours": 3.0}
    assert status["tasks"]["in_progress"]["count"] == 1
    [row] = status["running"]
    assert (row["id"], row["stage"], row["last_line"]) == (claim.task_id, "building", "last line")
    assert status["workers"][0]["current_task_id"] == claim.task_id
    assert status["auth"] == "token"
    assert (status["isolation"], status["lands_on"]) == (None, None)
    harness.db.swarm.note_workplace("none")
    assert harness.get("/api/status").get_json()["isolation"] == "none"


def test_recently_ended_tasks_are_listed_newest_first(harness: DashboardHarness) -> None:
    harness.add("1", "2", "3", "4")
    harness.run()
    harness.clock.pass_s(1)
    harness.run()
    for _ in range(3):
        harness.clock.pass_s(1)
        harness.run(failed(FailureClass.QUALITY, "tests are red"))
    status = harness.get("/api/status").get_json()
    assert [row["id"] for row in status["just_finished"]] == ["2", "1"]
    assert [(row["id"], row["last_error"]) for row in status["just_failed"]] == [("3", "tests are red")]


@pytest.mark.parametrize("task_id", ODD_IDS)
def test_any_id_is_found_at_its_address(harness: DashboardHarness, task_id: str) -> None:
    harness.add(task_id)
    harness.run()
    address = f"/api/tasks/{quote(task_id, safe='')}"
    assert harness.get(address).get_json()["id"] == task_id
    assert harness.get(f"{address}/attempts/1/log").get_json()["role"] == "builder"
    assert harness.get(f"{address}/attempts/1/prompts").get_json()["prompts"][0]["prompt"] == "do it"
    assert harness.post(f"{address}/retry").status_code == 202
    assert harness.db.control.newest(limit=1)[0].target == task_id


def test_a_task_shows_its_attempts_links_log_and_verbs(harness: DashboardHarness) -> None:
    harness.add("1", TaskSpec(id="2", name="two", dependencies=("1",), description="Do it well"))
    for _ in range(3):
        harness.run(failed(FailureClass.QUALITY))
    one = harness.get("/api/tasks/1").get_json()
    assert [attempt["number"] for attempt in one["attempts"]] == [1, 2, 3]
    assert one["attempts"][0]["sessions"][0]["role"] == "builder"
    assert [link["id"] for link in one["dependents"]] == ["2"]
    assert one["verbs"] == ["retry", "cancel"]
    assert {event["event_type"] for event in one["log"]} >= {"claimed", "started", "failed"}
    two = harness.get("/api/tasks/2").get_json()
    assert two["needs"] == [{"id": "1", "name": "task 1", "status": "failed", "group": "failed"}]
    assert two["retry_is_chain"]
    assert two["definition"]["description"] == "Do it well"
    assert harness.get("/api/tasks/3").status_code == 404


def test_an_error_has_advice_for_the_page_and_none_for_a_terminal(harness: DashboardHarness) -> None:
    harness.add("release")
    near, far = (harness.get(f"/api/tasks/{typed}").get_json()["error"] for typed in ("relaese", "nosuch"))
    assert (near["message"], near["hint"]) == ("no task 'relaese'", 'did you mean "release"?')
    assert (far["message"], far["hint"]) == ("no task 'nosuch'", None)


def test_the_duration_of_a_task_is_that_of_its_attempts(harness: DashboardHarness) -> None:
    harness.add("a")
    for _ in range(2):
        claim = harness.start()
        harness.clock.pass_s(30)
        harness.settle(claim, failed(FailureClass.QUALITY, "no"))
        harness.clock.pass_s(600)  # a later retry, or an approval that never came
    [row] = harness.get("/api/tasks").get_json()["tasks"]
    assert row["worked_ms"] == 60_000


def test_pages_follow_each_other_without_gap_or_repetition(harness: DashboardHarness) -> None:
    harness.add(*(TaskSpec(id=f"t{n}", name=f"n{n}", phase="p" if n % 2 else "q") for n in range(25)))
    for parameters, expected in (("", 25), ("&phase=p", 12), ("&status=not_started", 25), ("&status=blocked", 0)):
        seen: list[str] = []
        cursor: int | None = 0
        while cursor is not None:
            page = harness.get(f"/api/tasks?limit=4&cursor={cursor}{parameters}").get_json()
            seen += [task["id"] for task in page["tasks"]]
            assert page["total"] == expected
            cursor = page["cursor"]
        assert len(seen) == len(set(seen)) == expected


def test_a_search_accepts_words_qualifiers_and_prefixes_of_ids(harness: DashboardHarness) -> None:
    harness.add(
        TaskSpec(id="2.6.1", name="Parse the Grammar", phase="build"),
        TaskSpec(id="2.6.2", name="Parse errors", phase="build"),
        TaskSpec(id="3.1", name="Grammar tests", phase="test"),
    )

    def found(query: str) -> list[str]:
        return [task["id"] for task in harness.get(f"/api/tasks?q={quote(query)}").get_json()["tasks"]]

    assert found("grammar") == ["2.6.1", "3.1"]
    assert found("parse errors") == ["2.6.2"]
    assert found('"the grammar"') == ["2.6.1"]
    assert found("2.6") == ["2.6.1", "2.6.2"]
    assert found("id:2.6 parse") == ["2.6.1", "2.6.2"]
    assert found("phase:test") == ["3.1"]
    assert found("status:not_started grammar phase:build") == ["2.6.1"]
    assert found("nothing like it") == []


def test_a_search_covers_type_priority_worker_error_and_time(harness: DashboardHarness) -> None:
    harness.add(TaskSpec(id="old", name="old", max_retries=0, type="bug", priority=1))
    harness.run(failed(FailureClass.QUALITY, "Timeout after 30 s"))
    harness.clock.pass_s(3 * 3600)
    harness.add(TaskSpec(id="new", name="new"))
    harness.start("worker 7")

    def found(query: str) -> list[str]:
        answer = harness.get(f"/api/tasks?q={quote(query)}").get_json()
        assert "tasks" in answer, answer
        return [task["id"] for task in answer["tasks"]]

    assert found('error:"timeout after"') == ["old"]
    assert found("error:crash") == []
    assert found("type:bug") == ["old"]
    assert found("priority:critical") == found("priority:1") == ["old"]
    assert found('worker:"worker 7"') == ["new"]
    assert found("since:2h") == ["new"]
    assert found("since:1w") == found("since:1970-01-01") == ["old", "new"]
    assert found("status:failed since:1d error:timeout") == ["old"]
    for wrong in ("since:soon", "priority:urgent", "status:odd"):
        response = harness.get(f"/api/tasks?q={quote(wrong)}")
        assert response.status_code == 400
        assert response.get_json()["error"]["hint"]


def test_a_search_that_takes_too_long_stops_and_can_continue(
    harness: DashboardHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm_shared.store.views.browse.SEARCH_TIME_MS", -1)
    harness.add("1", "2")
    page = harness.get("/api/tasks?q=task").get_json()
    assert page["tasks"] == []
    assert page["total"] is None
    assert page["cursor"] == 0


def test_a_search_over_many_tasks_continues_where_it_stopped(
    harness: DashboardHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm_shared.store.views.browse.SEARCH_BATCH", 7)
    harness.add(*(TaskSpec(id=f"t{n}", name="odd" if n % 2 else "even") for n in range(60)))
    seen: list[str] = []
    cursor: int | None = 0
    while cursor is not None:
        page = harness.get(f"/api/tasks?q=odd&limit=5&cursor={cursor}").get_json()
        seen += [task["id"] for task in page["tasks"]]
        cursor = page["cursor"]
    assert seen == [f"t{n}" for n in range(1, 60, 2)]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/tasks?limit=999999999999999", 200),
        ("/api/tasks?limit=-5", 200),
        ("/api/tasks?limit=NaN", 400),
        ("/api/tasks?limit=1e9", 400),
        ("/api/tasks?limit=" + "9" * 5000, 400),
        ("/api/tasks?cursor=٣", 400),
        ("/api/tasks?cursor=99999999999999999", 200),
        ("/api/tasks?status=<script>", 400),
        ("/api/tasks?status=failed,held", 200),
        ("/api/tasks?q=" + "a" * 401, 400),
        ("/api/tasks?q=%00%ff%22(((", 200),
        ("/api/log?limit=0", 200),
        ("/api/log?since=99999999999", 200),
        ("/api/tasks/1/attempts/1/log?from=-99999999999999", 200),
        ("/api/tasks/1/attempts/1/log?from=abc", 400),
        ("/api/tasks/1/attempts/1/log?role=root", 400),
        ("/api/tasks/1/attempts/99999999999999999999999/log", 400),
        ("/api/tasks/1/attempts/2/log", 404),
        ("/api/control/99999999999999999999", 400),
        ("/api/control/7", 404),
        ("/api/tasks/" + "x" * 3000, 404),
        ("/api/nothing", 404),
        ("/static/../app.py", 404),
        ("/static/%2e%2e/app.py", 404),
    ],
)
def test_odd_parameters_are_clamped_or_refused_with_a_message(
    harness: DashboardHarness, path: str, status: int
) -> None:
    harness.add("1")
    harness.run()
    response = harness.get(path)
    assert response.status_code == status
    if status != 200:
        error = response.get_json()["error"]
        assert error["code"]
        assert "<script>" not in error["message"]


def test_lists_are_capped(harness: DashboardHarness) -> None:
    harness.add(*(f"t{n}" for n in range(210)))
    page = harness.get("/api/tasks?limit=100000").get_json()
    assert (len(page["tasks"]), page["limit"], page["total"]) == (200, 200, 210)


@pytest.mark.parametrize("payload", XSS)
def test_text_of_users_and_agents_stays_json(harness: DashboardHarness, payload: str) -> None:
    harness.add(TaskSpec(id=f"id {payload}"[:150], name=payload, phase=payload, description=payload))
    harness.run(failed(FailureClass.QUALITY, payload))
    for path in ("/api/status", "/api/tasks", "/api/log", f"/api/tasks?q={quote(payload)}"):
        response = harness.get(path)
        assert response.mimetype == "application/json"
        assert response.get_json() is not None
    assert harness.get("/api/tasks").get_json()["tasks"][0]["name"] == payload


def test_a_log_is_read_from_any_byte_and_characters_stay_whole(harness: DashboardHarness) -> None:
    harness.add("1")
    claim = harness.take()
    session = harness.db.queue.open_session(claim, role=Role.BUILDER, name="b", stage=Stage.BUILDING, prompt="p")
    text = "grün, 漢字, 🐝 – " * 40
    data = text.encode()
    position = 0
    for start in range(0, len(data), 7):  # cuts characters in the middle
        position = harness.db.output.append(
            session, [(1, data[start : start + 7])], position=position, limit_bytes=10**6
        )
    read, following = "", 0
    while True:
        answer = harness.get(f"/api/tasks/1/attempts/1/log?from={following}&limit=11").get_json()
        read += "".join(piece["text"] for piece in answer["pieces"])
        if not answer["pieces"]:
            break
        following = answer["next"]
    assert read == text
    tail = harness.get("/api/tasks/1/attempts/1/log?from=-20").get_json()
    assert tail["pieces"][0]["start"] == len(data) - 20
    assert not tail["ended"]


def test_both_streams_come_in_order(harness: DashboardHarness) -> None:
    harness.add("1")
    claim = harness.take()
    session = harness.db.queue.open_session(claim, role=Role.BUILDER, name="b", stage=Stage.BUILDING, prompt="p")
    harness.db.output.append(session, [(1, b"out "), (2, b"err "), (1, b"out")], position=0, limit_bytes=10**6)
    pieces = harness.get("/api/tasks/1/attempts/1/log").get_json()["pieces"]
    assert [(piece["stream"], piece["text"]) for piece in pieces] == [(1, "out "), (2, "err "), (1, "out")]


def test_an_unexpected_error_shows_only_an_id(harness: DashboardHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("swarm_dashboard.payloads.shapes.workers", explode)
    response = harness.get("/api/workers")
    assert response.status_code == 500
    assert "secret" not in response.get_data(as_text=True)
    assert response.get_json()["error"]["code"] == "internal"


def test_a_missing_database_is_reported(harness: DashboardHarness) -> None:
    assert harness.get("/api/status").status_code == 200
    harness.db.close()
    harness.path.unlink()
    assert harness.get("/api/status").status_code == 503


def test_metrics_count_the_queue(harness: DashboardHarness) -> None:
    harness.add("1", "2")
    harness.run()
    text = harness.get("/metrics").get_data(as_text=True)
    assert 'swarm_tasks{status="completed"} 1.0' in text
    assert 'swarm_tasks{status="not_started"} 1.0' in text
    assert 'swarm_workers{status="idle"}' in text or 'swarm_workers{status="starting"}' in text


def test_the_health_check_is_open_and_minimal(harness: DashboardHarness) -> None:
    response = harness.client.get("/healthz", headers={"Host": "localhost"})
    assert response.get_data(as_text=True) == "ok\n"


def test_a_user_at_a_mistyped_address_gets_the_page_and_a_program_the_error(harness: DashboardHarness) -> None:
    person = harness.get("/needs-you", Accept="text/html,*/*;q=0.8")
    assert (person.status_code, person.mimetype) == (404, "text/html")
    for path, accept in (("/needs-you", "*/*"), ("/api/nothing", "text/html"), ("/static/nothing.js", "text/html")):
        program = harness.get(path, Accept=accept)
        assert (program.status_code, program.get_json()["error"]["code"]) == (404, "not_found")
