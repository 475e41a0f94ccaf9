"""Lists the issues of a repository on GitHub by calling `gh`: `gh:OWNER/REPO?label=bug&state=all`."""

from __future__ import annotations

import re
import subprocess
from urllib.parse import parse_qsl

from swarm_shared.domain.errors import InputError
from swarm_shared.sources.formats.github import FIELDS
from swarm_shared.sources.plans.plan import Place

SCHEME = "gh:"
TIMEOUT_S = 120
MOST_ISSUES = "1000"
FILTERS = ("label", "state", "milestone", "assignee", "author", "search", "limit")

_REPOSITORY = re.compile(r"(?:[A-Za-z0-9.-]+/)?[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")


def is_address(name: str) -> bool:
    return name.startswith(SCHEME)


def fetch_issues(address: str) -> tuple[Place, bytes]:
    """The place and the JSON of the issues.

    Raises:
        InputError: The address is wrong, `gh` is missing, or it fails.
    """
    repository, _, query = address.removeprefix(SCHEME).partition("?")
    filters = parse_qsl(query, keep_blank_values=True)
    unknown = [name for name, _ in filters if name not in FILTERS]
    if not _REPOSITORY.fullmatch(repository) or unknown:
        wrong = f"{unknown[0]!r} is not a filter" if unknown else "this is not the name of a repository"
        raise InputError(f"{address}: {wrong}", hint=f"write gh:OWNER/REPO?label=bug; filters: {', '.join(FILTERS)}")
    options = [f"--{name}={value}" for name, value in filters]
    if "limit" not in dict(filters):
        options.append(f"--limit={MOST_ISSUES}")
    command = ["gh", "issue", "list", f"--repo={repository}", f"--json={','.join(FIELDS)}", *options]
    return Place(file=address, path=f"https://github.com/{repository}"), _run(command, address)


def _run(command: list[str], address: str) -> bytes:
    try:
        ran = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=TIMEOUT_S, check=False)
    except FileNotFoundError as error:
        raise InputError(
            f"{address}: gh is not installed",
            hint="install it, or import a file: gh issue list --json number,title,body,state,labels,url -L 1000",
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(
            f"{address}: gh did not respond: {error}", hint="try the command itself: gh issue list"
        ) from error
    if ran.returncode:
        lines = ran.stderr.decode(errors="replace").strip().splitlines()
        said = lines[0] if lines else f"exit code {ran.returncode}"
        raise InputError(f"{address}: gh failed: {said}", hint="try the command itself: gh auth status")
    return ran.stdout
