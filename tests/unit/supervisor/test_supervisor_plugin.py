"""The parts of the plugin that need no supervisord: settings from the environment, isolation from the suite."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import pytest

import swarm_shared.supervisor.plugin as plugin
from swarm_shared.settings import settings
from swarm_shared.supervisor.plugin import override, process_settings
from swarm_shared.supervisor.plugin.forked_children import ENDING
from swarm_shared.supervisor.plugin.override import parse_workers, render, sections_from

DEADLINE_S = 20


def rendered(**environ: str) -> str:
    def fail(text: str) -> None:
        raise AssertionError(text)

    return render(sections_from(environ, fail))


def complaints(**environ: str) -> list[str]:
    said: list[str] = []
    assert render(sections_from(environ, said.append)) == ""
    return said


def test_an_empty_environment_overrides_nothing() -> None:
    assert rendered() == ""
    assert rendered(SWARM_WORKERS="", SWARM_GRACEFUL_TIMEOUT_S="", SWARM_DASHBOARD="") == ""


@pytest.mark.parametrize(("text", "count"), [("0", 0), ("1", 1), ("256", 256), (" 7 ", 7), ("0005", 5)])
def test_a_number_of_workers_up_to_the_limit_is_accepted(text: str, count: int) -> None:
    assert rendered(SWARM_WORKERS=text) == f"[program:swarm-worker]\nnumprocs={count}\n"


@pytest.mark.parametrize("text", ["257", "-1", "1.5", "many", "9" * 5000, "00003", "³"])
def test_any_other_number_of_workers_is_reported(text: str) -> None:
    assert parse_workers(text) is None
    (complaint,) = complaints(SWARM_WORKERS=text)
    assert complaint.startswith("SWARM_WORKERS=")


def test_every_part_that_limits_the_number_of_workers_has_the_same_limit() -> None:
    assert settings.MAX_WORKERS == override.MAX_WORKERS == parse_workers(str(override.MAX_WORKERS)) == 256
    form = files("swarm_dashboard").joinpath("static", "requests", "scaleform.js").read_text()
    assert f"const MOST_WORKERS = {override.MAX_WORKERS};" in form


def test_the_first_name_of_the_number_of_workers_takes_precedence_over_the_second() -> None:
    assert "numprocs=2" in rendered(SWARM_WORKERS="2", SWARM_MAX_WORKERS="9")
    assert "numprocs=9" in rendered(SWARM_WORKERS="", SWARM_MAX_WORKERS="9")


@pytest.mark.parametrize(("text", "limit_s"), [("300", 330), ("0", 30), ("0.2", 31), ("1e2", 130)])
def test_supervisord_waits_half_a_minute_longer_than_the_graceful_timeout(text: str, limit_s: int) -> None:
    assert rendered(SWARM_GRACEFUL_TIMEOUT_S=text) == f"[program:swarm-worker]\nstopwaitsecs={limit_s}\n"


@pytest.mark.parametrize("text", ["-1", "soon", "inf", "nan", "1e9"])
def test_an_invalid_graceful_timeout_is_reported(text: str) -> None:
    (complaint,) = complaints(SWARM_GRACEFUL_TIMEOUT_S=text)
    assert text in complaint


@pytest.mark.parametrize("word", ["0", "off", "OFF", "false", "no", " No "])
def test_a_word_for_off_keeps_the_dashboard_from_starting(word: str) -> None:
    assert rendered(SWARM_DASHBOARD=word) == "[program:swarm-dashboard]\nautostart=false\n"


@pytest.mark.parametrize("word", ["1", "on", "yes", "true", "8765"])
def test_any_other_word_leaves_the_dashboard_on(word: str) -> None:
    assert rendered(SWARM_DASHBOARD=word) == ""


def test_the_override_is_replaced_as_a_whole_and_removed_when_empty(tmp_path: Path) -> None:
    (tmp_path / "supervisord.d").mkdir()
    options = SimpleNamespace(here=str(tmp_path))
    override.write_override(options, "[one]\n")
    override.write_override(options, "[two]\n")
    assert override.read_override(options) == "[two]\n"
    assert [path.name for path in (tmp_path / "supervisord.d").iterdir()] == ["50-scale.conf"]
    override.write_override(options, "")
    override.write_override(options, "")
    assert override.read_override(options) == ""


def test_an_error_in_an_event_callback_is_logged_and_goes_no_further() -> None:
    said: list[str] = []

    def fail() -> None:
        raise RuntimeError("a bug of ours")

    plugin._guarded(fail, SimpleNamespace(error=said.append))(object())
    assert "a bug of ours" in said[0]


def test_our_programs_come_first_on_the_path_and_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = os.path.dirname(sys.executable)
    for before in (None, "", "/bin", f"/bin:{ours}"):
        if before is None:
            monkeypatch.delenv("PATH", raising=False)
        else:
            monkeypatch.setenv("PATH", before)
        plugin._put_our_programs_on_the_path()
        first = os.environ["PATH"]
        assert first.split(":")[0] == ours
        assert "/bin" in first.split(":")
        plugin._put_our_programs_on_the_path()
        assert os.environ["PATH"] == first


@pytest.mark.parametrize("owner", ["", "abc", "1", "1:", ":1", "-1:2", "../1:2", "0:0"])
def test_an_invalid_owner_ends_nothing(monkeypatch: pytest.MonkeyPatch, owner: str) -> None:
    monkeypatch.setenv(process_settings.OWNER_VARIABLE, owner)
    assert not process_settings.owner_has_gone()


def test_the_plugin_imports_nothing_else_of_the_suite() -> None:
    script = "import sys, swarm_shared.supervisor.plugin; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    ours = {name for name in loaded.split() if name.startswith(("swarm_", "amplifier_swarm"))}
    others = {name for name in ours if not name.startswith("swarm_shared.supervisor.plugin")}
    assert others == {"swarm_shared", "swarm_shared.supervisor"}


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_between_fork_and_exec_ends_the_child(number: signal.Signals) -> None:
    script = f"""
import os, signal
from types import SimpleNamespace
from swarm_shared.supervisor.plugin.forked_children import hear_signals_from_birth
signal.signal({number:d}, lambda *_: None)  # as supervisord's, it only takes a note
options = SimpleNamespace(fork=os.fork)
hear_signals_from_birth(options)
pid = options.fork()
if pid == 0:
    signal.alarm({DEADLINE_S})
    while True:
        signal.pause()
os.kill(pid, {number:d})
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), signal.pthread_sigmask(signal.SIG_BLOCK, ()))
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout == f"-{number:d} set()\n"
