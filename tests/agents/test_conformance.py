"""The most used agent CLIs, each in its own swarm against the provider on loopback.

All CLIs, all faults and an ordinary user: `make agents`. These are the ones whose failure would be noticed last:
errors of a preset about a CLI that no test with a stand-in can find.
"""

from __future__ import annotations

import pytest

from agents import cases, mcp_case
from agents.clis import BY_NAME
from agents.harness import User, harness
from agents.install import Installed, RegistryUnreachable, install
from agents.provider import Fault

CLIS = ("claude", "codex", "gemini", "opencode")
# One of each kind of hold, and the task's own; the CLIs do not repeat these for long.
FAULTS = (Fault.UNAUTHORIZED, Fault.QUOTA, Fault.RATE_LIMIT, Fault.SERVER_ERROR, Fault.TOO_LONG)

pytestmark = pytest.mark.agents


@pytest.fixture(scope="session")
def clis() -> Installed:
    try:
        return install()
    except RegistryUnreachable as problem:
        pytest.skip(str(problem))


@pytest.mark.parametrize("name", mcp_case.CLIENTS)
@pytest.mark.parametrize("case", [mcp_case.mcp, cases.plan_from], ids=["mcp", "plan-from"])
def test_a_real_cli_works_outside_the_swarm(clis: Installed, name: str, case: cases.Case) -> None:
    with harness(BY_NAME[name], clis, User.me()) as swarm:
        broken = [f"{found.promise}: {found.seen}" for found in case(swarm) if not found.kept]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("name", CLIS)
@pytest.mark.parametrize("case", [cases.loop, cases.faults(*FAULTS), cases.stops], ids=["loop", "faults", "stops"])
def test_a_real_cli_keeps_its_promises(clis: Installed, name: str, case: cases.Case) -> None:
    with harness(BY_NAME[name], clis, User.me()) as swarm:
        broken = [f"{found.promise}: {found.seen}" for found in case(swarm) if not found.kept]
    assert not broken, "\n".join(broken)


def test_a_real_cli_with_a_sandbox_of_its_own_works_when_it_is_confined(clis: Installed) -> None:
    with harness(BY_NAME["codex"], clis, User.me()) as swarm:
        broken = [f"{found.promise}: {found.seen}" for found in cases.confined(swarm) if not found.kept]
    assert not broken, "\n".join(broken)
