"""A repository with an integration branch, on which tests of the git layer land work."""

from __future__ import annotations

from pathlib import Path

from repositories import Harness

from swarm_shared.database import TaskDatabase
from swarm_shared.git.landing.following import Integration
from swarm_shared.git.landing.prune import prune
from swarm_shared.git.snapshots.snapshot import take_snapshot


class Run(Harness):
    """A harness with an integration branch."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.integration = Integration(repository=self.repo)
        self.integration.begin(self.base)

    def work(self, safe: str, files: dict[str, str]) -> str:
        tree = self.open(safe, self.integration.tip())
        self.write(files, at=tree.cwd)
        return take_snapshot(tree.checkout, safe=safe, base_sha=tree.base_sha, message="work").head_sha

    def land(self, safe: str, files: dict[str, str]) -> str:
        head, tip = self.work(safe, files), self.integration.tip()
        assert tip is not None
        merge = self.integration.plan_landing(head, tip=tip, task_id=safe, attempt_id="u", name="n")
        assert merge.new is not None
        self.integration.advance(merge.new, old=tip)
        return merge.new

    def prune(self, **how: object) -> dict[str, str | None]:
        found = prune(self.trees, self.integration, **{"busy": (), **how})  # type: ignore[arg-type]
        return {one.safe: one.kept_because for one in found}


def adopt(database: TaskDatabase, run: Run) -> None:
    """Let a queue land on the branch of this repository, having begun from main."""
    tip = run.integration.tip()
    assert tip is not None
    database.landings.adopt(
        repository=str(run.repo.common_dir), ref=run.integration.ref, person_ref="refs/heads/main", tip=tip
    )
