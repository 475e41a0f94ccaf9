"""`plan-from`: let an agent write a task file from a goal."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from amplifier_swarm.authoring.editor import edit_file
from amplifier_swarm.command_line.app import App, command
from amplifier_swarm.output.terminal import is_terminal, notice, say
from swarm_shared.domain.errors import ConfigError, InputError

STDIN = "-"
MAX_GOAL_BYTES = 64 * 1024


@command(
    "plan-from",
    example="plan-from GOAL.md --output tasks.yaml",
    short_help="Let an agent write a task file for a goal.",
)
@click.argument("goal", metavar="GOAL")
@click.option("--output", metavar="FILE", default="tasks.yaml", show_default=True, help="The file to write.")
@click.option("--agent-cli", metavar="NAME", help="The agent CLI that plans.  [default: the swarm's]")
def plan_from(app: App, goal: str, output: str, agent_cli: str | None) -> None:
    """Write a task file for the goal in GOAL, a text file; - is standard input.

    A builder session writes it and a validator session reviews it, in a clone of the project. The result is checked,
    and opened in your editor if there is a terminal. Nothing is imported until you confirm.
    """
    from amplifier_swarm.authoring.planner import Planner
    from swarm_shared.agents.launching.environment import inherited
    from swarm_shared.agents.presets.catalog import choose, load_presets
    from swarm_shared.git.worktrees.isolation import decide

    if os.path.lexists(output):
        raise InputError(f"{output} exists already", hint="choose another file with --output")
    text = _goal(goal)
    settings = app.settings()
    repository = decide(settings).repository
    if repository is None:
        raise ConfigError(
            "the project is not a git repository with a commit, so an agent cannot plan in a clone of it",
            hint="run this in your project, or set SWARM_PROJECT_ROOT",
        )
    presets = load_presets(settings.agent_clis)
    planner = Planner(
        cli=choose(presets, agent_cli or settings.agent_cli),
        builder=settings.builder_agent,
        validator=settings.validator_agent if settings.validation else None,
        base=inherited(os.environ, presets),
        clock=app.clock,
        timeout_s=settings.builder_timeout_s,
    )
    written = planner.write(text, repository, report=notice)
    with open(output, "xb") as file:
        file.write(written.text)
    if written.verdict is not None:
        say(f"validator: {written.verdict}")
    for issue in written.issues:
        notice(f"- {issue}")
    say(f"written: {output}")
    if not is_terminal(sys.stdin):
        notice(f"next: amplifier-swarm plan {output}, then amplifier-swarm import-tasks {output}")
        return
    edit_file(Path(output))
    context = click.get_current_context()
    _run(context, "validate", output)
    if click.confirm("Import these tasks?", default=False, err=True):
        _run(context, "import-tasks", output)
    else:
        notice(f"nothing was imported; later: amplifier-swarm import-tasks {output}")


def _run(context: click.Context, name: str, file: str) -> None:
    """Run another command of this program, as if you had typed it next."""
    group = context.find_root().command
    assert isinstance(group, click.Group)
    found = group.get_command(context, name)
    assert found is not None
    with found.make_context(name, [file], parent=context.parent) as own:
        found.invoke(own)


def _goal(name: str) -> str:
    try:
        text = sys.stdin.buffer.read(MAX_GOAL_BYTES + 1) if name == STDIN else Path(name).read_bytes()
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror}", hint="Check the path of the goal.") from error
    if not text.strip() or len(text) > MAX_GOAL_BYTES:
        raise InputError(f"{name}: a goal is a text of at most {MAX_GOAL_BYTES // 1024} KiB")
    return text.decode("utf-8", "replace")
