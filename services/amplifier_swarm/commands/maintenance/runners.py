"""`runners`: show where agents and commands run, and check whether their confinement works on this machine."""

from __future__ import annotations

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.output.terminal import print_json, say, table
from swarm_shared.domain.errors import EXIT_AGENT_CLI
from swarm_shared.runners.choose import grounds_of, runner_of_checks, to_prove
from swarm_shared.runners.proving import prove, proven_of


@command("runners", example="runners\nrunners check", short_help="Show where agents run; test their confinement.")
@click.argument("action", required=False, type=click.Choice(["check"]))
@json_option
def runners(app: App, action: str | None, as_json: bool) -> int:
    """Show the runner of agents and the runner of checks, gate, setup and cleanup commands.

    `check` tests the confinement of the runners in use (of bwrap, if none is) on this machine, with the options in
    swarm.yaml, by trying to break it. Of slurm, which confines nothing, it tests whether a job can do what sessions
    need. The exit code is 3 if a runner does not work here, and 10 if an attempt succeeds.
    """
    settings = app.settings()
    used = {"agents": settings.runner, "checks": runner_of_checks(settings)}
    if action is None:
        if as_json:
            print_json({"runners": used})
        else:
            table(("for", "runner"), list(used.items()))
        return 0
    names = to_prove(settings) or ("bwrap",)
    grounds = grounds_of(settings, None)
    proofs = [(name, proof) for name in names for proof in prove(proven_of(name, settings.runners), grounds)]
    if as_json:
        lines = [{"runner": name, "text": proof.text, "holds": proof.held} for name, proof in proofs]
        print_json({"runner": ", ".join(names), "proofs": lines})
    else:
        for name, proof in proofs:
            say(f"{'ok  ' if proof.held else 'FAIL'} {name}: {proof.text}")
    return 0 if all(proof.held for _, proof in proofs) else EXIT_AGENT_CLI
