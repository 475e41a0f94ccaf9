"""Finds the line of a program's output that states what went wrong, if there is one."""

from __future__ import annotations

import re

from swarm_shared.program.terminal_text import without_colours

LOOKED_AT_LINES = 200
MOST_CHARS = 300
# pytest marks such lines with an E, make and npm begin them with their own names.
_START = r"^(?:E\s{2,}|\S{1,80}:\s+)?"
# An exception with its message. The last one counts: earlier ones are its causes.
_EXCEPTION = re.compile(
    r"^(?:E\s{2,}|Uncaught\s+|Exception in thread \S+ )?(?P<name>(?:[A-Za-z_]\w*[.:]{1,2})*[A-Z]\w*(?:Error|Exception))"
    r"(?: \[\w+\])?: (?P<message>.*\S)"
)
# What a compiler, a shell or a tool reports. The first one counts: later ones follow from it.
_REPORT = re.compile(
    _START
    + r"(?:.{0,200}?:\d+(?::\d+)?:? |\S+\(\d+,\d+\): )?(?:fatal error|error(?:\[?\s?[A-Z]*\d+\]?)?|fatal|ERROR): .*\S"
    r"|^.{0,200}: (?:command )?not found$"
    r"|^panic: .*\S"
)
# A failed comparison says nothing about its cause without the lines around it.
_SAYS_LITTLE = frozenset({"AssertionError", "SystemExit", "CalledProcessError"})
_EMPTY = re.compile(
    r"^.*(?:error|fatal|ERROR): (?:test failed|.*exit(?:ed)?(?: with)?(?: code| status)? \d+\.?|\d+ .*)$"
)
# What says at least which test failed, or what was expected: pytest's summary and its marked lines, assertions,
# and the words of unittest, Go, Jest and TAP.
_FAILED_TESTS = (
    re.compile(r"^FAILED (?P<said>\S+::.* - .*\S)"),
    re.compile(r"^E\s{2,}(?P<said>.*\S)"),
    re.compile(r"^(?P<said>(?:\w+\.)*Assertion\w*: .*\S)"),
    re.compile(r"^\s*(?:FAILED|FAIL:?|--- FAIL:|not ok \d+(?: -)?) (?P<said>[^\s(].*)"),
)


def error_line(output: str) -> str | None:
    """Such as `ModuleNotFoundError: No module named 'almanac'`; None if no line names its cause by itself."""
    return _named(_last_lines(output))


def _last_lines(output: str) -> list[str]:
    return [line.rstrip() for line in without_colours(output).splitlines()[-LOOKED_AT_LINES:]]


def _named(lines: list[str]) -> str | None:
    for line in reversed(lines):
        found = _EXCEPTION.match(line)
        if found is not None:
            if found["name"].rpartition(".")[2] in _SAYS_LITTLE:
                return None
            return f"{found['name']}: {found['message']}"[:MOST_CHARS]
    for line in lines:
        if _REPORT.match(line) and not _EMPTY.match(line):
            return line.strip()[:MOST_CHARS]
    return None


def headline_of(output: str) -> str | None:
    """The line that says most about a failure: the error, else the first failed test or assertion; None: no such line.

    Only for display: unlike `error_line`, it may name the effect of a fault and not the fault itself.
    """
    lines = _last_lines(output)
    named = _named(lines)
    if named is not None:
        return named
    for pattern in _FAILED_TESTS:
        for line in lines:
            found = pattern.match(line)
            if found is not None:
                return found["said"].strip()[:MOST_CHARS]
    return None
