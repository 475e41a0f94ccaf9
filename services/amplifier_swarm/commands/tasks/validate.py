"""`validate`: check task files; nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.output.progress import Bar
from amplifier_swarm.output.terminal import notice, print_json, say
from amplifier_swarm.plans.options import PlanOptions, plan_options
from amplifier_swarm.plans.task_files import read_all
from swarm_shared.domain.errors import InputError
from swarm_shared.sources.together import FilesRefused

if TYPE_CHECKING:
    from swarm_shared.taskfile.problems import Problem


EXIT_INPUT = InputError.exit_code
SAME_ADVICE = 3  # examples of warnings with the same advice


@command("validate", example="validate tasks.yaml --strict", with_db=False, short_help="Check task files.")
@click.argument("files", metavar="PATH...", nargs=-1, required=True)
@plan_options
@click.option("--strict", is_flag=True, help="Fail on warnings too.  [default: off]")
@json_option
def validate(app: App, files: tuple[str, ...], plan: PlanOptions, strict: bool, as_json: bool) -> int:
    """Check task files and plans without a database: report what import-tasks would refuse, and what is probably a
    mistake.
    """
    from swarm_shared.taskfile.lint import lint

    tasks, errors = 0, []
    warnings: list[Problem] = []
    try:
        with Bar(app.clock) as bar:
            bar.phase("reading")
            read = read_all(files, how=plan.how(app), progress=bar.step)
        tasks, warnings = len(read.tasks), list(read.warnings)
        for file, listed in read.by_file.items():
            warnings += lint(listed, file=file)
    except FilesRefused as refused:
        if not as_json:
            raise
        errors = list(refused.problems)
    failed = bool(errors) or (strict and bool(warnings))
    if as_json:
        print_json(
            {
                "valid": not failed,
                "tasks": tasks,
                "errors": [_shown(problem) for problem in errors],
                "warnings": [_shown(problem) for problem in warnings],
            }
        )
        return EXIT_INPUT if failed else 0
    _print_warnings(warnings)
    verdict = f"{len(warnings)} warning{'' if len(warnings) == 1 else 's'}" if warnings else "no warnings"
    say(f"{tasks} task{'' if tasks == 1 else 's'}: {verdict}")
    return EXIT_INPUT if failed else 0


def _print_warnings(warnings: Sequence[Problem]) -> None:
    """A plan that leaves something out everywhere gets the same advice for every task: that is one message."""
    same: dict[str | None, list[Problem]] = {}
    for warning in warnings:
        same.setdefault(warning.advice, []).append(warning)
    for alike in same.values():
        for warning in alike[:SAME_ADVICE]:
            notice(f"warning: {warning}")
        if len(alike) > SAME_ADVICE:
            notice(f"  … and {len(alike) - SAME_ADVICE} more with this advice; --json lists all")


def _shown(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.file,
        "line": problem.line or None,
        "column": problem.column or None,
        "message": problem.message,
        "advice": problem.advice,
    }
