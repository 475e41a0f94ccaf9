"""Output of real sessions with pieces missing, doubled or out of order passes only with its complete final answer."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from transcripts import RECORDED_MS, all_names, transcript

from swarm_shared.agents.reading.session_result import read_session

PASSED = [
    name
    for name in all_names()
    if read_session((one := transcript(name)).cli, one.role, one.end, RECORDED_MS).failure is None
]
FAILED = [name for name in all_names() if name not in PASSED and "prose" not in name]


def final_answer(stdout: str) -> str:
    """The answer object as it is spelled inside the event that carries it."""
    start = stdout.rindex('{\\n  \\"status\\"' if '{\\n  \\"status\\"' in stdout else '{\\n  \\"verdict\\"')
    text, _ = json.JSONDecoder().raw_decode('"' + stdout[start:])
    return json.dumps(text[: text.rindex("}") + 1], ensure_ascii=False)[1:-1]


@st.composite
def mutilated(draw: st.DrawFn, names: list[str]) -> tuple[str, str]:
    """A transcript's name and its standard output with some pieces removed, truncated, doubled and moved."""
    name = draw(st.sampled_from(names))
    lines = transcript(name).end.stdout.splitlines(keepends=True)
    for _ in range(draw(st.integers(1, 4))):
        if not lines:
            break
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["remove", "cut_end", "cut_start", "cut_break", "double", "move", "stop", "begin"])):
            case "remove":
                del lines[at]
            case "cut_end":
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))] + "\n"
            case "cut_start":
                lines[at] = lines[at][draw(st.integers(0, len(lines[at]))) :]
            case "cut_break":
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
            case "double":
                lines.insert(at, lines[at])
            case "move":
                lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(at))
            case "stop":
                lines = lines[:at]
            case "begin":
                lines = lines[at:]
    return name, "".join(lines)


@settings(deadline=None)  # a busy machine is no failure
@given(mutilated(PASSED))
def test_a_mutilated_session_passes_only_with_its_complete_final_answer(damaged: tuple[str, str]) -> None:
    name, stdout = damaged
    one = transcript(name)
    for code in (0, 143):
        reading = read_session(one.cli, one.role, replace(one.end, stdout=stdout, exit_code=code), RECORDED_MS)
        if reading.failure is None:
            assert code == 0
            assert final_answer(one.end.stdout) in stdout


@settings(deadline=None)  # a busy machine is no failure
@given(mutilated(FAILED))
def test_a_failed_session_never_passes_because_pieces_are_missing(damaged: tuple[str, str]) -> None:
    name, stdout = damaged
    one = transcript(name)
    for code in (one.end.exit_code or 0, 0):
        end = replace(one.end, stdout=stdout, exit_code=code, signal=None)
        assert read_session(one.cli, one.role, end, RECORDED_MS).failure is not None


def test_every_cli_has_a_transcript_that_passes() -> None:
    assert {transcript(name).cli.name for name in PASSED} == {
        "claude", "codex", "copilot", "gemini", "opencode", "pi", "qwen",
    }  # fmt: skip
