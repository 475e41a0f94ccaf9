"""An agent that works on files while it does to its repository whatever agents do, in random order.

Run as `python careless_agent.py SEED RECORDS`, in the folder that the swarm gives it. Every line that it adds is unique
and begins with its task's id. At its end it writes RECORDS/<task>.<attempt>.json: the lines of its own that its folder
holds, by file, every line that it took out of a file on purpose, and what it did. Its first attempt may end in any
state; a later one resolves conflicts, adds one line, and commits.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ACTS_PER_SESSION = (3, 8)
DID: list[str] = []  # for a reader of a failure
MARKERS = ("<<<<<<< ", "=======", ">>>>>>> ")


class CarelessAgent:
    """What one session does, in the current folder."""

    def __init__(self, seed: str, task: str, attempt: str) -> None:
        self.task = task
        self.attempt = attempt
        self.random = random.Random(f"{seed} {task} {attempt}")
        self.removed: list[str] = []
        self._count = 0
        self._emptied = False

    def run(self) -> None:
        self.add_lines()
        for _ in range(self.random.randint(*ACTS_PER_SESSION)):
            self.act(self.random.choice(self.acts()))
        if self.random.random() < 0.1:
            self.act(self.random.choice([self.empty_folder, self.remove_worktree]))
        elif self.random.random() < 0.7:
            self.act(self.add_lines)

    def finish(self) -> None:
        """A second attempt: merge what has landed, keep both sides of every conflict, add a line, commit."""
        git("merge", "-q", "-m", "merge", "swarm/integration")
        for name in git("diff", "--name-only", "--diff-filter=U").splitlines():
            if Path(name).is_dir():
                landed = git("rev-parse", f"swarm/integration:{name}").strip()
                git("-C", name, "merge", "-q", "-m", "merge", landed)
            else:
                self.write(name, [line for line in lines_of(name) if not line.startswith(MARKERS)])
        self.add_lines()
        self.commit()

    def acts(self) -> list[Callable[[], object]]:
        """What may happen next. Work is the most frequent; what only some agents do is last."""
        return [
            *([self.add_lines, self.insert_shared, self.commit] * 3),
            self.remove_shared,
            self.amend,
            self.new_branch,
            lambda: git(
                "checkout", "-q", "--detach", self.random.choice(["HEAD", "HEAD~1", "v1", "swarm/integration"])
            ),
            lambda: git("checkout", "-q", "-b", self.name("topic"), "feature"),
            lambda: git("checkout", "-q", "--orphan", self.name("fresh")),
            lambda: git("reset", "-q", self.random.choice(["--soft", "--mixed", "--hard"]), "HEAD~1"),
            lambda: git("rebase", "-q", self.random.choice(["v1", "swarm/integration", "HEAD~1"])),
            lambda: [git("bisect", "start"), git("bisect", "bad"), git("bisect", "good", "v1")],
            lambda: git("clean", "-q", "-ffdx"),
            lambda: git("stash", "push", "-q"),
            lambda: [git("stash", "push", "-q", "-u"), git("stash", "pop", "-q")],
            lambda: git("worktree", "add", "-q", "--detach", f"extra-{self.task}"),
            lambda: git("worktree", "prune"),
            lambda: git("gc", "-q"),
            lambda: git("config", "core.bare", "true"),
            self.hide_edit,
            self.change_modes,
            self.edit_submodule,
        ]

    def act(self, what: Callable[[], object]) -> None:
        try:
            what()
        except OSError:
            pass  # a folder without permission, a file that another commit lacks: normal here

    def add_lines(self) -> None:
        name = f"own/{self.task}-{self.random.randint(1, 2)}.txt"
        Path("own").mkdir(exist_ok=True)
        self.write(name, [*lines_of(name), self.line()])

    def insert_shared(self) -> None:
        name = self.shared()
        lines = lines_of(name)
        lines.insert(self.random.randint(0, len(lines)), self.line())
        self.write(name, lines)

    def remove_shared(self) -> None:
        name = self.shared()
        lines = lines_of(name)
        if lines:
            self.removed.append(lines.pop(self.random.randrange(len(lines))))
            self.write(name, lines)

    def commit(self) -> None:
        git("add", "-A")
        git("commit", "-q", "-m", f"{self.task} {self.attempt}")

    def amend(self) -> None:
        git("add", "-A")
        git("commit", "-q", "--amend", "-m", f"{self.task} amended")

    def new_branch(self) -> None:
        git("switch", "-q", "-c", self.name("branch"))

    def hide_edit(self) -> None:
        git("update-index", self.random.choice(["--skip-worktree", "--assume-unchanged"]), self.shared())
        self.insert_shared()

    def change_modes(self) -> None:
        Path(self.shared()).chmod(0o755)
        Path("own").chmod(0o555)

    def edit_submodule(self) -> None:
        git("-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init")
        name = f"vendor/lib/{self.task}.txt"
        if Path("vendor/lib/.git").exists():
            self.write(name, [*lines_of(name), self.line()])

    def empty_folder(self) -> None:
        self._emptied = True
        subprocess.run("chmod -R u+w .; rm -rf ./* ./.[a-z]*", shell=True, check=False)

    def remove_worktree(self) -> None:
        self._emptied = True
        git("worktree", "remove", "--force", os.getcwd())

    def record(self, folder: Path) -> None:
        """Record what this session has left."""
        own: dict[str, list[str]] = {}
        for path in (
            [] if self._emptied else [*Path("own").glob("*"), *Path("shared").glob("*"), *Path("vendor").rglob("*.txt")]
        ):
            if found := [line for line in lines_of(str(path)) if line.startswith(f"{self.task}/")]:
                own[str(path)] = found
        record = {"own": own, "removed": self.removed, "did": DID}
        (folder / f"{self.task}.{self.attempt}.json").write_text(json.dumps(record))

    def shared(self) -> str:
        return f"shared/{self.random.randint(1, 4)}.txt"

    def line(self) -> str:
        self._count += 1
        return f"{self.task}/{self.attempt}/{self._count}"

    def name(self, kind: str) -> str:
        return f"{kind}-{self.task}-{self.random.randrange(10**6)}"

    def write(self, name: str, lines: list[str]) -> None:
        Path(name).write_text("".join(f"{line}\n" for line in lines))
        DID.append(f"write {name}")


def lines_of(name: str) -> list[str]:
    try:
        return Path(name).read_text().splitlines()
    except OSError:
        return []


def git(*arguments: str) -> str:
    """The output of git; a careless agent does not check its exit code."""
    ended = subprocess.run(
        ["git", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    DID.append(f"git {' '.join(arguments)} -> {ended.returncode}")
    return ended.stdout


def main() -> None:
    seed, records = sys.argv[1:]
    agent = CarelessAgent(seed, os.environ["AMPLIFIER_SWARM_TASK_ID"], os.environ["AMPLIFIER_SWARM_ATTEMPT_NUMBER"])
    if agent.attempt == "1":
        agent.run()
    else:
        agent.finish()
    agent.record(Path(records))


if __name__ == "__main__":
    main()
