"""The database is the file that was opened: deleted, moved or replaced in use, everything stops and nothing is lost."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from live_swarm import LiveSwarm, live_swarm, wait_until
from start_harness import Harness, harness, task, until

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Status

pytestmark = pytest.mark.integration


@pytest.fixture
def at() -> Iterator[Harness]:
    with harness() as made:
        made.folder.joinpath("home").mkdir()
        yield made


def cli(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "amplifier_swarm", *words], cwd=folder, capture_output=True, text=True, timeout=60
    )


def reaper_has_started(db: Path) -> bool:
    with TaskDatabase(db, create=False) as database:
        return "reaper" in database.swarm.services()


def delete(db: Path) -> None:
    db.unlink()


def delete_all(db: Path) -> None:
    for each in db.parent.glob("tasks.db*"):
        while each.is_dir():  # a program may write into it while it is removed
            shutil.rmtree(each, ignore_errors=True)
        each.unlink(missing_ok=True)


def replace(db: Path) -> None:
    with TaskDatabase(db.with_name("other.db")) as other:
        other.connection.checkpoint(truncate=True)
    os.replace(db.with_name("other.db"), db)


def rename(db: Path) -> None:
    db.rename(db.with_name("other.db"))


LOSSES: list[Callable[[Path], None]] = [delete, delete_all, replace, rename]


def rescued(text: str) -> Path:
    found = re.search(r"/\S+\.rescued-\d+", text)
    assert found is not None, text
    return Path(found[0])


@pytest.mark.parametrize("lose", LOSSES)
def test_a_run_that_loses_its_database_stops_and_rescues_the_contents(
    at: Harness, lose: Callable[[Path], None]
) -> None:
    wait = until(at.folder, "go")
    at.add(task("first", priority=1), task("long", f"touch {at.marker('begun')}; {wait}"), task("last"))
    run = at.start("--workers", "1")
    at.wait_marker("begun")
    lose(at.db)
    assert at.wait_end(run) == 4, at.everything()
    assert "while it was in use; everything was stopped, and its contents are in" in at.notices
    assert "all done" not in at.output + at.notices
    with TaskDatabase(rescued(at.notices), create=False) as copy:
        found = {name: copy.tasks.get(name) for name in ("first", "long", "last")}
        assert {name: each["status"] for name, each in found.items()} == {
            "first": Status.COMPLETED,
            "long": Status.NOT_STARTED,
            "last": Status.NOT_STARTED,
        }
        [attempt] = copy.tasks.attempts(found["long"]["seq"])
        assert attempt["failure_class"] == "interrupted"
        assert copy.swarm.flags() == {}
        assert copy.health.damage() == []
    assert at.alive() == {}


def test_losing_the_file_with_the_last_task_is_not_a_success(at: Harness) -> None:
    at.add(task("a", f"rm {at.db}"))
    assert at.run() == 4, at.everything()
    assert "all done" not in at.output
    with TaskDatabase(rescued(at.notices), create=False) as copy:
        assert copy.tasks.get("a")["status"] == Status.COMPLETED


@pytest.mark.parametrize("first", ["tasks.db", "second.db"])
def test_no_run_starts_on_a_database_with_two_names_and_none_joins_a_running_one(at: Harness, first: str) -> None:
    at.add(task("a", f"touch {at.marker('begun')}; {until(at.folder, 'go')}"))
    names = [at.folder / first, at.folder / ("second.db" if first == "tasks.db" else "tasks.db")]
    if first == "second.db":
        at.db.rename(names[0])
    at.db = names[0]
    run = at.start()
    at.wait_marker("begun")
    at.wait_for("the reaper", lambda: reaper_has_started(at.db))  # later, it would be refused as well
    os.link(*names)
    at.db = names[1]
    assert at.run() == 4, at.everything()
    assert "has 2 names (hard links)" in at.notices
    for words in (["status"], ["retry", "a"]):
        assert cli(at.folder, *words, "--db", str(names[1])).returncode == 4
    names[1].unlink()
    at.marker("go").touch()
    assert at.wait_end(run) == 0, "the run itself continues"


def test_a_clean_up_of_the_checkout_leaves_a_copy_outside_it(at: Harness) -> None:
    checkout = at.folder / "checkout"
    checkout.mkdir()
    subprocess.run(["git", "init", "-q", str(checkout)], check=True)
    at.db.rename(checkout / "tasks.db")
    at.db = checkout / "tasks.db"
    at.add(task("first"))
    assert at.run("--project-root", str(checkout), "--isolation", "none") == 0, at.everything()
    assert f"where `git clean -fdx` would delete it; a safer place: amplifier-swarm backup {at.folder}" in at.notices
    status = subprocess.run(["git", "status", "--porcelain"], cwd=checkout, capture_output=True, check=True)
    assert status.stdout == b""
    at.add(task("a", f"git -C {checkout} clean -qfdx; sleep 100"), task("b"))
    assert at.run("--project-root", str(checkout), "--isolation", "none") == 4, at.everything()
    assert "a safer place" not in at.notices, "one copy is enough"
    file = rescued(at.notices)
    assert file.parent == at.folder
    with TaskDatabase(file, create=False) as copy:
        assert {copy.tasks.get(name)["status"] for name in "ab"} == {Status.NOT_STARTED}


def test_a_folder_that_was_moved_away_is_not_created_again(at: Harness) -> None:
    folder = at.folder / "here"
    folder.mkdir()
    at.db.rename(folder / "tasks.db")
    at.db = folder / "tasks.db"
    at.add(task("long", f"touch {at.marker('begun')}; sleep 100"))
    run = at.start()
    at.wait_marker("begun")
    folder.rename(at.folder / "there")
    assert at.wait_end(run) == 4, at.everything()
    assert f"was moved to {at.folder}/there/tasks.db" in at.notices
    assert rescued(at.notices).parent == at.folder
    assert not folder.exists()


def test_tasks_are_not_imported_into_a_new_file_while_a_swarm_has_lost_its_own(at: Harness) -> None:
    at.add(task("long", f"touch {at.marker('begun')}; sleep 100"))
    run = at.start()
    at.wait_marker("begun")
    # Nothing checks or acts meanwhile.
    at.freeze("orchestrator", "swarm-reaper", "swarm_reaper")
    at.db.rename(at.folder / "other.db")
    (at.folder / "more.yaml").write_text("tasks: [{id: b, name: b, run: 'true'}]")
    done = cli(at.folder, "import-tasks", "more.yaml")
    assert done.returncode == 6, done.stderr
    assert "tasks.db is missing, but process" in done.stderr
    assert not at.db.exists()
    for pid in at.alive():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    assert at.wait_end(run) == 4, at.everything()
    done = cli(at.folder, "import-tasks", "more.yaml")
    assert done.returncode == 0, done.stderr
    assert f"the contents of an earlier one that was lost are in {rescued(at.notices)}" in done.stderr


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LiveSwarm]:
    with live_swarm(tmp_path) as swarm:
        yield swarm


@pytest.mark.parametrize("lose", LOSSES)
def test_without_a_start_the_reaper_ends_everything_and_rescues_the_contents(
    swarm: LiveSwarm, lose: Callable[[Path], None]
) -> None:
    swarm.add(swarm.scripted("a", script={"builder": [{"hang": True}]}), swarm.scripted("b"))
    worker = swarm.worker("worker-1", "--no-validation")
    swarm.wait_for_agent("a")
    reaper = swarm.reaper()
    wait_until(lambda: "duty_taken" in swarm.logs(), swarm.logs)
    lose(swarm.path)
    assert reaper.wait(60) == 0
    wait_until(lambda: worker.poll() is not None, swarm.logs)
    with TaskDatabase(rescued(swarm.logs()), create=False) as copy:
        assert {copy.tasks.get(name)["status"] for name in "ab"} == {Status.NOT_STARTED}
        assert copy.swarm.flags() == {}
    assert swarm.leftovers() == []


@pytest.mark.parametrize("module", ["swarm_worker", "swarm_reaper", "swarm_dashboard"])
def test_no_service_creates_a_database(swarm: LiveSwarm, module: str) -> None:
    swarm.path = swarm.folder / "none.db"
    process = swarm.spawn(module, SWARM_ISOLATION="none", SWARM_PROJECT_ROOT=str(swarm.project))
    assert process.wait(30) == 4
    assert "create it with: amplifier-swarm import-tasks" in swarm.logs()
    assert not swarm.path.exists()
