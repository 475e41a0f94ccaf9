"""Items of imported plans are ticked in the commits that land their tasks, whatever else happens to the file."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from landing_harness import INTEGRATION, LandingSwarm, landing_swarm
from live_swarm import wait_until

from swarm_shared.domain.models import Source, Status, TaskSpec
from swarm_shared.sources.syntax.markdown import read_markdown
from swarm_shared.sources.ticks.boxes import keyed_numbered, keyed_spec_kit

pytestmark = pytest.mark.integration

SPEC_KIT, KIRO = "specs/001-notes/tasks.md", ".kiro/specs/notes/tasks.md"
LAND = "update-ref -m swarm: land"
ALL_S = 120.0


def spec_kit(count: int) -> str:
    return "# Tasks\n\n## Phase 1: Setup\n\n" + "".join(f"- [ ] T{n:03} Write note {n}\n" for n in range(1, count + 1))


def kiro(count: int) -> str:
    items = "".join(f"  - [ ] 1.{n} Check note {n}\n    - By hand\n" for n in range(1, count + 1))
    return f"# Implementation Plan\n\n- [ ] 1. Check\n{items}"


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LandingSwarm]:
    with landing_swarm(tmp_path) as swarm:
        swarm.settings |= {"SWARM_SYNC": "commit", "SWARM_CRASH_BACKOFF_S": "0"}
        yield swarm


def tasks_of(swarm: LandingSwarm, path: str, plan: str, *, run: str = "echo done > {id}.txt") -> list[TaskSpec]:
    """A task for each item without subitems."""
    plan_format, keyed = ("spec-kit", keyed_spec_kit) if path == SPEC_KIT else ("kiro", keyed_numbered)
    leaves = [(key, item) for key, item in keyed(read_markdown(plan).walk()) if not item.children]
    found = []
    for number, (key, _) in enumerate(leaves, 1):
        task_id = f"{plan_format}-{number:02}"
        source = Source(format=plan_format, path=path, key=key, tick=True)
        found.append(swarm.task(task_id, run.format(id=task_id), source=source))
    return found


def at(swarm: LandingSwarm, commit: str, path: str) -> list[str]:
    return swarm.git("show", f"{commit}:{path}").splitlines()


def ticked(lines: list[str]) -> set[str]:
    return {line.strip().removeprefix("- [x] ") for line in lines if "- [x]" in line}


EACH = 20


def test_twenty_tasks_of_two_plans_are_ticked_as_they_land_while_the_user_edits_both(swarm: LandingSwarm) -> None:
    swarm.commit({SPEC_KIT: spec_kit(EACH), KIRO: kiro(EACH)})
    notes, checks = tasks_of(swarm, SPEC_KIT, spec_kit(EACH)), tasks_of(swarm, KIRO, kiro(EACH))
    tasks = [task for pair in zip(notes, checks, strict=True) for task in pair]
    swarm.add(*tasks)
    for number in range(1, 5):
        swarm.worker(f"worker-{number}")
    edits = (5, 10, 15)
    for number in edits:
        wanted = 2 * number
        wait_until(lambda least=wanted: completed(swarm) >= least, swarm.logs, ALL_S)  # type: ignore[misc]
        text = (swarm.project / SPEC_KIT).read_text()
        other = (swarm.project / KIRO).read_text()
        text = text.replace(
            f"T{number:03} Write note {number}\n", f"T{number:03} Write note {number}\n  - Edit {number}\n"
        )
        other = other.replace(f"Check note {number}\n    - By hand", f"Check note {number}\n    - By hand, twice")
        swarm.commit({SPEC_KIT: text, KIRO: other})
    for task in tasks:
        swarm.wait_for(task.id, Status.COMPLETED, s=ALL_S)
    swarm.add(swarm.task("last", "echo last > last.txt"))  # merges the last edit
    swarm.wait_for("last", Status.COMPLETED)
    landed, checked = at(swarm, INTEGRATION, SPEC_KIT), at(swarm, INTEGRATION, KIRO)
    assert ticked(landed) == {f"T{n:03} Write note {n}" for n in range(1, EACH + 1)}
    assert ticked(checked) == {"1. Check"} | {f"1.{n} Check note {n}" for n in range(1, EACH + 1)}
    assert [line for line in landed if "Edit" in line] == [f"  - Edit {n}" for n in edits]
    assert sum("twice" in line for line in checked) == len(edits)
    assert "paused" not in swarm.db.swarm.flags()
    assert every_tick_lands_with_its_work(swarm) >= len(tasks)


def completed(swarm: LandingSwarm) -> int:
    return int(swarm.db.connection.value("SELECT count(*) FROM tasks WHERE status = 'completed'"))


def every_tick_lands_with_its_work(swarm: LandingSwarm) -> int:
    """Commit by commit: a box is ticked exactly if the file of its task exists; returns how many commits landed one."""
    log = swarm.git("log", "--first-parent", "-m", "--reverse", "--name-only", "--format=%x00%H", INTEGRATION)
    commits = [part.split() for part in log.split("\0")[1:]]
    plans = _all_at(swarm, [commit for commit, *_ in commits])
    names: set[str] = set()
    with_work = 0
    for commit, *changed in commits:
        names.update(changed)
        with_work += any(name.startswith(("spec-kit-", "kiro-")) for name in changed)
        for path, prefix, words in ((SPEC_KIT, "spec-kit", "Write note"), (KIRO, "kiro", "Check note")):
            lines = plans[commit, path]
            boxes = {int(each.rpartition(" ")[2]) for each in ticked(lines) if words in each}
            landed = {int(name[len(prefix) + 1 :][:2]) for name in names if name.startswith(f"{prefix}-")}
            assert boxes == landed, (commit, path)
    return with_work


def _all_at(swarm: LandingSwarm, commits: list[str]) -> dict[tuple[str, str], list[str]]:
    """The lines of both plans at each commit; none where a plan does not exist. One git for all of them."""
    wanted = [(commit, path) for commit in commits for path in (SPEC_KIT, KIRO)]
    asked = "".join(f"{commit}:{path}\n" for commit, path in wanted).encode()
    show = ["git", "-C", str(swarm.project), "cat-file", "--batch"]
    output = subprocess.run(show, input=asked, capture_output=True, check=True).stdout
    found = {}
    for key in wanted:
        head, _, output = output.partition(b"\n")
        size = 0 if head.endswith(b" missing") else int(head.split()[2]) + 1
        found[key] = output[:size].decode().splitlines()
        output = output[size:]
    return found


@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_a_worker_killed_while_it_lands_leaves_no_ticked_box_without_its_work(swarm: LandingSwarm, moment: str) -> None:
    swarm.commit({SPEC_KIT: spec_kit(2), KIRO: kiro(1)})
    tasks = tasks_of(swarm, SPEC_KIT, spec_kit(2))
    swarm.add(*tasks)
    done = swarm.kill_at(LAND, moment)
    first = swarm.worker()
    wait_until(lambda: first.poll() is not None, swarm.logs)
    assert done.exists()
    swarm.reaper()
    swarm.worker("worker-2")
    for task in tasks:
        swarm.wait_for(task.id, Status.COMPLETED, s=ALL_S)
    assert len(ticked(at(swarm, INTEGRATION, SPEC_KIT))) == 2
    assert every_tick_lands_with_its_work(swarm) == 2


def test_a_missing_item_is_reported_and_nothing_else_changes(swarm: LandingSwarm) -> None:
    swarm.commit({SPEC_KIT: spec_kit(2)})
    tasks = tasks_of(swarm, SPEC_KIT, spec_kit(2))
    without = spec_kit(2).replace("- [ ] T001 Write note 1\n", "")
    swarm.commit({SPEC_KIT: without})
    swarm.add(tasks[0])
    swarm.worker()
    swarm.wait_for(tasks[0].id, Status.COMPLETED)
    assert at(swarm, INTEGRATION, SPEC_KIT) == without.splitlines()
    events = swarm.db.events.of_task(swarm.db.tasks.get(tasks[0].id)["seq"])
    assert [e["message"] for e in events if e["event_type"] == "not_ticked"] == [
        f"the item T001 is no longer in {SPEC_KIT}"
    ]


def reordered(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join([*lines[:4], *reversed(lines[4:])])


EDITS = {
    "moves items": reordered,
    "removes an item": lambda text: re.sub(r"- \[.\] T001 .*\n", "", text),
    "saves it with Windows line ends": lambda text: text.replace("\n", "\r\n"),
    "saves it without a line end": lambda text: text.rstrip("\n"),
    "rewrites it around the items": lambda text: (
        "---\nowner: ann\n---\n" + text.replace("Setup", "Start") + "\nNotes\n"
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_ticks_and_edits_of_one_file_both_stay_when_the_user(swarm: LandingSwarm, edit: str) -> None:
    swarm.commit({SPEC_KIT: spec_kit(4)})
    tasks = tasks_of(swarm, SPEC_KIT, spec_kit(4))
    swarm.add(*tasks[:2])
    swarm.worker()
    for task in tasks[:2]:
        swarm.wait_for(task.id, Status.COMPLETED, s=ALL_S)
    edited = EDITS[edit](spec_kit(4))  # of a checkout that has not seen the ticks
    (swarm.project / SPEC_KIT).write_bytes(edited.encode())
    swarm.git("commit", "-qam", edit)
    swarm.add(*tasks[2:])
    for task in tasks[2:]:
        swarm.wait_for(task.id, Status.COMPLETED, s=ALL_S)
    show = ["git", "-C", str(swarm.project), "show", f"{INTEGRATION}:{SPEC_KIT}"]
    assert subprocess.check_output(show).decode() == edited.replace("[ ] T", "[x] T")


def test_a_plan_that_the_user_renames_is_ticked_at_its_new_path(swarm: LandingSwarm) -> None:
    swarm.commit({SPEC_KIT: spec_kit(3)})
    tasks = tasks_of(swarm, SPEC_KIT, spec_kit(3))
    swarm.add(tasks[0])
    swarm.worker()
    swarm.wait_for(tasks[0].id, Status.COMPLETED, s=ALL_S)
    (swarm.project / "specs/001-journal").mkdir()
    swarm.git("mv", SPEC_KIT, "specs/001-journal/tasks.md")
    swarm.git("commit", "-qm", "Rename the plan")
    swarm.add(*tasks[1:])
    for task in tasks[1:]:
        swarm.wait_for(task.id, Status.COMPLETED, s=ALL_S)
    assert len(ticked(at(swarm, INTEGRATION, "specs/001-journal/tasks.md"))) == 3
    assert not swarm.git("ls-tree", INTEGRATION, "--", SPEC_KIT)


def test_a_task_without_changes_is_ticked_in_a_separate_commit(swarm: LandingSwarm) -> None:
    swarm.commit({SPEC_KIT: spec_kit(1)})
    (task,) = tasks_of(swarm, SPEC_KIT, spec_kit(1), run="true")
    swarm.add(TaskSpec(id=task.id, name=task.name, run="true", source=task.source, allow_empty=True))
    swarm.worker()
    swarm.wait_for(task.id, Status.COMPLETED)
    assert ticked(at(swarm, INTEGRATION, SPEC_KIT)) == {"T001 Write note 1"}


def test_without_the_setting_a_plan_is_unchanged(swarm: LandingSwarm) -> None:
    swarm.settings["SWARM_SYNC"] = "off"
    swarm.commit({SPEC_KIT: spec_kit(1)})
    (task,) = tasks_of(swarm, SPEC_KIT, spec_kit(1))
    swarm.add(task)
    swarm.worker()
    swarm.wait_for(task.id, Status.COMPLETED)
    assert at(swarm, INTEGRATION, SPEC_KIT) == spec_kit(1).splitlines()
