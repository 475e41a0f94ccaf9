"""Routes: which one a claim uses, the effects of trouble on one of them, and how it recovers."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from queue_harness import PASSED, QueueHarness, failed

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import FailureClass, TaskSpec
from swarm_shared.domain.routes import Route, Routing
from swarm_shared.domain.trouble import Trouble, TroubleKind
from swarm_shared.store.queue.claims import Claim, SessionReport

PLAN = Route(name="plan", agent_cli="claude", account="a", tier=2)
API = Route(name="api", agent_cli="claude", account="b", tier=2)
CODEX = Route(name="codex", agent_cli="codex", tier=1)
JUDGE = Route(name="judge", agent_cli="gemini")
SPARE_JUDGE = Route(name="spare-judge", agent_cli="qwen")


def harness_with(
    folder: Path, *builder: Route, validator: tuple[Route, ...] = (), allow_lower: bool = False
) -> QueueHarness:
    harness = QueueHarness(folder, routing=Routing(builder=builder, validator=validator, allow_lower=allow_lower))
    harness.add(*(f"t{n:02}" for n in range(60)))
    return harness


def trouble(kind: TroubleKind = TroubleKind.WINDOW, wait_s: float | None = 60.0, on: Route | None = None) -> Trouble:
    return Trouble(kind=kind, text=f"{kind} happened", wait_s=wait_s)


def stop(
    harness: QueueHarness, claim: Claim, kind: TroubleKind = TroubleKind.WINDOW, *, on: Route | None = None
) -> None:
    harness.settle(claim, failed(FailureClass.PROVIDER, trouble=trouble(kind), trouble_on=on))


def route_of(claim: Claim | None) -> str | None:
    return None if claim is None or claim.routes is None else claim.routes.builder.name


def start_many(harness: QueueHarness, number: int) -> list[Claim]:
    return [harness.start(f"worker-{n}") for n in range(number)]


def count_startable(harness: QueueHarness) -> int:
    """How many attempts the route accepts at once, as starts are spaced out."""
    for number in range(100):
        harness.clock.pass_s(5)
        if harness.claim(f"worker-{number}") is None:
            return number
    raise AssertionError("no end of claims")


def test_without_routes_a_task_uses_the_route_of_its_agent_cli(tmp_path: Path) -> None:
    harness = QueueHarness(tmp_path)
    harness.add("plain", TaskSpec(id="own", name="own", agent_cli="codex"))
    claims = [harness.start("worker-1"), harness.start("worker-2")]
    assert [(route_of(c), c.agent_cli) for c in claims] == [("command", "command"), ("codex", "codex")]


@pytest.mark.parametrize("kind", [k for k in TroubleKind if k is not TroubleKind.STARTUP])
def test_the_next_route_takes_over_at_the_next_attempt_and_costs_no_retry(tmp_path: Path, kind: TroubleKind) -> None:
    harness = harness_with(tmp_path, PLAN, API)
    claim = harness.start()
    assert route_of(claim) == "plan"
    stop(harness, claim, kind)
    assert route_of(again := harness.start()) == "api"
    assert again.task_id == claim.task_id
    assert harness.task(claim.task_id)["failures"] == 0
    assert [hold.route for hold in harness.db.swarm.holds()] == ["plan"]


def test_a_lower_tier_is_used_only_if_that_is_allowed(tmp_path: Path) -> None:
    for allowed, expected in ((False, None), (True, "codex")):
        folder = tmp_path / str(allowed)
        folder.mkdir()
        harness = harness_with(folder, PLAN, CODEX, allow_lower=allowed)
        stop(harness, harness.start())
        assert route_of(harness.claim()) == expected


def test_a_task_with_its_own_agent_cli_uses_only_the_routes_of_that_cli(tmp_path: Path) -> None:
    harness = QueueHarness(tmp_path, routing=Routing(builder=(PLAN, API, CODEX), validator=(JUDGE,)))
    harness.add(*(TaskSpec(id=f"c{n}", name="c", agent_cli="codex") for n in range(2)))
    claim = harness.start()
    assert claim.routes is not None
    assert [route.name for route in (claim.routes.builder, claim.routes.validator)] == ["codex", "codex"]
    stop(harness, claim)
    assert harness.claim() is None


def test_the_first_route_is_tried_again_by_one_attempt_as_soon_as_its_hold_ends(tmp_path: Path) -> None:
    harness = harness_with(tmp_path, PLAN, API)
    running = start_many(harness, 3)
    stop(harness, running[0])
    for claim in running[1:]:
        harness.settle(claim, PASSED)
    harness.clock.pass_s(61)
    assert route_of(harness.start("worker-0")) == "plan"
    harness.clock.pass_s(5)
    assert route_of(harness.start("worker-5")) == "api"


def test_only_the_canary_reopens_the_route(tmp_path: Path) -> None:
    harness = harness_with(tmp_path, PLAN, API)
    first, older = start_many(harness, 2)
    stop(harness, first)
    harness.settle(older, PASSED)  # it began before the hold
    assert route_of(harness.start("worker-1")) == "api"
    harness.clock.pass_s(61)
    canary = harness.start("worker-2")
    harness.clock.pass_s(5)
    harness.settle(canary, PASSED)
    assert harness.db.swarm.holds() == []


def test_trouble_of_the_validator_holds_its_route_and_the_next_route_judges(tmp_path: Path) -> None:
    harness = harness_with(tmp_path, PLAN, validator=(JUDGE, SPARE_JUDGE))
    stop(harness, harness.start(), on=JUDGE)
    (hold,) = harness.db.swarm.holds()
    assert (hold.route, hold.agent_cli) == ("judge", "gemini")
    claim = harness.start()
    assert claim.routes is not None
    assert claim.routes.names == ("plan", "spare-judge")


def test_nothing_is_built_if_no_route_can_judge_it(tmp_path: Path) -> None:
    harness = harness_with(tmp_path, PLAN, validator=(JUDGE,))
    stop(harness, harness.start(), on=JUDGE)
    assert harness.claim() is None


def test_a_throttle_halves_the_concurrency_and_successes_restore_it_one_by_one(tmp_path: Path) -> None:
    harness = harness_with(tmp_path, PLAN)
    running = start_many(harness, 8)
    stop(harness, running[0], TroubleKind.THROTTLED)
    for claim in running[1:]:
        harness.settle(claim, PASSED)
    harness.clock.pass_s(61)
    canary = harness.start("worker-0")
    harness.clock.pass_s(5)
    harness.settle(canary, PASSED)
    counts = []
    for _ in range(6):
        harness.clock.pass_s(5)
        begun = []
        while (claim := harness.claim(f"worker-{len(begun)}")) is not None:
            begun.append(claim)
            harness.clock.pass_s(2)
        counts.append(len(begun))
        for claim in begun:
            harness.settle(claim, PASSED)
        if counts[-1] >= 8:
            break
    assert counts[0] == 4
    assert counts == sorted(counts)
    assert all(later - earlier <= 2 for earlier, later in pairwise(counts) if later < 8)


@pytest.mark.parametrize("kind", [TroubleKind.THROTTLED, TroubleKind.OVERLOADED])
def test_a_long_outage_halves_the_concurrency_only_once(tmp_path: Path, kind: TroubleKind) -> None:
    harness = harness_with(tmp_path, PLAN)
    running = start_many(harness, 8)
    stop(harness, running[0], kind)
    for claim in running[1:]:
        harness.settle(claim, PASSED)
    for _ in range(5):  # each canary finds the provider still closed
        harness.clock.pass_s(61)
        canary = harness.start("worker-0")
        assert harness.claim("worker-1") is None
        stop(harness, canary, kind)
    harness.clock.pass_s(61)
    canary = harness.start("worker-0")
    harness.clock.pass_s(5)
    harness.settle(canary, PASSED)
    assert count_startable(harness) == 4


def test_a_throttle_after_the_canary_halves_the_concurrency_again(tmp_path: Path) -> None:
    harness = harness_with(tmp_path, PLAN)
    running = start_many(harness, 8)
    stop(harness, running[0], TroubleKind.THROTTLED)
    for claim in running[1:]:
        harness.settle(claim, PASSED)
    harness.clock.pass_s(61)
    canary = harness.start("worker-0")
    harness.clock.pass_s(5)
    harness.settle(canary, PASSED)
    harness.clock.pass_s(5)
    stop(harness, harness.start("worker-0"), TroubleKind.THROTTLED)
    harness.clock.pass_s(61)
    canary = harness.start("worker-0")
    harness.clock.pass_s(5)
    harness.settle(canary, PASSED)
    assert count_startable(harness) == 2


def test_starts_on_a_route_that_recovers_are_spread_out(tmp_path: Path) -> None:
    harness = harness_with(tmp_path, PLAN, API)
    running = start_many(harness, 8)
    stop(harness, running[0], TroubleKind.THROTTLED)
    for claim in running[1:]:
        harness.settle(claim, PASSED)
    harness.clock.pass_s(61)
    canary = harness.start("worker-0")
    harness.clock.pass_s(5)
    harness.settle(canary, PASSED)
    assert route_of(harness.claim("worker-0")) == "plan"
    assert harness.claim("worker-1") is None  # a moment does not justify another route
    due = harness.db.queue.ms_to_next_due()
    assert due is not None
    harness.clock.pass_s(due / 1000)
    assert route_of(harness.claim("worker-1")) == "plan"


def test_workers_that_wait_for_a_canary_do_not_poll_constantly(tmp_path: Path) -> None:
    harness = harness_with(tmp_path, PLAN)
    stop(harness, harness.start())
    harness.clock.pass_s(61)
    harness.start("worker-0")
    assert harness.claim("worker-1") is None
    harness.clock.pass_s(2)
    assert harness.db.queue.ms_to_next_due() is None


def test_every_attempt_and_session_records_its_route(tmp_path: Path) -> None:
    harness = harness_with(tmp_path, PLAN, validator=(JUDGE,))
    claim = harness.start()
    rows = harness.db.connection.rows("SELECT route, validator_route, agent_cli FROM attempts")
    assert rows == [("plan", "judge", "claude")]
    assert [session["route"] for session in harness.db.tasks.sessions(claim.attempt)] == ["plan"]


def test_a_users_resume_clears_holds_and_limits(tmp_path: Path) -> None:
    harness = harness_with(tmp_path, PLAN)
    stop(harness, harness.start(), TroubleKind.THROTTLED)
    harness.db.swarm.resume(actor="test")
    assert [route_of(claim) for claim in start_many(harness, 4)] == ["plan"] * 4


def test_an_attempt_begun_before_a_users_resume_causes_no_hold(tmp_path: Path) -> None:
    harness = harness_with(tmp_path, PLAN)
    first, second = start_many(harness, 2)
    stop(harness, first, TroubleKind.CREDENTIALS)
    harness.clock.pass_s(60)  # the user corrects the key
    harness.db.swarm.resume(actor="test")
    stop(harness, second, TroubleKind.CREDENTIALS)
    assert harness.db.swarm.holds() == []
    harness.clock.pass_s(1)
    stop(harness, harness.start(), TroubleKind.CREDENTIALS)
    assert [hold.route for hold in harness.db.swarm.holds()] == ["plan"]


def report(harness: QueueHarness, claim: Claim, *, usd: float | None = None, tokens: int | None = None) -> None:
    session = harness.db.connection.value("SELECT max(id) FROM sessions WHERE attempt = ?", (claim.attempt,))
    harness.db.queue.report_session(session, SessionReport(cost_usd=usd, tokens=tokens))


def test_usage_that_the_sessions_of_a_route_report_is_added_up(tmp_path: Path) -> None:
    harness = harness_with(tmp_path, PLAN, API, validator=(JUDGE,))
    harness.db.routes.note(harness.routing)
    first, second = start_many(harness, 2)
    report(harness, first, usd=0.5, tokens=100)
    report(harness, first, usd=0.75, tokens=150)  # a resumed session
    report(harness, second, tokens=50)
    assert [(state.name, state.usd, state.tokens) for state in harness.db.routes.now()] == [
        ("plan", 0.75, 200),
        ("api", None, None),
        ("judge", None, None),
    ]


def test_the_costs_of_routes_are_known_in_a_file_from_before_they_were_added_up(tmp_path: Path) -> None:
    harness = harness_with(tmp_path, PLAN)
    harness.db.routes.note(harness.routing)
    report(harness, harness.start(), usd=0.5)
    with harness.db.connection.transaction():
        harness.db.connection.script("DROP TRIGGER session_paid; DROP TABLE route_spend; PRAGMA user_version = 10;")
        harness.db.connection.script(
            "DROP TRIGGER request_text_done; DROP TABLE request_texts; DROP TABLE gate_passes;"
        )
        harness.db.connection.script("ALTER TABLE workers RENAME COLUMN reason TO remark;")
        for column in ("runner", "run_name", "engine", "run_gone_at"):
            harness.db.connection.script(f"ALTER TABLE sessions DROP COLUMN {column};")
        for table in ("workers", "services", "imports", "outbox"):
            harness.db.connection.script(f"ALTER TABLE {table} DROP COLUMN host_id;")
    harness.db.close()
    with TaskDatabase(harness.path, clock=harness.clock) as upgraded:
        [plan] = upgraded.routes.now()
    assert (plan.usd, plan.tokens) == (0.5, None)
