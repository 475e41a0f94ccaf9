"""Tasks in separate worktrees, landed on the integration branch: real workers, real git."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from landing_harness import INTEGRATION, LandingSwarm, landing_swarm
from live_swarm import wait_until
from repositories import everything

from swarm_shared.domain.models import Status, Verb
from swarm_shared.store.views.changes import Since

pytestmark = pytest.mark.integration


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LandingSwarm]:
    with landing_swarm(tmp_path) as swarm:
        yield swarm


def test_a_task_lands_as_a_commit_with_trailers_and_the_users_checkout_is_unchanged(swarm: LandingSwarm) -> None:
    before = everything(swarm.project)
    swarm.add(swarm.task("a", "echo four >> a.txt; mkdir -p deep; echo new > deep/b.txt"))
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    assert swarm.landed("a.txt") == "one\ntwo\nthree\nfour"
    assert swarm.landed("deep/b.txt") == "new"
    assert swarm.trailers() == ["a"]
    attempt = swarm.attempts("a")[0]
    assert f"Swarm-Attempt: {attempt['id']}" in swarm.git("log", "-1", "--format=%B", INTEGRATION)
    assert swarm.git("merge-base", "--is-ancestor", attempt["head_sha"], INTEGRATION) == ""
    assert everything(swarm.project) == before


def test_a_dependent_task_begins_with_the_landed_work_of_its_dependency(swarm: LandingSwarm) -> None:
    swarm.add(swarm.task("a", "echo four >> a.txt"), swarm.task("b", "grep -q four a.txt && cp a.txt b.txt", "a"))
    swarm.worker()
    swarm.worker("worker-2")
    swarm.wait_for("b", Status.COMPLETED)
    assert swarm.landed("b.txt") == "one\ntwo\nthree\nfour"
    assert swarm.trailers() == ["a", "b"]


def meet(name: str) -> str:
    """Shell: continue only when both tasks that call it have begun."""
    here, other = name, {"left": "right", "right": "left"}[name]
    return f'touch "$MEETING/{here}"; while [ ! -e "$MEETING/{other}" ]; do sleep 0.05; done; '


@pytest.fixture
def together(swarm: LandingSwarm, tmp_path: Path) -> LandingSwarm:
    """A swarm in which two tasks can begin from the same base."""
    (tmp_path / "meeting").mkdir()
    swarm.settings["MEETING"] = str(tmp_path / "meeting")
    return swarm


def change_line(word: str) -> str:
    return f"sed -i 's/^two.*/{word}/' a.txt"


RESOLVE = "git merge -q -X theirs swarm/integration >&2 || true; "


def test_a_conflict_is_sent_back_to_its_task_and_lands_after_the_retry(together: LandingSwarm) -> None:
    swarm = together
    for name in ("left", "right"):
        again = f"{RESOLVE} echo {name} >> a.txt"
        first = meet(name) + change_line(name)
        run = f'if [ "$AMPLIFIER_SWARM_ATTEMPT_NUMBER" = 1 ]; then {first}; else {again}; fi'
        swarm.add(swarm.task(name, run))
    swarm.worker()
    swarm.worker("worker-2")
    for name in ("left", "right"):
        swarm.wait_for(name, Status.COMPLETED)
    first, second = swarm.trailers()
    assert swarm.landed("a.txt") == f"one\n{first}\nthree\n{second}"
    task = swarm.db.tasks.get(second)
    assert task["attempt_count"] == 2
    assert task["failures"] == 0
    refused = [e for e in swarm.db.events.of_task(task["seq"]) if e["event_type"] == "landing_failed"]
    assert "a.txt" in refused[0]["message"]
    prompt = swarm.db.tasks.sessions(swarm.attempts(second)[1]["id"])[0]["prompt"]
    assert "git merge swarm/integration" in prompt
    assert "M a.txt +1 -1" in prompt


def test_a_conflict_that_is_never_resolved_holds_the_task(together: LandingSwarm) -> None:
    swarm = together
    swarm.add(*(swarm.task(name, meet(name) + change_line(name)) for name in ("left", "right")))
    swarm.worker()
    swarm.worker("worker-2")
    wait_until(lambda: Status.HELD in {swarm.status(n) for n in ("left", "right")}, swarm.logs)
    (loser,) = [n for n in ("left", "right") if swarm.status(n) is Status.HELD]
    task = swarm.db.tasks.get(loser)
    assert (task["hold_reason"], task["attempt_count"], task["landing_unresolved"]) == ("not_landed", 3, 2)
    (winner,) = {"left", "right"} - {loser}
    assert f"{winner} (" in task["last_error"], "the refusal names the conflicting task"
    head = swarm.attempts(loser)[-1]["head_sha"]
    assert loser in swarm.git("show", f"{head}:a.txt"), "its work must be kept"


def test_of_two_passing_tasks_that_break_each_other_only_one_lands(together: LandingSwarm) -> None:
    swarm = together
    check = "test $(ls *.word 2> /dev/null | wc -l) -le 1"
    for name in ("left", "right"):
        run = f'[ "$AMPLIFIER_SWARM_ATTEMPT_NUMBER" = 1 ] || rm -f *.word; {meet(name)} echo {name} > {name}.word'
        swarm.add(swarm.task(name, run, checks=(check,)))
    swarm.worker()
    swarm.worker("worker-2")
    for name in ("left", "right"):
        swarm.wait_for(name, Status.COMPLETED)
    _, second = swarm.trailers()
    assert swarm.git("ls-tree", "--name-only", INTEGRATION).split() == [".gitignore", "a.txt", f"{second}.word"]
    assert swarm.db.tasks.get(second)["attempt_count"] == 2


def test_a_file_that_another_task_renames_costs_no_attempt(together: LandingSwarm) -> None:
    swarm = together
    swarm.commit({"long.txt": "".join(f"line {n}\n" for n in range(20))})
    swarm.add(
        swarm.task("left", meet("left") + "git mv long.txt moved.txt"),
        swarm.task("right", meet("right") + "sed -i 's/^line 3$/line 3 changed/' long.txt"),
    )
    swarm.worker()
    swarm.worker("worker-2")
    for name in ("left", "right"):
        swarm.wait_for(name, Status.COMPLETED)
        assert swarm.db.tasks.get(name)["attempt_count"] == 1
    assert "line 3 changed" in swarm.landed("moved.txt")


def test_a_failing_gate_keeps_work_off_the_branch(swarm: LandingSwarm) -> None:
    (swarm.folder / "swarm.yaml").write_text("gate: ['! test -e forbidden']\n")
    swarm.add(
        swarm.task("a", "[ $AMPLIFIER_SWARM_ATTEMPT_NUMBER = 1 ] && touch forbidden || { rm -f forbidden; touch b; }")
    )
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    assert swarm.db.tasks.get("a")["attempt_count"] == 2
    assert "forbidden" not in swarm.git("log", "--first-parent", "--name-only", INTEGRATION)


def test_a_gate_that_fails_without_the_work_stops_the_queue_and_blames_no_task(swarm: LandingSwarm) -> None:
    (swarm.folder / "swarm.yaml").write_text("gate: ['false']\n")
    swarm.add(swarm.task("a", "touch b"))
    swarm.worker()
    wait_until(lambda: "paused" in swarm.db.swarm.flags(), swarm.logs)
    assert "the base is failing" in swarm.db.swarm.flags()["paused"].reason
    swarm.wait_for("a", Status.APPROVED)
    assert swarm.db.tasks.get("a")["attempt_count"] == 1


def test_a_tip_written_by_another_program_stops_the_queue_until_resume(swarm: LandingSwarm) -> None:
    swarm.add(swarm.task("a", "touch b"))
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    tree = swarm.git("rev-parse", f"{INTEGRATION}^{{tree}}")
    foreign = swarm.git("commit-tree", tree, "-p", INTEGRATION, "-m", "by another program")
    swarm.git("update-ref", f"refs/heads/{INTEGRATION}", foreign)
    swarm.add(swarm.task("c", "touch d"))
    wait_until(lambda: "paused" in swarm.db.swarm.flags(), swarm.logs)
    assert "outside the swarm" in swarm.db.swarm.flags()["paused"].reason
    swarm.db.swarm.resume(actor="a user")
    swarm.wait_for("c", Status.COMPLETED)
    assert foreign in swarm.git("log", "--format=%H", INTEGRATION)
    assert swarm.db.events.newest(200)
    assert [e["event_type"] for e in swarm.db.events.newest(200)].count("paused") == 1


def test_a_checked_out_integration_branch_stops_landing_and_loses_nothing(swarm: LandingSwarm) -> None:
    swarm.add(swarm.task("a", f"git worktree add -f '{swarm.folder}/elsewhere' {INTEGRATION} >&2; touch b"))
    swarm.worker()
    wait_until(lambda: "paused" in swarm.db.swarm.flags(), swarm.logs)
    assert "checked out" in swarm.db.swarm.flags()["paused"].reason
    swarm.git("worktree", "remove", "--force", str(swarm.folder / "elsewhere"))
    swarm.db.swarm.resume(actor="a user")
    swarm.wait_for("a", Status.COMPLETED)
    assert swarm.trailers() == ["a"]


def test_commits_of_the_user_meanwhile_reach_the_next_task(swarm: LandingSwarm) -> None:
    swarm.add(swarm.task("a", "touch b"))
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    swarm.commit({"news.txt": "read me\n"})
    swarm.add(swarm.task("c", "cp news.txt copy.txt"))
    swarm.wait_for("c", Status.COMPLETED)
    assert swarm.landed("copy.txt") == "read me"


def test_killed_work_is_committed_and_the_next_attempt_continues_from_it(swarm: LandingSwarm) -> None:
    swarm.add(swarm.task("a", "if test -e half; then echo done > whole; else echo half > half; sleep 60; fi"))
    swarm.worker()
    wait_until(lambda: list(swarm.folder.glob("tasks.db.swarm/worktrees/a/half")), swarm.logs)
    swarm.db.control.request(Verb.KILL, "a", actor="a user")
    swarm.wait_for("a", Status.HELD)
    head = swarm.attempts("a")[0]["head_sha"]
    assert swarm.git("show", f"{head}:half") == "half"
    swarm.db.steering.apply(Verb.RETRY, "a", {}, actor="a user")
    swarm.wait_for("a", Status.COMPLETED)
    assert swarm.landed("whole") == "done"
    assert swarm.landed("half") == "half"
    first, second = (attempt["id"] for attempt in swarm.attempts("a"))
    whole, own = (swarm.db.changes.of(second, since) for since in Since)
    assert whole is not None
    assert own is not None
    assert [file["path"] for file in whole["files"]] == ["half", "whole"]
    assert [file["path"] for file in own["files"]] == ["whole"]
    assert "+done" in own["patch"]
    assert swarm.db.changes.of(first, Since.PREVIOUS) is None


def test_files_that_the_validator_writes_are_discarded_and_reported(swarm: LandingSwarm) -> None:
    swarm.add(swarm.task("a", "touch b", verify="echo spoilt > a.txt; touch extra"))
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    assert swarm.landed("a.txt") == "one\ntwo\nthree"
    assert "extra" not in swarm.git("ls-tree", "--name-only", INTEGRATION)
    checks = [c for c in swarm.attempts("a")[0]["check_results"] if "validator" in c["command"]]
    assert "a.txt" in checks[0]["output"]
    assert "extra" in checks[0]["output"]


@pytest.mark.parametrize(
    ("run", "more", "error"),
    [
        ("true", {}, "nothing was changed"),
        ("printf '<<<<<<< a\\nx\\n=======\\ny\\n>>>>>>> b\\n' > c.txt", {}, "conflict markers were added"),
    ],
)
def test_a_fault_visible_in_the_commit_itself_fails_an_attempt(
    swarm: LandingSwarm, run: str, more: dict[str, object], error: str
) -> None:
    swarm.add(swarm.task("a", run, max_retries=0, **more))
    swarm.worker()
    assert error in swarm.wait_for("a", Status.FAILED)["last_error"]


def test_an_attempt_without_changes_passes_if_the_task_allows_it(swarm: LandingSwarm) -> None:
    swarm.add(swarm.task("a", "true", allow_empty=True))
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)


def test_writing_into_the_users_checkout_is_detected(swarm: LandingSwarm) -> None:
    swarm.add(swarm.task("a", f"touch b; echo leak > '{swarm.project}/leaked.txt'", files=("c",)))
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    warnings = {c["command"]: c["output"] for c in swarm.attempts("a")[0]["check_results"] if c.get("warning")}
    assert warnings == {
        "built-in: nothing was written outside the worktree": "leaked.txt",
        "built-in: only declared files were changed": "b",
    }


def test_a_cancel_during_the_gate_prevents_landing(swarm: LandingSwarm) -> None:
    (swarm.folder / "swarm.yaml").write_text(f"gate: ['touch \"{swarm.folder}/gate\"; sleep 60']\n")
    swarm.add(swarm.task("a", "touch b"))
    swarm.worker()
    wait_until((swarm.folder / "gate").exists, swarm.logs)
    swarm.db.control.request(Verb.CANCEL, "a", actor="a user")
    swarm.wait_for("a", Status.CANCELLED)
    assert swarm.trailers() == []
    wait_until(lambda: not swarm.leftovers())


def test_setup_agents_and_checks_get_the_ports_of_their_worker(swarm: LandingSwarm) -> None:
    (swarm.folder / "swarm.yaml").write_text(
        "setup: ['echo $SWARM_PORT > ports']\nchecks: ['test $SWARM_PORT = 7060']\n"
    )
    swarm.add(swarm.task("a", "echo $SWARM_PORT >> ports"))
    swarm.worker("worker-3", SWARM_PORT_BASE="7000")
    swarm.wait_for("a", Status.COMPLETED)
    assert swarm.landed("ports") == "7060\n7060"


def test_setup_commands_run_once_in_a_new_worktree(swarm: LandingSwarm) -> None:
    (swarm.folder / "swarm.yaml").write_text("setup: ['echo ready >> setup.log']\n")
    swarm.add(swarm.task("a", "test $AMPLIFIER_SWARM_ATTEMPT_NUMBER = 2 && cp setup.log b.txt"))
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    assert swarm.landed("b.txt") == "ready"
