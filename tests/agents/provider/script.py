"""What the model does: it follows the PLAY lines in a task's description.

    PLAY task NAME                 the task; without this line a request is answered by a few words
    PLAY builder write             write done/NAME.N.txt with the CLI's own tool, N counts from 1 (the default)
    PLAY builder run COMMAND       run this command with the CLI's shell tool, then report success
    PLAY builder call TOOL JSON    call a tool whose name ends so, with these arguments, then report what it said
    PLAY builder fail              report that the work has failed
    PLAY builder prose             end with a sentence instead of the JSON that was asked for
    PLAY validator pass            read the newest file, then give PASS (the default)
    PLAY validator fail            give FAIL with one critical issue
    PLAY … fault NAME              answer every request of this role with a fault (see faults.py)

A line that ends in `once` applies until the role has given one final answer for the task; then the default does.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.provider.asks import Ask, Schema

_LINE = r"^\s*PLAY {role} (\w+)(?: (.*\S))?\s*$"
_WRITERS = ("Write", "write", "write_file", "create", "create_file")
_SHELLS = ("Bash", "bash", "exec_command", "shell_command", "shell", "run_shell_command")
_READERS = ("Read", "read", "read_file", "view")
_PATHS = ("file_path", "filePath", "path", "absolute_path")
_TEXTS = ("content", "file_text", "text")
_COMMANDS = ("command", "cmd")
# Codex answers for a long command before its end; the model then waits by an empty input.
_RUNS_ON = re.compile(r"running with session ID (\d+)")
# Long commands are the point of some tasks: the CLI's own limits must not end them first.
_WAITS = {"yield_time_ms": 30_000, "timeout_ms": 600_000, "timeout": 600_000}


@dataclass(frozen=True, slots=True)
class Say:
    """A final message."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call; `arguments` is a text for tools that take free text."""

    tool: str
    arguments: Mapping[str, Any] | str


Move = Say | Call


@dataclass(frozen=True, slots=True)
class Part:
    """What a PLAY line says for one role."""

    act: str
    rest: str = ""


def part_of(ask: Ask, answers_before: int) -> Part:
    """The line that applies to this request.

    Args:
        answers_before: Final answers that this role has given for the task so far.
    """
    found = re.search(_LINE.format(role=ask.role), ask.prompt, re.M)
    default = Part("write" if ask.role == "builder" else "pass")
    if found is None:
        return default
    words = (found[2] or "").split(" ")
    if words[-1] == "once":
        return Part(found[1], " ".join(words[:-1])) if answers_before == 0 else default
    return Part(found[1], found[2] or "")


def move_for(ask: Ask, part: Part, answers_before: int) -> Move:
    """What the model does next: first one tool call, then the final message."""
    if ask.wanted is not None:
        return Say(json.dumps(_filled(ask.wanted)))
    if ask.task is None or not ask.tools:
        return Say("A short title")
    number = answers_before + 1
    if not ask.results:
        if ask.role == "validator":
            return _read(ask, f"done/{ask.task}.1.txt")
        if part.act == "run":
            return _run(ask, part.rest)
        if part.act == "call":
            return _call(ask, *part.rest.split(" ", 1))
        return _write(ask, f"done/{ask.task}.{number}.txt", f"{ask.task}, answer {number}, {time.time_ns()}")
    if (still_runs := _RUNS_ON.search(ask.results[-1])) and "write_stdin" in ask.tools:
        return Call(
            "write_stdin", _filled(ask.tools["write_stdin"], {"session_id": int(still_runs[1]), "chars": "", **_WAITS})
        )
    return Say(_final(ask, part, ask.results[-1][:200]))


def _final(ask: Ask, part: Part, last_result: str) -> str:
    if part.act == "prose":
        return "Everything is done and all of it works."
    failed = part.act == "fail"
    if ask.role == "validator":
        verdict = {
            "verdict": "FAIL" if failed else "PASS",
            "confidence": 0.9,
            "critical_issues": [f"done/{ask.task}.1.txt: the script objects"] if failed else [],
            "test_quality_score": 7,
            "recommendations": [],
            "summary": f"Played by the script. The tool said: {last_result}",
        }
        return json.dumps(verdict, indent=2)
    report = {
        "status": "failed" if failed else "success",
        "files_created": [],
        "files_modified": [],
        "tests_written": [],
        "tests_passed": not failed,
        "implementation_notes": f"Played by the script. The tool said: {last_result}",
        "blockers": ["the script says so"] if failed else [],
    }
    return json.dumps(report, indent=2)


def _write(ask: Ask, path: str, text: str) -> Call:
    for name in _WRITERS:
        if name in ask.tools:
            values = dict.fromkeys(_PATHS, f"{ask.root}/{path}") | dict.fromkeys(_TEXTS, text + "\n")
            return Call(name, _filled(ask.tools[name], {**values, "command": "create"}))
    if "apply_patch" in ask.tools:
        patch = f"*** Begin Patch\n*** Add File: {path}\n+{text}\n*** End Patch\n"
        schema = ask.tools["apply_patch"]
        free = not schema.get("properties")
        return Call("apply_patch", patch if free else _filled(schema, dict.fromkeys(schema["properties"], patch)))
    return _run(ask, f"mkdir -p done && echo '{text}' > {path}")


def _call(ask: Ask, tool: str, arguments: str) -> Move:
    name = next((each for each in ask.tools if each.endswith(tool)), None)
    return Say(f"no tool {tool}") if name is None else Call(name, json.loads(arguments))


def _read(ask: Ask, path: str) -> Call:
    for name in _READERS:
        if name in ask.tools:
            return Call(name, _filled(ask.tools[name], dict.fromkeys(_PATHS, f"{ask.root}/{path}")))
    return _run(ask, f"cat {path}")


def _run(ask: Ask, command: str) -> Call:
    for name in _SHELLS:
        if name in ask.tools:
            schema = ask.tools[name]
            asked = _type_of(schema.get("properties", {}).get("command"))
            value = ["bash", "-c", command] if asked == "array" else command
            return Call(name, _filled(schema, dict.fromkeys(_COMMANDS, value) | _WAITS))
    raise LookupError(f"no shell among the tools of this CLI: {', '.join(sorted(ask.tools))}")


def _filled(schema: Schema, known: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Arguments by a schema: what is known, and a harmless value for whatever else it requires."""
    properties: Mapping[str, Any] = schema.get("properties") or {}
    values = {name: value for name, value in (known or {}).items() if name in properties}
    for name in schema.get("required") or ():
        if name not in values:
            values[name] = _harmless(properties.get(name) or {})
    return values


def _harmless(schema: Schema) -> Any:
    if schema.get("enum"):
        return schema["enum"][0]
    return {"number": 1, "integer": 1, "boolean": False, "array": [], "object": {}}.get(_type_of(schema), "x")


def _type_of(schema: Schema | None) -> str:
    return str((schema or {}).get("type", "")).lower()  # Gemini's schemas shout
