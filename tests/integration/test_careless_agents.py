"""Four workers whose agents do at random what agents do to a repository: no work is lost, reverted or exchanged.

The judge is what each agent recorded at its end and what git shows, not the swarm's database. More seeds than the
suite's: SEEDS=1-50 pytest tests/integration/test_careless_agents.py
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import careless_agent
import pytest
from landing_harness import INTEGRATION, LandingSwarm, landing_swarm
from live_swarm import wait_until
from repositories import everything

from swarm_shared.domain.models import Status

pytestmark = pytest.mark.integration

TASKS = 20
WORKERS = 4
ENDED = {Status.COMPLETED, Status.FAILED, Status.HELD}
DEADLINE_S = 120.0
STASHED = "On main: precious"
ALLOW = ("-c", "protocol.file.allow=always")


def seeds() -> list[str]:
    first, _, last = os.environ.get("SEEDS", "1-2").partition("-")
    return [str(seed) for seed in range(int(first), int(last or first) + 1)]


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LandingSwarm]:
    with landing_swarm(tmp_path) as swarm:
        swarm.commit({f"shared/{n}.txt": "".join(f"base/{n}/{k}\n" for k in range(40)) for n in range(1, 5)})
        lib = tmp_path / "lib"
        swarm.git("init", "-q", "-b", "main", str(lib))
        swarm.commit({"lib.txt": "1\n"}, cwd=lib)
        swarm.git(*ALLOW, "submodule", "--quiet", "add", str(lib), "vendor/lib")
        swarm.git("commit", "-q", "-m", "lib")
        swarm.git("tag", "v1")
        swarm.git("branch", "feature")
        swarm.commit({"later.txt": "base/later\n"})
        swarm.git("worktree", "add", "-q", "-b", "mine", str(tmp_path / "mine"), "feature")
        swarm.commit({"mine.txt": "mine\n"}, cwd=tmp_path / "mine")
        # Everything that a user may have in a repository.
        (swarm.project / "a.txt").write_text("stashed\n")
        swarm.git("stash", "push", "-q", "-m", "precious")
        (swarm.project / "a.txt").write_text("edited\n")
        (swarm.project / "staged.txt").write_text("staged\n")
        swarm.git("add", "staged.txt")
        (swarm.project / "untracked.txt").write_text("untracked\n")
        (tmp_path / "mine" / "untracked.txt").write_text("untracked\n")
        yield swarm


class Judge:
    """What must be where, from the records of the sessions that landed."""

    def __init__(self, swarm: LandingSwarm, records: Path) -> None:
        self.swarm = swarm
        self.completed = [f"t{n}" for n in range(TASKS) if swarm.status(f"t{n}") is Status.COMPLETED]
        self._all = [json.loads(path.read_text()) for path in records.glob("*.json")]
        self._records = records

    def last(self, task: str) -> dict[str, Any]:
        numbers = [int(path.suffixes[-2][1:]) for path in self._records.glob(f"{task}.*.json")]
        record: dict[str, Any] = json.loads((self._records / f"{task}.{max(numbers)}.json").read_text())
        return record

    def landed(self, name: str) -> list[str]:
        """The lines of a file on the integration branch, also of one within the submodule."""
        if (inside := re.fullmatch(r"vendor/lib/(.+)", name)) is not None:
            commit = self.swarm.git("rev-parse", f"{INTEGRATION}:vendor/lib")
            module = self.swarm.project / ".git" / "modules" / "vendor" / "lib"
            listed = self.swarm.git("ls-tree", "-r", "--name-only", commit, cwd=module).splitlines()
            return (
                self.swarm.git("show", f"{commit}:{inside[1]}", cwd=module).splitlines() if inside[1] in listed else []
            )
        return self.swarm.landed(name).splitlines() if name in self.names(INTEGRATION) else []

    def missing(self) -> list[str]:
        """Lines that a completed task left, that no agent removed again, and that are not on the branch."""
        removed = {line for record in self._all for line in record["removed"]}
        found = []
        for task in self.completed:
            for name, lines in self.last(task)["own"].items():
                found += [f"{name}: {line}" for line in lines if line not in removed and line not in self.landed(name)]
        return found

    def reverted(self) -> list[str]:
        """Lines of the project that no agent removed and that the branch lacks."""
        removed = {line for record in self._all for line in record["removed"]}
        base = {name: self.swarm.git("show", f"main:{name}").splitlines() for name in self.names("main")}
        return [
            f"{name}: {line}"
            for name, lines in base.items()
            for line in lines
            if line not in removed and line not in self.landed(name)
        ]

    def invented(self) -> list[str]:
        """Lines on the branch of tasks that are not completed."""
        return [
            f"{name}: {line}"
            for name in self.names(INTEGRATION)
            for line in self.landed(name)
            if re.match(r"t\d+/", line) and line.partition("/")[0] not in self.completed
        ]

    def names(self, commit: str) -> list[str]:
        listed = self.swarm.git("ls-tree", "-r", "--format=%(objecttype) %(path)", commit).splitlines()
        return [line.removeprefix("blob ") for line in listed if line.startswith("blob ")]


def possessions(swarm: LandingSwarm) -> dict[str, object]:
    """What belongs to the user: files, indexes, stash, settings, branches and tags."""
    checkouts = (swarm.project, swarm.folder / "mine")
    # An agent may pack the repository's refs and shorten its logs; git itself is asked for their contents.
    files = {name: seen for at in checkouts for name, seen in everything(at).items() if "/.git/" not in name}
    git = {
        (at, *question): swarm.git(*question, cwd=at).splitlines()
        for at in checkouts
        for question in (("symbolic-ref", "HEAD"), ("ls-files", "--stage"))
    }
    # A pop by one agent can drop a stash restored for another: then a ref of ours still has it.
    kept = swarm.git("for-each-ref", "--format=%(subject)", "refs/swarm/kept").splitlines()
    stashed = STASHED in [*swarm.git("stash", "list", "--format=%s").splitlines(), *kept]
    settings = sorted(swarm.git("config", "--local", "--list").splitlines())
    refs = swarm.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags").splitlines()
    own = [ref for ref in refs if not re.match(r"refs/heads/(swarm/|(branch|topic|fresh)-t\d+-)", ref)]
    return {"files": files, "git": git, "stashed": stashed, "settings": settings, "refs": own}


@pytest.mark.parametrize("seed", seeds())
def test_nothing_is_lost_reverted_or_exchanged(swarm: LandingSwarm, seed: str) -> None:
    records = swarm.folder / "records"
    records.mkdir()
    before = possessions(swarm)
    command = f"{sys.executable} -I {careless_agent.__file__} {seed} {records}"
    swarm.add(*(swarm.task(f"t{n}", command, max_retries=4) for n in range(TASKS)))
    for n in range(WORKERS):
        swarm.worker(f"worker-{n + 1}")
    wait_until(lambda: all(swarm.status(f"t{n}") in ENDED for n in range(TASKS)), swarm.logs, DEADLINE_S)
    judge = Judge(swarm, records)
    assert judge.missing() == []
    assert judge.reverted() == []
    assert judge.invented() == []
    assert possessions(swarm) == before
    assert len(judge.completed) >= TASKS / 2, "too few tasks landed for the test to be meaningful"
    swarm.git("fsck", "--no-dangling", "--strict")
