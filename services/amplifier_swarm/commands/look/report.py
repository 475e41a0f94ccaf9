"""`report`: summarize the results of the queue, for yourself or to send."""

from __future__ import annotations

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.output.output_file import output_file
from amplifier_swarm.output.terminal import notice, print_json, say
from swarm_shared.redaction import redaction


@command(
    "report",
    example="report\nreport --html report.html\nreport --md > report.md",
    short_help="Report results, time, cost and problems.",
)
@click.option("--md", "as_markdown", is_flag=True, help="Markdown with tables, for a pull request or an issue.")
@click.option(
    "--html", "html_file", metavar="FILE", help="One HTML page with pictures; - for standard output.  [default: text]"
)
@json_option
def report(app: App, as_markdown: bool, html_file: str | None, as_json: bool) -> None:
    """Summarize the whole queue: tasks, time, cost, failed attempts and common problems, by phase.

    Without an option the report is abbreviated Markdown. The HTML page is a single file without scripts that can be
    e-mailed, printed, and read on a phone.
    """
    if sum((as_markdown, html_file is not None, as_json)) > 1:
        raise click.UsageError("Choose one of --md, --html and --json.", click.get_current_context())
    with app.open(read_only=True) as database:
        from swarm_shared.reporting.forms import report_now

        found = report_now(database, redaction.of_process())
        name, path = database.path.name, database.path
    if as_json:
        from swarm_shared.reporting.document import document

        print_json(document(found, name))
    elif html_file is not None:
        from swarm_shared.reporting.html import html_page

        with output_file(html_file, database=path) as stream:
            stream.write(html_page(found, name))
        if html_file != "-":
            notice(f"Report written to {html_file}.")
    else:
        from swarm_shared.reporting.markdown import markdown

        say(markdown(found, name).rstrip("\n"))
