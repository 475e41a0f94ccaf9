"""`graph`: draw the dependency graph of task files."""

from __future__ import annotations

import click

from amplifier_swarm.command_line.app import App, command
from amplifier_swarm.output.terminal import print_json
from amplifier_swarm.plans.options import PlanOptions, plan_options
from amplifier_swarm.plans.task_files import read_all


@command(
    "graph",
    example="graph tasks.yaml --svg > graph.svg",
    with_db=False,
    short_help="Draw the dependency graph of task files.",
)
@click.argument("files", metavar="PATH...", nargs=-1, required=True)
@plan_options
@click.option("--svg", "form", flag_value="svg", help="As a picture.  [default: off]")
@click.option("--mermaid", "form", flag_value="mermaid", default=True, help="As Mermaid text.  [default: this one]")
@click.option("--json", "form", flag_value="json", help="As one JSON document.  [default: off]")
def graph(app: App, files: tuple[str, ...], plan: PlanOptions, form: str) -> None:
    """Print the dependency graph with its critical path, as Mermaid text, SVG or JSON."""
    from swarm_shared.planning.drawing import as_data, as_mermaid, as_svg
    from swarm_shared.planning.estimate import estimate

    tasks = read_all(files, how=plan.how(app)).tasks
    estimated = estimate(tasks, workers=1)
    if form == "json":
        print_json(as_data(tasks, estimated))
    else:
        click.echo((as_svg if form == "svg" else as_mermaid)(tasks, estimated), nl=False)
