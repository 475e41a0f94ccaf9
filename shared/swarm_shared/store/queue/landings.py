"""The landing queue in the database: whose turn it is, the known integration branch, and the point of no return."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection

from msgspec import Struct

from swarm_shared.domain.branch_names import branch_of, safe_id
from swarm_shared.domain.clock import iso
from swarm_shared.domain.errors import LeaseLost
from swarm_shared.domain.models import Status
from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.queue.claims import Claim, Claimant, new_attempt_id
from swarm_shared.store.sql import SQL
from swarm_shared.store.swarm.swarm import PAUSED

LANDING_LATE_MS = 10 * 60 * 1000  # passed and not landed for longer: worth a look
GATE_PASS_LASTS_MS = 24 * 60 * 60 * 1000
TURN_MS = 15 * 60 * 1000  # how long other landings wait for one that lost a race, from its next claim on


class ApprovedWork(Struct, frozen=True, kw_only=True):
    """Work that waits to be landed; `built_by` is the attempt that made the commit `head_sha`."""

    task: int
    task_id: str
    name: str
    built_by: str
    head_sha: str


class LandingClaim(Struct, frozen=True, kw_only=True):
    """A task whose work is to be landed, given to one worker alone.

    Args:
        claim: As for building; its attempt is of the kind that lands.
        name: The task's name, for the commit.
        built_by: The attempt that made the commit.
        base_sha, head_sha: From where to where its work goes.
        given_tip: The landed work that its last attempt was given to build on; None: stored by an older version.
        landing_commit: What an earlier lander, who died, was about to put on the branch.
    """

    claim: Claim
    name: str
    built_by: str
    base_sha: str
    head_sha: str
    given_tip: str | None
    landing_commit: str | None

    @property
    def work(self) -> ApprovedWork:
        """What is to be landed."""
        claim = self.claim
        return ApprovedWork(
            task=claim.task, task_id=claim.task_id, name=self.name, built_by=self.built_by, head_sha=self.head_sha
        )


class IntegrationRow(Struct, frozen=True, kw_only=True):
    """The integration branch as the swarm knows it.

    Args:
        tip: What the swarm wrote last.
        next_tip: What it was about to write.
        accepting: The user has fixed what stopped the queue: one unexpected tip is accepted.
    """

    repository: str
    ref: str
    person_ref: str | None
    tip: str
    next_tip: str | None
    accepting: bool

    @property
    def person_branch(self) -> str | None:
        """The branch that the swarm began from; None: from none."""
        return None if self.person_ref is None else branch_of(self.person_ref)


class TurnWait(Struct, frozen=True, kw_only=True):
    """A landing that waits for another task's turn: the other task, a path that both change, until when (ms)."""

    holder: str
    path: str
    until_at: int


class NamedTask(Struct, frozen=True, kw_only=True):
    """A task that has, or had, a worktree."""

    safe: str
    task_id: str
    status: Status
    landing_commit: str | None


class Landings(DataAccess):
    """The operations of the worker that lands on the integration branch."""

    def claim(self, claimant: Claimant) -> LandingClaim | None:
        """Give the task whose turn it is to this worker alone; None when nothing may be landed now.

        Raises:
            DatabaseBusy: The write lock stayed taken beyond the busy timeout.
        """
        if not self.anything_to_land():
            return None
        with self._db.transaction(durable=False):
            if self._db.row(SQL["may_claim"], {"run": claimant.run, "mono": self._clock.mono_ms()}) is None:
                return None
            return self._claim(claimant)

    def anything_to_land(self) -> bool:
        """A cheap look that takes no lock."""
        return self._db.row(SQL["anything_to_land"]) is not None

    def _claim(self, claimant: Claimant) -> LandingClaim | None:
        wall = self._clock.wall_ms()
        attempt = new_attempt_id(wall)
        values = {"attempt": attempt, "worker_id": claimant.worker_id, "run": claimant.run, "wall": wall}
        values["turn_ms"] = TURN_MS
        row = self._db.row(SQL["claim_landing"], values)
        if row is None:
            return None
        task, task_id, name, token, landing_commit = row
        values |= {"task": task, "token": token, "mono": self._clock.mono_ms()}
        self._db.change(SQL["open_landing"], values)
        self._db.change(SQL["occupy_worker"], values)
        built = self._db.dicts(SQL["last_attempt"], {"task": task})[0]
        claim = Claim(
            task=task,
            task_id=task_id,
            attempt=attempt,
            number=built["number"],
            token=token,
            agent_cli="",
            note=None,
            run=claimant.run,
            worker_id=claimant.worker_id,
            claimed_at=wall,
            landing=True,
        )
        return LandingClaim(
            claim=claim,
            name=name,
            built_by=built["id"],
            base_sha=built["base_sha"],
            head_sha=built["head_sha"],
            given_tip=built["given_tip"],
            landing_commit=landing_commit,
        )

    def next_to_land(self, limit: int) -> list[ApprovedWork]:
        """What would be claimed next, in this order, if nothing changes."""
        values = {"wall": self._clock.wall_ms(), "turn_ms": TURN_MS, "limit": limit}
        return [
            ApprovedWork(task=task, task_id=task_id, name=name, built_by=attempt, head_sha=head)
            for task, task_id, name, attempt, head in self._db.rows(SQL["next_to_land"], values)
        ]

    def note_gate_passes(self, trees: Collection[str], *, gate: str, tasks: Collection[str]) -> None:
        """Record that merged results need no further run of the gate.

        Args:
            trees: Git's ids of their files.
            gate: Identifies what was run.
            tasks: Those whose work was tested together.
        """
        wall = self._clock.wall_ms()
        with self._db.transaction():
            self._db.change(SQL["forget_gate_passes"], {"before": wall - GATE_PASS_LASTS_MS})
            for tree in trees:
                values = {"tree": tree, "gate": gate, "tasks": json.dumps([*tasks]), "wall": wall}
                self._db.change(SQL["note_gate_pass"], values)

    def gate_pass(self, tree: str, *, gate: str) -> tuple[str, ...] | None:
        """The tasks that were tested together when these files passed this gate; None if they did not."""
        found = self._db.value(SQL["gate_pass"], {"tree": tree, "gate": gate})
        return None if found is None else tuple(json.loads(found))

    def note_head(self, claim: Claim, *, base_sha: str, head_sha: str, given_tip: str | None = None) -> None:
        """Store the commit that an attempt has made, before anything inspects it.

        Args:
            given_tip: Where the integration branch was when the attempt began.

        Raises:
            LeaseLost: The task has another owner; nothing was written.
        """
        values = {**claim.fence(), "base_sha": base_sha, "head_sha": head_sha, "given_tip": given_tip}
        with self._db.transaction():
            if not self._db.change(SQL["note_head"], values):
                raise LeaseLost(f"task {claim.task_id}: attempt {claim.number} lost its lease")

    def safe_id(self, claim: Claim, *, take: Callable[[str], bool]) -> str:
        """The name of a task's branch and folder; given at its first use, then the same forever.

        One worker at a time may ask.

        Args:
            take: Takes a name in the repository; False when it is taken, for example by an earlier queue.
        """
        known = self._db.value(SQL["safe_id_of"], {"task": claim.task})
        if known is not None:
            return str(known)
        taken: list[str] = []
        while True:
            name = safe_id(claim.task_id, taken)
            if not self.is_named(name) and take(name):
                break
            taken.append(name)
        with self._db.transaction():
            self._db.change(SQL["give_safe_id"], {"task": claim.task, "name": name})
        return name

    def is_named(self, name: str) -> bool:
        """Whether a task has this name, in whatever case."""
        return self.task_named(name) is not None

    def task_named(self, name: str) -> int | None:
        """The task whose branch and folder have this name, in whatever case."""
        row = self._db.row(SQL["task_with_safe_id"], {"name": name})
        return None if row is None else int(row[0])

    def failures(self, claim: Claim) -> int:
        """How often the task's work was refused when it was to be landed, since its last fresh budget."""
        return int(self._db.value(SQL["landing_failures"], {"task": claim.task}) or 0)

    def wait_of(self, task: int) -> TurnWait | None:
        """Whose turn an approved task waits for; None when it waits for none."""
        values = {"task": task, "wall": self._clock.wall_ms(), "turn_ms": TURN_MS}
        row = self._db.row(SQL["waits_for_turn"], values)
        return None if row is None else TurnWait(holder=row[0], path=row[1], until_at=row[2])

    def log_late(self) -> str | None:
        """Log once that the task that has waited longest to land is late, and return its id."""
        before = self._clock.wall_ms() - LANDING_LATE_MS
        if self._db.row(SQL["late_to_land"], {"before": before}) is None:
            return None  # looked at first, because it takes no lock
        with self._db.transaction(durable=False):
            row = self._db.row(SQL["late_to_land"], {"before": before})
            if row is None:
                return None
            task, task_id, approved_at = row
            self._event("landing_late", f"passed at {iso(approved_at)} and has not landed", task=task, task_id=task_id)
            return str(task_id)

    def named(self) -> list[NamedTask]:
        """Every task that was ever given a worktree."""
        return [
            NamedTask(safe=safe, task_id=task_id, status=Status(status), landing_commit=commit)
            for safe, task_id, status, commit in self._db.rows(SQL["safe_ids"])
        ]

    def completed_among(self, names: Collection[str]) -> list[str]:
        """Those of some safe ids whose tasks are completed."""
        if not names:
            return []
        return [str(name) for (name,) in self._db.rows(SQL["completed_among"], {"names": json.dumps(sorted(names))})]

    # ───── the integration branch ─────

    def integration(self) -> IntegrationRow | None:
        """What is known of the branch; None before the first worker began."""
        row = self._db.row(SQL["integration"])
        if row is None:
            return None
        repository, ref, person_ref, tip, next_tip, state = row
        return IntegrationRow(
            repository=repository,
            ref=ref,
            person_ref=person_ref,
            tip=tip,
            next_tip=next_tip,
            accepting=state == "accepting",
        )

    def adopt(self, *, repository: str, ref: str, person_ref: str | None, tip: str) -> None:
        """Begin with a branch, unless it is the one that is known already."""
        values = {"repository": repository, "ref": ref, "person_ref": person_ref, "tip": tip}
        with self._db.transaction():
            self._db.change(SQL["adopt_integration"], values)

    def follow(self, person_ref: str | None) -> None:
        """Set the user's branch that is merged in from now on."""
        with self._db.transaction():
            self._db.change(SQL["follow_person"], {"person_ref": person_ref})

    def intend(self, *, new: str, old: str) -> None:
        """Record where the branch is about to move, so that anyone who finds it there knows that we moved it."""
        with self._db.transaction():
            self._db.change(SQL["intend_tip"], {"new": new, "old": old})

    def pass_point_of_no_return(self, claim: Claim, *, new: str, old: str) -> bool:
        """As `intend`, for a task's commit; from here on it cannot be cancelled.

        Returns:
            False when a user's request about it came first; nothing was written.

        Raises:
            LeaseLost: The task has another owner; nothing was written.
        """
        with self._db.transaction():
            values = {**claim.fence(), "commit": new, "wall": self._clock.wall_ms()}
            if self._db.change(SQL["pass_point_of_no_return"], values):
                self._db.change(SQL["intend_tip"], {"new": new, "old": old})
                return True
            if self._db.row(SQL["owns"], claim.fence()) is not None:
                return False
        raise LeaseLost(f"task {claim.task_id}: its landing lost its lease")

    def note_tip(self, tip: str) -> None:
        """Say where the branch is now."""
        with self._db.transaction():
            self._db.change(SQL["note_tip"], {"tip": tip})

    def record_landed(self, landing: LandingClaim, commit: str) -> None:
        """Write into the log that a commit is on the branch."""
        claim = landing.claim
        with self._db.transaction(durable=False):
            self._event(
                "landed",
                f"as {commit[:12]}",
                task=claim.task,
                task_id=claim.task_id,
                attempt=landing.built_by,
                worker_id=claim.worker_id,
                data={"commit": commit, "head_sha": landing.head_sha},
            )

    def plan_items(self, path: str) -> list[tuple[str, str]]:
        """The items of a plan (relative to the project root) that tasks came from, as format and key."""
        return [(str(plan_format), str(key)) for plan_format, key in self._db.rows(SQL["plan_items"], {"path": path})]

    def record_synced(self, landing: LandingClaim, kind: str, message: str) -> None:
        """Record in the log the result for the task's item in its plan."""
        claim = landing.claim
        with self._db.transaction(durable=False):
            self._event(kind, message, task=claim.task, task_id=claim.task_id, worker_id=claim.worker_id)

    def stop_queue(self, reason: str, *, actor: str) -> None:
        """Pause everything for a reason that is no task's fault; only once, however many workers find it.

        The user's `resume` also accepts the integration branch as it is then.
        """
        with self._db.transaction():
            self._db.change(SQL["stop_integration"])
            if any(name == PAUSED for name, *_ in self._db.rows(SQL["flags"])):
                return
            values = {"name": PAUSED, "wall": self._clock.wall_ms(), "actor": actor, "reason": reason}
            self._db.change(SQL["set_flag"], values)
            self._event("paused", f"by {actor}: {reason}", worker_id=actor)
