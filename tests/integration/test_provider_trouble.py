"""A small run through throttle, wrong key, plan window and outage on two routes; the large one is in tests/trouble."""

from __future__ import annotations

from pathlib import Path

from trouble import stand_ins
from trouble.phases import FIRST, SECOND, Phase, What
from trouble.timeline import draw

BOTH = (FIRST, SECOND)
PHASES = (
    Phase(what=What.THROTTLE, begins_s=2, ends_s=4, accounts=(FIRST,)),
    Phase(what=What.BAD_KEY, begins_s=8, ends_s=10, accounts=(FIRST,)),
    Phase(what=What.WINDOW, begins_s=12, ends_s=14, accounts=(FIRST,)),
    Phase(what=What.OUTAGE, begins_s=15, ends_s=16, accounts=BOTH),
)


def test_a_run_on_two_routes_survives_every_fault_of_a_provider(tmp_path: Path) -> None:
    run = stand_ins.run(tmp_path / "run", tasks=75, workers=3, session_s=0.8, phases=PHASES, limit_s=120, at_once=1)
    assert run.problems() == []
    assert {hold.kind for hold in run.holds} == {"throttled", "credentials", "window", "overloaded"}
    assert {bar.route for bar in run.bars} == set(BOTH)
    assert draw([("with routes", run, PHASES)]).count("<rect") > run.tasks
