"""The command line as a whole: help, options before and after the command, errors, exit codes, fast startup."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib import import_module

import click
import pytest
from cli_harness import CliHarness, until

from amplifier_swarm.__main__ import COMMANDS, SECTIONS, cli
from amplifier_swarm.command_line import app as app_module
from swarm_shared.domain.models import TaskSpec
from swarm_shared.program.terminal_text import safe

PROMISED = {
    "import-tasks", "validate", "start", "status", "list-tasks", "task-info", "why", "prompt", "logs", "workers",
    "events", "retry", "cancel", "hold", "release", "kill", "approve", "reject", "prioritize", "pause", "resume",
    "scale", "drain", "stop", "ctl", "export-tasks", "reset-orphans", "dashboard", "config", "doctor", "backup",
    "version", "restart-worker", "land", "diff", "worktrees", "failures", "answer",
    "agents", "add", "edit", "plan", "graph", "mcp", "plan-from", "notify", "convert", "report", "costs", "runners",
}  # fmt: skip
READING = {
    "status", "list-tasks", "task-info", "why", "prompt", "logs", "workers", "events", "validate", "config", "doctor",
    "dashboard", "version", "failures", "costs",
}  # fmt: skip
NO_DB = {"validate", "convert", "graph", "export-tasks", "version"}


def options_of(name: str) -> set[str]:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return {flag for parameter in command.params for flag in parameter.opts}


def test_every_promised_command_exists() -> None:
    assert set(COMMANDS) == PROMISED


@pytest.mark.parametrize("name", sorted(PROMISED))
def test_help_of_each_command_shows_an_example_and_its_defaults(harness: CliHarness, name: str) -> None:
    ran = harness.bare(name, "--help")
    assert ran.code == 0
    assert "Example" in ran.out
    assert f"amplifier-swarm {name}" in ran.out
    assert "RANGE" not in ran.out
    assert "<=" not in ran.out
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    for option in command.params:
        # A flag is off unless it is set.
        if isinstance(option, click.Option) and not option.is_flag:
            assert "default" in (option.help or "") or option.show_default, (name, option.opts)


@pytest.mark.parametrize("name", sorted(PROMISED - NO_DB))
def test_each_command_takes_db_and_verbose(name: str) -> None:
    assert {"--db", "-v", "--verbose"} <= options_of(name)


@pytest.mark.parametrize("name", sorted(READING))
def test_each_reading_command_takes_json(name: str) -> None:
    assert "--json" in options_of(name)


def test_db_works_before_and_after_the_command_and_from_the_environment(
    harness: CliHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    for words in (("--db", str(harness.db), "status"), ("status", "--db", str(harness.db)), ("-v", "status", "-v")):
        if "--db" not in words:
            monkeypatch.setenv("SWARM_DB", str(harness.db))
        assert harness.bare(*words, "--json").json["tasks"]["total"]["count"] == 1


def test_an_option_after_the_command_takes_precedence(harness: CliHarness) -> None:
    harness.queue()
    assert harness.bare("--db", "nowhere.db", "status", "--db", str(harness.db)).code == 0


def test_a_missing_database_is_exit_code_4_and_shows_the_next_command(harness: CliHarness) -> None:
    ran = harness.run("status")
    assert ran.code == 4
    assert ran.out == ""
    assert ran.err.splitlines()[0].startswith("error: no database at")
    assert "import-tasks" in ran.err.splitlines()[1]


def test_a_file_of_another_program_is_exit_code_4(harness: CliHarness) -> None:
    harness.db.write_text("no database at all, but long enough to be looked at" * 100)
    assert harness.run("status").code == 4


def test_wrong_settings_are_exit_code_3(harness: CliHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARM_WORKERS", "many")
    assert harness.run("config").code == 3


def test_an_unknown_command_suggests_the_nearest_one(harness: CliHarness) -> None:
    ran = harness.bare("stats")
    assert ran.code == 2
    assert "Did you mean status?" in ran.err


def test_a_bug_is_one_line_and_a_traceback_only_on_request(
    harness: CliHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.queue()

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by \x1b[31mzero")

    monkeypatch.setattr(app_module.App, "open", broken)
    ran = harness.run("status")
    assert ran.code == 1
    assert ran.err.splitlines()[0].startswith("error: unexpected ZeroDivisionError")
    assert "Traceback" not in ran.err
    assert "Traceback" in harness.run("status", "--verbose").err


def test_version_is_quick_and_opens_nothing() -> None:
    code = (
        "import sys; from amplifier_swarm.__main__ import main; code = main(['--version']);"
        "print(code, [m for m in ('apsw', 'yaml', 'rich', 'flask', 'supervisor') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("amplifier-swarm ")
    assert done.stdout.splitlines()[-1] == "0 []"


def test_status_loads_nothing_that_it_does_not_need(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    code = (
        "import sys; from amplifier_swarm.__main__ import main; main(['status', '--db', sys.argv[1]]);"
        "print([m for m in ('rich', 'flask', 'supervisor', 'gunicorn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(harness.db)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_control_c_ends_quietly_with_130(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    process = harness.spawn("events", "-f", "--since", "0")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "")


def test_a_closed_pipe_is_no_error(harness: CliHarness) -> None:
    harness.queue(*(TaskSpec(id=f"task-{n}", name="T" * 200) for n in range(2000)))
    process = harness.spawn("list-tasks", "--limit", "2000")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()
    process.wait(20)
    assert (process.returncode, err) == (141, "")


def test_nothing_is_coloured_without_a_terminal(harness: CliHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    harness.queue(TaskSpec(id="a", name="A"))
    for words in (("status",), ("list-tasks",), ("doctor",), ("config",)):
        assert "\x1b" not in harness.run(*words).out


def on_terminal(harness: CliHarness, *words: str, columns: int, **env: str) -> str:
    """What the command writes to a real terminal of this width."""
    master, slave = os.openpty()
    plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    environment = {**plain, "SWARM_DB": str(harness.db), "COLUMNS": str(columns), "TERM": "xterm", **env}
    process = subprocess.Popen(
        [sys.executable, "-m", "amplifier_swarm", *words], env=environment, stdout=slave, stderr=slave, stdin=slave
    )
    os.close(slave)
    written = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # the last writer has closed it
            break
        if not piece:
            break
        written += piece
    os.close(master)
    until(lambda: process.poll() is not None, "the command has ended")
    return written.decode()


def test_a_narrow_terminal_gets_one_line_per_task(harness: CliHarness) -> None:
    harness.queue(*(TaskSpec(id=f"t{n}", name="a long name " * 10, phase="p" * 40) for n in range(3)))
    lines = [safe(line) for line in on_terminal(harness, "list-tasks", columns=40).splitlines()]
    assert len(lines) == 5
    assert all(len(line) <= 40 for line in lines)
    assert lines[1].startswith("t0 not_started a long name")


def test_a_terminal_gets_colours_unless_they_are_disabled(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    harness.run("hold", "a")
    assert "\x1b[33m" in on_terminal(harness, "list-tasks", columns=80)
    assert "\x1b[33m" not in on_terminal(harness, "list-tasks", columns=80, NO_COLOR="1")
    assert "\x1b" not in on_terminal(harness, "list-tasks", columns=80, TERM="dumb")


def test_shell_completion_knows_commands_and_statuses(harness: CliHarness) -> None:
    def complete(words: str, at: int) -> str:
        env = {**os.environ, "_AMPLIFIER_SWARM_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(at)}
        done = subprocess.run(
            [sys.executable, "-m", "amplifier_swarm"], env=env, capture_output=True, text=True, check=False
        )
        return done.stdout

    assert "import-tasks" in complete("amplifier-swarm imp", 1)
    assert "in_progress" in complete("amplifier-swarm list-tasks --status in", 3)


def test_help_lists_the_commands_by_section(harness: CliHarness) -> None:
    lines = harness.run("--help").out.splitlines()
    headings = [line.removesuffix(":") for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert headings == ["Options", *SECTIONS]
    steer = lines[lines.index("Steer:") + 1 : lines.index("Swarm:")]
    assert [line.split()[0] for line in steer if line] == list(SECTIONS["Steer"])


@pytest.mark.parametrize("name", sorted(PROMISED - NO_DB))
def test_help_lists_a_commands_own_options_before_the_common_ones(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert [each.name for each in command.params][-2:] == ["db", "verbose"]


@pytest.mark.parametrize("name", sorted(PROMISED))
def test_each_command_has_its_own_module_of_the_same_name(name: str) -> None:
    module = import_module(f"amplifier_swarm.commands.{COMMANDS[name]}.{name.replace('-', '_')}")
    assert [each.name for each in vars(module).values() if isinstance(each, click.Command)] == [name]


def test_all_errors_of_the_settings_file_are_reported_together(harness: CliHarness) -> None:
    harness.queue()
    (harness.folder / "swarm.yaml").write_text("max_retries: many\nprioritty: 1\nbuilder_agent: 12\n")
    ran = harness.run("config")
    assert ran.code == 3
    first, *rest = ran.err.splitlines()
    assert first == "error: 3 settings are wrong:"
    assert ["prioritty" in rest[0], "max_retries" in rest[1] or "max_retries" in rest[2]] == [True, True]
    assert "builder_agent = 12 (swarm.yaml) is not text" in ran.err
